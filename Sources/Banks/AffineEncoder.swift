internal import TinctureTensors

/// Turns a vector that can be gone through again and again into affine codes.
struct AffineEncoder: VectorEncoder {
  let bits: Int
  let grouping: CodeGrouping
  let clips: Bool
  let shape: Shape
  let role: VectorRole
  let dtype: DType

  private static let block = 1 << 16
  /// Groups of a smaller range have no finite scale at some widths; they count as zeros, which is nothing
  /// beside the range that the whole vector then has.
  private static let narrowest: Float = 1e-30
  private static let narrowestWhole: Float = 1e-20

  /// What becomes of a vector.
  struct Outcome {
    /// The codes; nil for a constant.
    let codes: AffineCodes?
    /// The number that all elements are, when there are no codes.
    var constant: Float = 0
    /// The sum of the squares of the elements.
    let squaredSum: Double
    /// The sum of the squares of what the codes lose of them.
    var squaredLoss = 0.0
  }

  /// Encodes a vector; the same as `quantize` with the parts of the container and their digests.
  func encode(_ vector: VectorElements) throws(TinctureError) -> EncodedVector? {
    guard let outcome = try quantize(vector) else { return nil }
    guard let codes = outcome.codes else {
      return EncodedVector(
        record: VectorRecord(
          .constant(outcome.constant), role: role, shape: shape, dtype: dtype), parts: [],
        squaredSum: outcome.squaredSum)
    }
    let scales = codes.quantizers.map(\.scale)
    let zeros = codes.quantizers.map(\.zero)
    let types = rangeTypes
    return EncodedVector(
      record: VectorRecord(
        .affine(bits: bits, grouping), role: role, shape: shape, dtype: dtype),
      parts: [
        EncodedPart("scale", types.scale, Self.bytes(scales, types.scale)),
        EncodedPart(
          "zero", types.zero,
          types.zero == .u8 ? zeros.map { UInt8($0) } : Self.bytes(zeros, types.zero)),
        EncodedPart("codes", .u8, Array(codes.bytes.dropLast(8))),
      ], codes: codes, squaredSum: outcome.squaredSum, squaredLoss: outcome.squaredLoss)
  }

  /// One range is stored in full, many in few bytes.
  private var rangeTypes: (scale: DType, zero: DType) {
    grouping == .tensor ? (.f32, .f32) : (.bf16, .u8)
  }

  /// The bytes that the codes of a vector and their ranges take.
  var byteCount: Int {
    let types = rangeTypes
    let range = (types.scale.byteWidth ?? 0) + (types.zero.byteWidth ?? 0)
    return PackedCodes.byteCount(shape.elementCount, bits: bits)
      + grouping.count(in: shape) * range
  }

  /// Finds ranges and codes.
  ///
  /// - Parameter vector: The elements.
  /// - Returns: The codes; nil when some range is too narrow for a finite scale.
  /// - Throws: What reading throws, or `checkpoint` for an element that is not finite.
  /// - Complexity: O(n), in two or three passes; a group must fit in memory.
  func quantize(_ vector: VectorElements) throws(TinctureError) -> Outcome? {
    var whole = NumberRange()
    var squares = 0.0
    try forEachBlock(of: shape.elementCount, length: Self.block, vector) {
      (span, _) throws(TinctureError) in
      whole.include(span)
      Kernels.addDot(span, span, to: &squares)
    }
    guard shape.elementCount > 0, whole.low < whole.high else {
      let value = shape.elementCount == 0 ? 0 : whole.low
      return Outcome(codes: nil, constant: value, squaredSum: squares)
    }
    guard grouping == .tensor || whole.withZero.isWider(than: Self.narrowestWhole) else {
      return nil
    }
    var loss = 0.0
    let codes =
      grouping == .tensor
      ? try encodeWhole(whole, vector, &loss) : try encodeGroups(vector, &loss)
    guard let codes else { return nil }
    return Outcome(codes: codes, squaredSum: squares, squaredLoss: loss)
  }

