public import TinctureTensors

/// A named tensor and where its elements lie in a file.
public struct StoredTensor: Sendable, Hashable {
  /// The name.
  public let name: String
  /// The type of the elements as stored.
  public let dtype: DType
  /// The extents.
  public let shape: Shape
  /// The position of the first element in the file, in bytes.
  public let byteOffset: Int
  /// The distance between neighbours along each axis in elements, or nil for row-major order.
  public let strides: [Int]?

  /// Creates the description of a tensor.
  public init(
    name: String, dtype: DType, shape: Shape, byteOffset: Int, strides: [Int]? = nil
  ) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.byteOffset = byteOffset
    self.strides = strides
  }

  /// The number of bytes of the elements in row-major order; zero when sub-byte elements do not fill bytes.
  public var byteCount: Int { shape.byteCount(of: dtype) ?? 0 }
}
