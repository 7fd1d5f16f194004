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
  /// The number of elements that are gone through at a time.
  static var block: Int { 1 << 16 }

  /// The stored bytes, piece by piece: those of the file, or the elements rounded to their type.
  func forEachPiece(_ body: (UnsafeRawBufferPointer) throws(TinctureError) -> Void)
    throws(TinctureError)
  {
    if let stored = storedRange {
      let count = shape.byteCount(of: dtype) ?? 0
      var position = 0
      while position < count {
        let length = min(1 << 18, count - position)
        let bytes = try stored.file.bytes(at: stored.offset + position, count: length)
        try bytes.withUnsafeBufferPointer { (bytes) throws(TinctureError) in
          try body(UnsafeRawBufferPointer(bytes))
        }
        position += length
      }
      return
    }
    guard dtype.isArithmetic, let width = dtype.byteWidth else {
      throw TinctureError(
        .checkpoint, "\(dtype.rawValue) elements in this order cannot be read.", at: place)
    }
    var values = ContiguousArray<Float>(repeating: 0, count: Self.block)
    var bytes = [UInt8](repeating: 0, count: Self.block * width)
    for start in stride(from: 0, to: shape.elementCount, by: Self.block) {
      let range = start..<min(start + Self.block, shape.elementCount)
      var all = values.mutableSpan
      var span = all._mutatingExtracting(0..<range.count)
      try read(range, into: &span)
      let used = range.count * width
      bytes.withUnsafeMutableBytes {
        Kernels.narrow(
          span.span, as: dtype, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<used]))
      }
      try bytes.withBytes { (bytes) throws(TinctureError) in
        try body(UnsafeRawBufferPointer(rebasing: bytes[..<used]))
      }
    }
  }
}
