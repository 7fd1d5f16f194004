public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// A model small enough to be written down: named tensors with their values.
public struct TinyModel: Sendable, Hashable {
  /// A tensor.
  public struct Tensor: Sendable, Hashable {
    /// The name.
    public var name: String
    /// The type in which the values are stored; must be arithmetic.
    public var dtype: DType
    /// The extents.
    public var shape: Shape
    /// The values in row-major order.
    public var values: [Float]

    /// Describes a tensor.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - dtype: The type in which the values are stored.
    ///   - shape: The extents.
    ///   - values: The values; as many as the shape has elements.
    public init(_ name: String, _ dtype: DType = .f32, shape: Shape, _ values: [Float]) {
      precondition(
        values.count == shape.elementCount, "\(shape) does not hold \(values.count) values.")
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.values = values
    }
  }

  /// The tensors in the order in which they are written.
  public var tensors: [Tensor]

  /// Puts tensors together.
  public init(_ tensors: [Tensor]) { self.tensors = tensors }

  /// The values of a tensor; nil when there is none of this name.
  public subscript(name: String) -> [Float]? { tensors.first { $0.name == name }?.values }

  /// Replaces one value.
  ///
  /// - Parameters:
  ///   - index: The position in row-major order.
  ///   - name: The tensor; nothing happens when there is none of this name.
  ///   - value: The new value.
  /// - Complexity: O(n) in the number of tensors.
  public mutating func replace(_ index: Int, of name: String, by value: Float) {
    guard let tensor = tensors.firstIndex(where: { $0.name == name }) else { return }
    tensors[tensor].values[index] = value
  }

  /// The same model with changed values.
  ///
  /// - Parameter change: Gives the new value for a tensor's name, a position and the old value.
  /// - Returns: A model of the same names, types and shapes.
  /// - Complexity: O(n).
  public func mapValues(_ change: (String, Int, Float) -> Float) -> TinyModel {
    var copy = self
    for tensor in tensors.indices {
      for index in tensors[tensor].values.indices {
        copy.tensors[tensor].values[index] = change(
          tensors[tensor].name, index, tensors[tensor].values[index])
      }
    }
    return copy
  }
}

extension TinyModel {
  /// Reads the arithmetic tensors of a checkpoint.
  ///
  /// - Parameter path: A file or directory.
  /// - Throws: What opening and reading the checkpoint throws.
  /// - Complexity: O(n).
  public init(reading path: FilePath) throws(TinctureError) {
    let checkpoint = try Checkpoint.open(path)
    var tensors: [Tensor] = []
    for name in checkpoint.names {
      guard let entry = checkpoint[name], entry.tensor.dtype.isArithmetic else { continue }
      let bytes = try entry.file.bytes(
        at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
      var values = ContiguousArray<Float>(repeating: 0, count: entry.tensor.shape.elementCount)
      bytes.withUnsafeBytes { bytes in
        var span = values.mutableSpan
        _ = Kernels.widen(bytes, as: entry.tensor.dtype, into: &span)
      }
      tensors.append(
        Tensor(name, entry.tensor.dtype, shape: entry.tensor.shape, Array(values)))
    }
    self.init(tensors)
  }

  /// The model as the bytes of a safetensors file.
  ///
  /// - Complexity: O(n).
  public var safetensors: [UInt8] {
    var bytes = SafetensorsHeader.encode(
      tensors: tensors.map { ($0.name, $0.dtype, $0.shape) }, metadata: [])
    for tensor in tensors {
      let values = ContiguousArray(tensor.values)
      let size = tensor.shape.byteCount(of: tensor.dtype) ?? 0
      bytes += [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        Kernels.narrow(
          values.span, as: tensor.dtype, into: UnsafeMutableRawBufferPointer(buffer))
        count = size
      }
    }
    return bytes
  }
}
