internal import TinctureSafetensors
internal import TinctureTensors

/// The codes of a range of elements with what they mean in each of the groups it touches.
struct CodeSlice<Meaning> {
  private let range: Range<Int>
  private let groupLength: Int
  private let meanings: [Meaning]
  private let bytes: [UInt8]
  /// The first code in the bytes.
  private let firstCode: Int

  init(
    range: Range<Int>, groupLength: Int, meanings: [Meaning] = [], bytes: [UInt8] = [],
    firstCode: Int = 0
  ) {
    self.range = range
    self.groupLength = groupLength
    self.meanings = meanings
    self.bytes = bytes
    self.firstCode = firstCode
  }

  /// Visits the pieces of the range that lie in one group.
  ///
  /// - Parameter body: Takes the meaning of the group's codes, the bytes, the first code of the piece in
  ///   them, and the place of the piece in the range.
  func forEachGroup(_ body: (Meaning, UnsafeRawBufferPointer, Int, Range<Int>) -> Void) {
    bytes.withUnsafeBytes { bytes in
      var start = range.lowerBound
      for meaning in meanings {
        let end = min((start / groupLength + 1) * groupLength, range.upperBound)
        body(meaning, bytes, start - firstCode, start - range.lowerBound..<end - range.lowerBound)
        start = end
      }
    }
  }
}

extension BankVector {
  /// Reads the codes of a range and the quantisers of the groups it touches.
  ///
  /// - Throws: `io` when reading fails, `checkpoint` when a scale or a zero is not usable.
  func codes(_ range: Range<Int>, _ bits: Int, _ grouping: CodeGrouping) throws(TinctureError)
    -> CodeSlice<AffineQuantizer>
  {
    let length = grouping.length(in: record.shape)
    guard !range.isEmpty else { return CodeSlice(range: range, groupLength: length) }
    let groups = range.lowerBound / length..<(range.upperBound - 1) / length + 1
    return CodeSlice(
      range: range, groupLength: length, meanings: try quantizers(groups, bits),
      bytes: try packed("codes", range, bits), firstCode: range.lowerBound / 8 * 8)
  }

  /// Reads the bytes of a range of packed codes, whole eights of them, with eight bytes behind.
  func packed(_ suffix: String, _ range: Range<Int>, _ bits: Int) throws(TinctureError) -> [UInt8] {
    let part = try part(suffix)
    let wanted = PackedCodes.bytes(of: range, bits: bits)
    let stored = min(wanted.count, part.byteCount - wanted.lowerBound)
    // The kernels look at up to seven bytes beyond the last code.
    return try bank.file.bytes(
      at: part.byteOffset + wanted.lowerBound, count: stored, padding: wanted.count - stored + 8)
  }

  /// The quantisers of some groups.
  ///
  /// - Throws: `io` when reading fails, `checkpoint` when a scale or a zero is not usable.
  func quantizers(_ groups: Range<Int>, _ bits: Int) throws(TinctureError) -> [AffineQuantizer] {
    guard record.shape.elementCount > 0, groups == 0..<1 else {
      return try readQuantizers(groups, bits)
    }
    // The first group is often the only one, and every block asks for it.
    if let known = firstQuantizer.value { return [known] }
    let read = try readQuantizers(groups, bits)
    firstQuantizer.value = read[0]
    return read
  }

  private func readQuantizers(_ groups: Range<Int>, _ bits: Int) throws(TinctureError)
    -> [AffineQuantizer]
  {
    let scales = try numbers("scale", groups)
    let zeros = try numbers("zero", groups)
    var quantizers: [AffineQuantizer] = []
    quantizers.reserveCapacity(groups.count)
    for (index, (scale, zero)) in zip(scales, zeros).enumerated() {
      guard scale.isFinite, scale > 0, zero.isFinite else {
        throw TinctureError(
          .checkpoint,
          "Group \(groups.lowerBound + index) has the scale \(scale) and the zero \(zero); the bank is"
            + " damaged.")
      }
      quantizers.append(AffineQuantizer(bits: bits, scale: scale, zero: zero))
    }
    return quantizers
  }

  func numbers(_ suffix: String, _ range: Range<Int>) throws(TinctureError)
    -> ContiguousArray<Float>
  {
    let part = try part(suffix)
    let width = part.dtype.byteWidth ?? 1
    let bytes = try bank.file.bytes(
      at: part.byteOffset + range.lowerBound * width, count: range.count * width)
    if part.dtype == .u8 { return ContiguousArray(bytes.map { Float($0) }) }
    var values = ContiguousArray<Float>(repeating: 0, count: range.count)
    var span = values.mutableSpan
    bytes.withUnsafeBytes { _ = Kernels.widen($0, as: part.dtype, into: &span) }
    return values
  }
}
