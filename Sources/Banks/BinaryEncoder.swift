internal import TinctureTensors

/// Turns a vector into sums of sign vectors with scales for each group.
///
/// Experimental. Source: ShiftAddLLM, arXiv:2406.05981, whose quantiser is applied to task vectors here.
struct BinaryEncoder: VectorEncoder {
  /// How many sign vectors.
  let planes: Int
  let grouping: CodeGrouping
  /// How many powers of two make a scale; 0 for scales that are 16-bit floats.
  let terms: Int
  /// How often the greedy start is refined at most.
  let rounds: Int
  let shape: Shape
  let role: VectorRole
  let dtype: DType

  private static let block = 1 << 16
  /// Vectors with larger elements would have scales whose sums are not finite.
  private static let largest: Float = 0x1p118
  /// Scales of vectors without larger elements have few digits as 16-bit floats.
  private static let leastRounded: Float = 0x1p-100

  /// Encodes a vector.
  ///
  /// - Parameter vector: The elements.
  /// - Returns: The codes; nil when an element is too large, or all are too small for 16-bit scales.
  /// - Throws: What reading throws, or `checkpoint` for an element that is not finite.
  /// - Complexity: O(2ᵇ n) for each round, in two passes; a group must fit in memory.
  func encode(_ vector: VectorElements) throws(TinctureError) -> EncodedVector? {
    let count = shape.elementCount
    var whole = NumberRange()
    var squares = 0.0
    try forEachBlock(of: count, length: Self.block, vector) { (span, _) throws(TinctureError) in
      whole.include(span)
      Kernels.addDot(span, span, to: &squares)
    }
    guard count > 0, whole.low < whole.high else {
      let value = count == 0 ? 0 : whole.low
      return EncodedVector(
        record: VectorRecord(.constant(value), role: role, shape: shape, dtype: dtype), parts: [],
        squaredSum: squares)
    }
    let largest = max(-whole.low, whole.high)
    guard largest < Self.largest, terms > 0 || largest > Self.leastRounded else { return nil }
    let layout = BinaryLayout(
      planes: planes, grouping: grouping, scales: scales(upTo: largest))
    var packed = PackedGroups(layout, shape)
    let length = grouping.length(in: shape)
    try forEachBlock(
      of: count, length: max(1, Self.block / length) * length, vector
    ) { (span, _) throws(TinctureError) in
      packed.append(span, BinaryFit(planes: planes, form: layout.scales, rounds: rounds))
    }
    let loss = packed.squaredLoss
    return EncodedVector(
      record: VectorRecord(.binary(layout), role: role, shape: shape, dtype: dtype),
      parts: packed.finish(), squaredSum: squares, squaredLoss: loss)
  }

  /// Scales of powers of two from twice the largest element on downwards.
  private func scales(upTo largest: Float) -> BinaryLayout.Scales {
    terms == 0
      ? .bf16 : .shifts(terms: terms, ShiftCode(exponent: Int(largest.exponent) + 1))
  }
}

/// The codes and scales of groups that arrive one after the other.
private struct PackedGroups {
  private let layout: BinaryLayout
  private let length: Int
  private var codePacker: CodePacker
  private var scalePacker = CodePacker(bits: ShiftCode.bits)
  private var scales = ContiguousArray<Float>()
  private(set) var squaredLoss = 0.0

  init(_ layout: BinaryLayout, _ shape: Shape) {
    self.layout = layout
    length = layout.grouping.length(in: shape)
    codePacker = CodePacker(bits: layout.planes, expecting: shape.elementCount)
  }

  /// Fits some whole groups, the last of which may be shorter.
  mutating func append(_ x: Span<Float>, _ fit: BinaryFit) {
    var codes = ContiguousArray<UInt8>(repeating: 0, count: x.count)
    var residuals = ContiguousArray<Float>(repeating: 0, count: x.count)
    var scaleCodes = ContiguousArray<UInt8>()
    var allCodes = codes.mutableSpan
    var allResiduals = residuals.mutableSpan
    for start in stride(from: 0, to: x.count, by: length) {
      let place = start..<min(start + length, x.count)
      let group = x.extracting(place)
      var own = allCodes._mutatingExtracting(place)
      let stored = fit.fit(group, into: &own)
      var rest = allResiduals._mutatingExtracting(place)
      stored.table.residuals(group, own.span, into: &rest)
      Kernels.addDot(rest.span, rest.span, to: &squaredLoss)
      for scale in 0..<layout.planes {
        if layout.scales.terms == 0 { scales.append(stored.values[scale]) }
        for term in 0..<layout.scales.terms {
          scaleCodes.append(stored.code(scale, term: term))
        }
      }
    }
    scalePacker.append(scaleCodes.span)
    codePacker.append(allCodes.span)
  }

  /// The parts in the order of the record.
  consuming func finish() -> [EncodedPart] {
    var scalePart: EncodedPart
    if layout.scales.terms == 0 {
      var bytes = [UInt8](repeating: 0, count: scales.count * 2)
      bytes.withUnsafeMutableBytes { Kernels.narrow(scales.span, as: .bf16, into: $0) }
      scalePart = EncodedPart("scales", .bf16, bytes)
    } else {
      scalePart = EncodedPart("scales", .u8, scalePacker.finish())
    }
    return [scalePart, EncodedPart("codes", .u8, codePacker.finish())]
  }
}
