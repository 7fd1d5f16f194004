internal import TinctureTensors

/// Keeps a band of a vector's elements by magnitude and stores where they are.
///
/// Of n elements the ⌊γ n⌋ largest are dropped and the next ⌊β n⌋ are kept; of equal magnitudes the first
/// count as larger. Elements that are zero are not kept. Source: Model Breadcrumbs, arXiv:2312.06795,
/// with bands of whole tensors.
struct SparseEncoder: VectorEncoder {
  /// The fraction β that is kept.
  let density: Double
  /// The fraction γ that is dropped for being largest.
  let outliers: Double
  /// Bits of a value: 1 to 8 for codes, 16 or 32 for numbers.
  let bits: Int
  let shape: Shape
  let role: VectorRole
  let dtype: DType

  private static let pass = 1 << 16
  /// About how many kept elements a block has, so that what is said about it does not weigh.
  private static let fill = 1024.0

  /// Encodes a vector.
  ///
  /// - Parameter vector: The elements.
  /// - Returns: The kept elements; nil when the vector is so short that none would be kept, or too long.
  /// - Throws: What reading throws, or `checkpoint` for an element that is not finite.
  /// - Complexity: O(n), in three passes; memory for the kept elements.
  func encode(_ vector: VectorElements) throws(TinctureError) -> EncodedVector? {
    let count = shape.elementCount
    let top = Int(outliers * Double(count))
    let keep = min(Int(density * Double(count)), count - top)
    guard keep > 0, count <= SparseLayout.largestCount else { return nil }
    let ranks = [count - top - keep] + (top > 0 ? [count - top] : [])
    var search = RankSearch(.magnitude)
    var whole = NumberRange()
    var squares = 0.0
    var isFirst = true
    while !search.isFinished {
      try forEachBlock(of: count, length: Self.pass, vector) { (span, _) throws(TinctureError) in
        search.count(span)
        guard isFirst else { return }
        whole.include(span)
        Kernels.addDot(span, span, to: &squares)
      }
      isFirst = false
      if whole.low == whole.high { return constant(whole.low, squares, loss: 0) }
      search.endPass(ranks: ranks)
    }
    guard let lower = search.finding(rank: ranks[0])?.cut(keeping: top + keep, of: count) else {
      throw TinctureError(.internalError, "No element has the rank of the smallest kept one.")
    }
    var band = MagnitudeBand(
      // Of zeros none are kept.
      lower: lower.threshold == 0 ? MagnitudeCut(at: 0, ties: 0) : lower,
      upper: ranks.last.flatMap { top > 0 ? search.finding(rank: $0) : nil }?
        .cut(keeping: top, of: count))
    var kept = KeptElements(capacity: keep)
    let block = blockLength(keep, count)
    var loss = 0.0
    try forEachBlock(of: count, length: max(Self.pass, block), vector) {
      (span, _) throws(TinctureError) in
      loss += kept.take(span, where: band.mask(span), block: block)
    }
    guard !kept.values.isEmpty else { return constant(0, squares, loss: squares) }
    let stored = StoredValues(kept.values, bits: bits)
    let layout = SparseLayout(
      kept: kept.values.count, blockLength: block, indexSize: kept.index.count,
      values: stored.form)
    return EncodedVector(
      record: VectorRecord(.sparse(layout), role: role, shape: shape, dtype: dtype),
      parts: [
        EncodedPart("blocks", .u32, kept.starts), EncodedPart("index", .u8, kept.index),
        EncodedPart("values", stored.dtype, stored.bytes),
      ], squaredSum: squares, squaredLoss: loss + stored.squaredLoss)
  }

  private func constant(_ value: Float, _ squares: Double, loss: Double) -> EncodedVector {
    EncodedVector(
      record: VectorRecord(.constant(value), role: role, shape: shape, dtype: dtype), parts: [],
      squaredSum: squares, squaredLoss: loss)
  }

  private func blockLength(_ keep: Int, _ count: Int) -> Int {
    var length = SparseLayout.blockLengths.lowerBound
    while length < SparseLayout.blockLengths.upperBound, length < count,
      Double(keep) * Double(length) < Self.fill * Double(count)
    {
      length *= 2
    }
    return length
  }
}

/// The elements between two thresholds of magnitude, while a tensor is read in order.
private struct MagnitudeBand {
  var lower: MagnitudeCut
  var upper: MagnitudeCut?

