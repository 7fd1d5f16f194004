internal import TinctureTensors

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
  /// The sum of the squares of what the codes lose of them.
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
      range: range, groupLength: groupLength, quantizers: Array(quantizers[groups]), bytes: bytes,
      firstCode: 0
    ).forEachGroup { quantizer, bytes, start, place in
      var target = output._mutatingExtracting(place)
      quantizer.decode(bytes, from: start, into: &target)
    }
  }
}

/// Turns a vector that can be gone through again and again into affine codes.
struct AffineEncoder {
  /// Fills a span with the elements of a range.
  typealias Vector = (Range<Int>, inout MutableSpan<Float>) throws(TinctureError) -> Void

  let bits: Int
  let grouping: CodeGrouping
  let clips: Bool
  let shape: Shape
  let role: VectorRole
  let dtype: DType

  private static let block = 1 << 16
  /// Groups of a smaller range have no finite scale at some widths; they count as zeros.
  private static let narrowest: Float = 1e-30

  /// Encodes a vector.
  ///
  /// - Parameter vector: The elements.
  /// - Returns: The codes; nil when some range is too narrow for a finite scale.
  /// - Throws: What reading throws, or `checkpoint` for an element that is not finite.
  /// - Complexity: O(n), in two or three passes; a group must fit in memory.
  func encode(_ vector: Vector) throws(TinctureError) -> EncodedVector? {
    var whole = NumberRange()
    var squares = 0.0
    try forEachBlock(Self.block, vector) { span, _ in
      whole.include(span)
      Kernels.addDot(span, span, to: &squares)
    }
    guard shape.elementCount > 0, whole.low < whole.high else {
      let value = shape.elementCount == 0 ? 0 : whole.low
      return EncodedVector(
        record: VectorRecord(.constant(value), role: role, shape: shape, dtype: dtype), parts: [],
        squaredSum: squares)
    }
    var loss = 0.0
    let codes =
      grouping == .tensor
      ? try encodeWhole(whole, vector, &loss) : try encodeGroups(vector, &loss)
    guard let codes else { return nil }
    let scales = codes.quantizers.map(\.scale)
    let zeros = codes.quantizers.map(\.zero)
    let isNarrow = grouping != .tensor
    return EncodedVector(
      record: VectorRecord(
        .affine(bits: bits, grouping), role: role, shape: shape, dtype: dtype),
      parts: [
        EncodedPart("scale", isNarrow ? .bf16 : .f32, Self.bytes(scales, isNarrow ? .bf16 : .f32)),
        EncodedPart(
          "zero", isNarrow ? .u8 : .f32,
          isNarrow ? zeros.map { UInt8($0) } : Self.bytes(zeros, .f32)
        ),
        EncodedPart("codes", .u8, Array(codes.bytes.dropLast(8))),
      ], codes: codes, squaredSum: squares, squaredLoss: loss)
  }

  private func encodeWhole(_ whole: NumberRange, _ vector: Vector, _ loss: inout Double)
    throws(TinctureError)
    -> AffineCodes?
  {
    var range = whole
    if clips {
      var histogram = ClipSearch(bits: bits, range: whole)
      try forEachBlock(Self.block, vector) { span, _ in histogram.count(span) }
      range = histogram.best()
    }
    guard let quantizer = AffineQuantizer(bits: bits, low: range.low, high: range.high) else {
      return nil
    }
    var packer = CodePacker(bits: bits, expecting: shape.elementCount)
    var codes = ContiguousArray<UInt8>(repeating: 0, count: Self.block)
    try forEachBlock(Self.block, vector) { span, _ in
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

  private func encodeGroups(_ vector: Vector, _ loss: inout Double) throws(TinctureError)
    -> AffineCodes?
  {
    let length = grouping.length(in: shape)
    let block = max(1, Self.block / length) * length
    var packer = CodePacker(bits: bits, expecting: shape.elementCount)
    var codes = ContiguousArray<UInt8>(repeating: 0, count: block)
    var quantizers: [AffineQuantizer] = []
    var isPossible = true
    try forEachBlock(block, vector) { span, _ in
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
    guard full.high - full.low > Self.narrowest else {
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

  private func forEachBlock(
    _ length: Int, _ vector: Vector, _ body: (Span<Float>, Range<Int>) -> Void
  ) throws(TinctureError) {
    let count = shape.elementCount
    var values = ContiguousArray<Float>(repeating: 0, count: min(length, max(1, count)))
    for start in stride(from: 0, to: count, by: length) {
      let range = start..<min(start + length, count)
      var all = values.mutableSpan
      var span = all._mutatingExtracting(0..<range.count)
      try vector(range, &span)
      guard Kernels.largestMagnitude(span.span) < 0x7f80_0000 else {
        let index = range.first { !span[$0 - start].isFinite } ?? start
        throw TinctureError(
          .checkpoint,
          "Element \(index) is \(span[index - start]); a bank stores finite numbers only. Repair the"
            + " checkpoint.")
      }
      body(span.span, range)
    }
  }

  private static func bytes(_ values: [Float], _ dtype: DType) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: values.count * (dtype.byteWidth ?? 0))
    let values = ContiguousArray(values)
    bytes.withUnsafeMutableBytes { Kernels.narrow(values.span, as: dtype, into: $0) }
    return bytes
  }
}
