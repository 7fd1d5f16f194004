internal import TinctureTensors

/// Turns a vector into the form in which a bank stores it.
///
/// One file for each form.
protocol VectorEncoder {
  /// Encodes a vector that can be gone through again and again.
  ///
  /// - Parameter vector: Fills a span with the elements of a range.
  /// - Returns: The vector with `squaredSum` and `squaredLoss`; nil when this form cannot hold it, so
  ///   that the tensor is stored as it is.
  /// - Throws: What reading throws, or `checkpoint` for an element that is not finite.
  func encode(_ vector: VectorElements) throws(TinctureError) -> EncodedVector?
}

/// Fills a span with the elements of a range.
typealias VectorElements = (Range<Int>, inout MutableSpan<Float>) throws(TinctureError) -> Void

/// The bytes of a part with their digest.
struct EncodedPart: Sendable {
  let suffix: String
  let dtype: DType
  let bytes: [UInt8]
  let digest: String

  init(_ suffix: String, _ dtype: DType, _ bytes: [UInt8]) {
    self.suffix = suffix
    self.dtype = dtype
    self.bytes = bytes
    digest = PartDigest.of(bytes)
  }
}

/// A vector as it goes into a bank.
struct EncodedVector: Sendable {
  var record: VectorRecord
  /// The parts in the order of the record.
  let parts: [EncodedPart]
  /// The codes, for who needs the vector as it will be decoded.
  var codes: AffineCodes?
  /// The sum of the squares of the elements.
  var squaredSum = 0.0
  /// The sum of the squares of what is lost of them.
  var squaredLoss = 0.0
  /// What a factor for the whole expert is worked out from, where it has one.
  var maskSums: MaskEncoder.Sums?

  /// Decodes a range of elements of codes or a constant.
  func decode(_ range: Range<Int>, into output: inout MutableSpan<Float>) {
    if let codes {
      codes.decode(range, into: &output)
    } else if case .constant(let value) = record.content {
      for index in 0..<output.count { output[index] = value }
    }
  }
}

/// Goes through a vector block by block, checking that its elements are finite.
func forEachBlock(
  of count: Int, length: Int, _ vector: VectorElements,
  _ body: (Span<Float>, Range<Int>) throws(TinctureError) -> Void
) throws(TinctureError) {
  var values = ContiguousArray<Float>(repeating: 0, count: min(length, max(1, count)))
  for start in stride(from: 0, to: count, by: length) {
    let range = start..<min(start + length, count)
    var all = values.mutableSpan
    var span = all._mutatingExtracting(0..<range.count)
    try vector(range, &span)
    try FiniteElements.require(span.span, from: start)
    try body(span.span, range)
  }
}
