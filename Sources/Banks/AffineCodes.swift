internal import TinctureTensors

/// Affine codes of a whole vector.
struct AffineCodes: Sendable {
  let groupLength: Int
  let quantizers: [AffineQuantizer]
  /// The packed codes and eight further bytes.
  let bytes: [UInt8]

  /// Decodes a range of elements.
  func decode(_ range: Range<Int>, into output: inout MutableSpan<Float>) {
    guard !range.isEmpty else { return }
    let groups = range.lowerBound / groupLength...(range.upperBound - 1) / groupLength
    CodeSlice(
      range: range, groupLength: groupLength, meanings: Array(quantizers[groups]), bytes: bytes,
      firstCode: 0
    ).forEachGroup { quantizer, bytes, start, place in
      var target = output._mutatingExtracting(place)
      quantizer.decode(bytes, from: start, into: &target)
    }
  }
}
