internal import TinctureTensors
internal import TinctureTorch

/// Numbers in memory of their own, which LibTorch can use in place.
///
/// Written by its maker, then only read: that is why it may be shared.
package final class FloatMemory: @unchecked Sendable {
  package let count: Int
  private let start: UnsafeMutablePointer<Float>

  /// Makes room for numbers, which `fill` writes.
  package init<Failure: Error>(
    count: Int, _ fill: (inout MutableSpan<Float>) throws(Failure) -> Void
  ) throws(Failure) {
    self.count = count
    start = .allocate(capacity: max(1, count))
    start.initialize(repeating: 0, count: max(1, count))
    var span = MutableSpan<Float>(_unsafeStart: start, count: count)
    try fill(&span)
  }

  /// The numbers.
  var array: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// The elements of a tensor.
  convenience init(_ tensor: TorchTensor) throws(TinctureError) {
    self.init(zeros: tensor.elementCount)
    try tensor.detached().withBytes(as: .f32) { bytes in
      fill(0..<count) { span in _ = Kernels.widen(bytes, as: .f32, into: &span) }
    }
  }

  /// A copy of other numbers, which only its maker changes.
  init(copying other: FloatMemory) {
    count = other.count
    start = .allocate(capacity: max(1, count))
    start.initialize(from: other.start, count: max(1, count))
  }

  deinit { start.deallocate() }

  /// Makes room for zeros, which only its maker changes.
  convenience init(zeros count: Int) {
    self.init(count: count) { _ in }
  }

  /// Writes a range of the numbers; only for the maker, before anybody else sees them.
  func fill<R, Failure: Error>(
    _ range: Range<Int>, _ body: (inout MutableSpan<Float>) throws(Failure) -> R
  ) throws(Failure) -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "No such elements.")
    var span = MutableSpan<Float>(_unsafeStart: start + range.lowerBound, count: range.count)
    return try body(&span)
  }

  /// Uses a range of the numbers.
  func withSpan<R, Failure: Error>(
    _ range: Range<Int>, _ body: (Span<Float>) throws(Failure) -> R
  ) throws(Failure) -> R {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "No such elements.")
    return try body(Span(_unsafeStart: UnsafePointer(start + range.lowerBound), count: range.count))
  }

  /// A tensor of these numbers; on the processor without a copy.
  func tensor(_ extents: [Int], on device: TorchDevice) throws(TinctureError) -> TorchTensor {
    let bytes = UnsafeRawBufferPointer(start: start, count: count * 4)
    return try TorchTensor(sharing: bytes, shape: extents, dtype: .f32, owner: self)
      .moved(to: device)
  }
}
