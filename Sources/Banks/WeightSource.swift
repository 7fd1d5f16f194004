public import TinctureSafetensors
public import TinctureTensors

/// A tensor of a model that goes into a bank.
///
/// Models with adapters folded in are sources like any other. A source belongs to one task.
public protocol WeightSource {
  /// The type of the elements as stored.
  var dtype: DType { get }
  /// The extents.
  var shape: Shape { get }
  /// Where the tensor comes from, for messages.
  var place: TinctureError.Place { get }
  /// The file range that holds exactly this tensor in row-major order, when there is one.
  var storedRange: (file: InputFile, offset: Int)? { get }

  /// Reads elements as floats.
  ///
  /// - Parameters:
  ///   - range: The elements in row-major order.
  ///   - output: Receives the values.
  /// - Throws: `io` when reading fails.
  func read(_ range: Range<Int>, into output: inout MutableSpan<Float>) throws(TinctureError)
}

extension WeightSource {
  /// The number of bytes that are gone through at a time; every element width divides it.
  private static var pieceLength: Int { 1 << 18 }

  /// The stored bytes, piece by piece: those of the file, or the elements rounded to their type.
  func forEachPiece(_ body: (UnsafeRawBufferPointer) throws(TinctureError) -> Void)
    throws(TinctureError)
  {
    let count = shape.byteCount(of: dtype) ?? 0
    for start in stride(from: 0, to: count, by: Self.pieceLength) {
      try bytes(start..<min(start + Self.pieceLength, count)).withBytes(body)
    }
  }

  /// Whether another tensor has the same type, extents and bytes; stops at the first difference.
  func equals(_ other: any WeightSource) throws(TinctureError) -> Bool {
    guard shape == other.shape, dtype == other.dtype else { return false }
    let count = shape.byteCount(of: dtype) ?? 0
    for start in stride(from: 0, to: count, by: Self.pieceLength) {
      let range = start..<min(start + Self.pieceLength, count)
      guard try bytes(range) == other.bytes(range) else { return false }
    }
    return true
  }

  /// Some of the stored bytes, beginning and ending between elements.
  private func bytes(_ range: Range<Int>) throws(TinctureError) -> [UInt8] {
    if let stored = storedRange {
      return try stored.file.bytes(at: stored.offset + range.lowerBound, count: range.count)
    }
    guard dtype.isArithmetic, let width = dtype.byteWidth else {
      throw TinctureError(
        .checkpoint, "\(dtype.rawValue) elements in this order cannot be read.", at: place)
    }
    var values = ContiguousArray<Float>(repeating: 0, count: range.count / width)
    var span = values.mutableSpan
    try read(range.lowerBound / width..<range.upperBound / width, into: &span)
    var bytes = [UInt8](repeating: 0, count: range.count)
    bytes.withUnsafeMutableBytes { Kernels.narrow(span.span, as: dtype, into: $0) }
    return bytes
  }
}