  private func encodeWhole(_ whole: NumberRange, _ vector: VectorElements, _ loss: inout Double)
    throws(TinctureError)
    -> AffineCodes?
  {
    var range = whole
    if clips {
      var histogram = ClipSearch(bits: bits, range: whole)
      try forEachBlock(of: shape.elementCount, length: Self.block, vector) {
        (span, _) throws(TinctureError) in histogram.count(span)
      }
      range = histogram.best()
    }
    guard let quantizer = AffineQuantizer(bits: bits, low: range.low, high: range.high) else {
      return nil
    }
    var packer = CodePacker(bits: bits, expecting: shape.elementCount)
    var codes = ContiguousArray<UInt8>(repeating: 0, count: Self.block)
    try forEachBlock(of: shape.elementCount, length: Self.block, vector) {
      (span, _) throws(TinctureError) in
      var all = codes.mutableSpan
      var part = all._mutatingExtracting(0..<span.count)
      quantizer.encode(span, into: &part)
      packer.append(part.span)
      loss += quantizer.loss(span)
    }
    let bytes = packer.finish() + [UInt8](repeating: 0, count: 8)
    return AffineCodes(
      groupLength: max(1, shape.elementCount), quantizers: [quantizer], bytes: bytes)
  }

  private func encodeGroups(_ vector: VectorElements, _ loss: inout Double) throws(TinctureError)
    -> AffineCodes?
  {
    let length = grouping.length(in: shape)
    let block = max(1, Self.block / length) * length
    var packer = CodePacker(bits: bits, expecting: shape.elementCount)
    var codes = ContiguousArray<UInt8>(repeating: 0, count: block)
    var quantizers: [AffineQuantizer] = []
    var isPossible = true
    try forEachBlock(of: shape.elementCount, length: block, vector) {
      (span, _) throws(TinctureError) in
      var all = codes.mutableSpan
      for start in stride(from: 0, to: span.count, by: length) {
        let place = start..<min(start + length, span.count)
        let group = span.extracting(place)
        guard let quantizer = self.quantizer(of: group) else {
          isPossible = false
          return
        }
        var part = all._mutatingExtracting(place)
        quantizer.encode(group, into: &part)
        quantizers.append(quantizer)
        loss += quantizer.loss(group)
      }
      let used = all._mutatingExtracting(0..<span.count)
      packer.append(used.span)
    }
    guard isPossible else { return nil }
    let bytes = packer.finish() + [UInt8](repeating: 0, count: 8)
    return AffineCodes(groupLength: length, quantizers: quantizers, bytes: bytes)
  }

  /// The quantiser of a group: its scale is a 16-bit float, its zero is one of the codes.
  private func quantizer(of group: Span<Float>) -> AffineQuantizer? {
    var range = NumberRange()
    range.include(group)
    let full = range.withZero
    guard full.isWider(than: Self.narrowest) else {
      // Zeros, or next to nothing beside any other group: any scale will do.
      return AffineQuantizer(bits: bits, scale: 1, zero: 0)
    }
    var best: AffineQuantizer?
    var least = Double.infinity
    for step in 0...(clips ? ClipSearch.steps : 0) {
      let factor = 1 - Float(step) * ClipSearch.stepWidth
      let clipped = full.scaled(by: factor)
      guard
        let ideal = AffineQuantizer(bits: bits, low: clipped.low, high: clipped.high),
        case let scale = Float(bitPattern: ideal.scale.bitPattern & 0xffff_0000),
        scale > 0, scale.isFinite
      else { continue }
      let zero = -(scale * clipped.low).rounded(.toNearestOrEven)
      let candidate = AffineQuantizer(bits: bits, scale: scale, zero: min(zero, ideal.top))
      guard clips else { return candidate }
      let loss = candidate.loss(group)
      if loss < least { (best, least) = (candidate, loss) }
    }
    return best
  }

  private static func bytes(_ values: [Float], _ dtype: DType) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: values.count * (dtype.byteWidth ?? 0))
    let values = ContiguousArray(values)
    bytes.withUnsafeMutableBytes { Kernels.narrow(values.span, as: dtype, into: $0) }
    return bytes
  }
}