  /// A bit for each element, the first lowest.
  mutating func mask(_ x: Span<Float>) -> ContiguousArray<UInt8> {
    var bits = ContiguousArray<UInt8>(repeating: 0, count: (x.count + 7) / 8)
    var span = bits.mutableSpan
    lower.mask(x, into: &span)
    guard upper != nil else { return bits }
    var dropped = ContiguousArray<UInt8>(repeating: 0, count: bits.count)
    var droppedSpan = dropped.mutableSpan
    upper?.mask(x, into: &droppedSpan)
    for index in bits.indices { bits[index] &= ~dropped[index] }
    return bits
  }
}

/// Kept elements with their places, while a tensor is read in order.
private struct KeptElements {
  private(set) var values = ContiguousArray<Float>()
  /// The codes of the places.
  private(set) var index: [UInt8] = []
  /// For each block, the values and the bytes of the index before it, as 32-bit numbers.
  private(set) var starts: [UInt8] = []
  private var places = ContiguousArray<UInt32>()
  private var rest = ContiguousArray<Float>()

  init(capacity: Int) { values.reserveCapacity(capacity) }

  /// Takes the elements of some whole blocks whose bits are set.
  ///
  /// - Returns: The sum of the squares of the others.
  mutating func take(_ x: Span<Float>, where bits: ContiguousArray<UInt8>, block: Int) -> Double {
    rest = ContiguousArray(repeating: 0, count: x.count)
    var copy = rest.mutableSpan
    Kernels.copy(x, to: &copy)
    for start in stride(from: 0, to: x.count, by: block) {
      let length = min(block, x.count - start)
      for number in [values.count, index.count] {
        for shift in [0, 8, 16, 24] {
          starts.append(UInt8(truncatingIfNeeded: number >> shift))
        }
      }
      let own = bits.span.extracting(start / 8..<(start + length + 7) / 8)
      PlaceCode.setBits(own, count: length, into: &places)
      for place in places {
        values.append(x[start + Int(place)])
        rest[start + Int(place)] = 0
      }
      let found = places
      PlaceCode.append(found.span, of: length, to: &index)
    }
    var loss = 0.0
    Kernels.addDot(rest.span, rest.span, to: &loss)
    return loss
  }
}

/// Values as they are stored.
private struct StoredValues {
  let form: SparseLayout.Values
  let dtype: DType
  let bytes: [UInt8]
  let squaredLoss: Double

  /// Stores values in some bits, or in 32 where fewer cannot hold them: codes need more than one value
  /// and a finite scale, 16-bit floats must become neither infinite nor zero.
  init(_ values: ContiguousArray<Float>, bits: Int) {
    if PackedCodes.widths.contains(bits), let coded = Self(coding: values, bits: bits) {
      self = coded
    } else if bits == 16, let rounded = Self(rounding: values) {
      self = rounded
    } else {
      self.init(form: .f32, dtype: .f32, bytes: Self.narrow(values, .f32), squaredLoss: 0)
    }
  }

  private init(form: SparseLayout.Values, dtype: DType, bytes: [UInt8], squaredLoss: Double) {
    self.form = form
    self.dtype = dtype
    self.bytes = bytes
    self.squaredLoss = squaredLoss
  }

  private init?(coding values: ContiguousArray<Float>, bits: Int) {
    var range = NumberRange()
    range.include(values.span)
    guard let quantizer = AffineQuantizer(bits: bits, low: range.low, high: range.high),
      quantizer.isBounded
    else { return nil }
    var codes = ContiguousArray<UInt8>(repeating: 0, count: values.count)
    var span = codes.mutableSpan
    quantizer.encode(values.span, into: &span)
    var packer = CodePacker(bits: bits, expecting: values.count)
    packer.append(codes.span)
    self.init(
      form: .codes(quantizer), dtype: .u8, bytes: packer.finish(),
      squaredLoss: quantizer.loss(values.span))
  }

  private init?(rounding values: ContiguousArray<Float>) {
    let bytes = Self.narrow(values, .bf16)
    var rest = ContiguousArray<Float>(repeating: 0, count: values.count)
    var span = rest.mutableSpan
    let largest = bytes.withUnsafeBytes { Kernels.widen($0, as: .bf16, into: &span) }
    // No value of those that are kept is zero.
    guard largest < FiniteElements.limit, Kernels.countNonzero(span.span) == values.count else {
      return nil
    }
    Kernels.subtract(values.span, from: &span)
    var loss = 0.0
    Kernels.addDot(rest.span, rest.span, to: &loss)
    self.init(form: .bf16, dtype: .bf16, bytes: bytes, squaredLoss: loss)
  }

  private static func narrow(_ values: ContiguousArray<Float>, _ dtype: DType) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: values.count * (dtype.byteWidth ?? 0))
    bytes.withUnsafeMutableBytes { Kernels.narrow(values.span, as: dtype, into: $0) }
    return bytes
  }
}
