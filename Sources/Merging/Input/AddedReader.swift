public import TinctureSafetensors
public import TinctureTensors

/// A stored tensor with a multiple of another one added while it is read: x + s y.
public struct AddedReader: TensorReader {
  private let first: any TensorReader
  private let second: StoredTensorReader
  private let scale: Float

  /// Creates a reader.
  ///
  /// - Parameters:
  ///   - first: The tensor.
  ///   - second: What is added, with as many elements.
  ///   - scale: What it is multiplied by.
  /// - Throws: `checkpoint` when the numbers of elements differ.
  public init(_ first: any TensorReader, _ second: StoredTensorReader, times scale: Float)
    throws(TinctureError)
  {
    guard first.shape.elementCount == second.shape.elementCount else {
      throw TinctureError(
        .checkpoint, "The tensor \(second.shape) cannot be added to one of \(first.shape).",
        at: second.place)
    }
    self.first = first
    self.second = second
    self.scale = scale
  }

  /// The type of the first tensor.
  public var dtype: DType { first.dtype }
  /// The extents of the first tensor.
  public var shape: Shape { first.shape }
  /// The first tensor.
  public var place: TinctureError.Place { first.place }
  /// None: the stored bytes are not the sum.
  public var storedRange: (file: InputFile, offset: Int)? { nil }
  /// What both take, and the second tensor as floats.
  public var workingBytes: Int { first.workingBytes + 4 * second.shape.elementCount }

  /// Reads elements as floats.
  public func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    _ = try first.read(range, into: &output, window: window)
    if window.kept[second.place] == nil { window.kept[second.place] = [try second.wholly()] }
    let added = window.kept[second.place]?.first ?? []
    added.withUnsafeBufferPointer { added in
      let part = UnsafeBufferPointer(rebasing: added[range])
      Kernels.add(part.span, times: scale, to: &output)
    }
    var largest: UInt32 = 0
    for index in 0..<output.count { largest = max(largest, output[index].magnitude.bitPattern) }
    return largest
  }
}

extension StoredTensorReader {
  /// All elements as floats.
  ///
  /// - Returns: The elements in row-major order.
  /// - Throws: `io` when reading fails, `checkpoint` for an element that is not finite.
  /// - Complexity: O(n), with memory for all elements.
  public func wholly() throws(TinctureError) -> ContiguousArray<Float> {
    let count = shape.elementCount
    var values = ContiguousArray<Float>(repeating: 0, count: count)
    var span = values.mutableSpan
    let largest = try read(0..<count, into: &span, window: ReadWindow(byteCount: 1 << 16))
    guard largest < 0x7f80_0000 else {
      let index = values.firstIndex { !$0.isFinite } ?? 0
      throw TinctureError(
        .checkpoint, "Element \(index) is \(values[index]); an adapter must be finite.", at: place)
    }
    return values
  }
}
