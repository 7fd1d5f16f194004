internal import TinctureTensors

/// Which elements of a tensor are looked at to tell what a width would lose.
///
/// All of them for tensors up to four million elements, else pieces spread evenly over the tensor, made of
/// whole groups.
struct MeasuredPart {
  private static let limit = 1 << 22
  private static let pieceLength = 1 << 14

  /// How many elements are looked at.
  let count: Int
  /// How many elements of the tensor each stands for.
  let weight: Double
  /// The grouping of what is looked at.
  let grouping: CodeGrouping
  private let piece: Int
  private let step: Int

  init(_ shape: Shape, _ wanted: CodeGrouping) {
    let length = wanted.length(in: shape)
    let total = shape.elementCount
    grouping = wanted == .tensor ? .tensor : .run(length)
    let unit = wanted == .tensor ? 1 : length
    piece = max(1, Self.pieceLength / unit) * unit
    let pieces = total / piece
    let taken = max(1, Self.limit / piece)
    guard total > Self.limit, pieces > taken else {
      (count, step, weight) = (total, piece, 1)
      return
    }
    step = pieces / taken * piece
    count = taken * piece
    weight = Double(total) / Double(count)
  }

  /// Reads the elements of a vector of the tensor's shape.
  func read(_ vector: VectorElements) throws(TinctureError) -> MeasuredVector {
    var values = ContiguousArray<Float>(repeating: 0, count: count)
    var all = values.mutableSpan
    var start = 0
    var place = 0
    while place < count {
      let length = min(piece, count - place)
      var span = all._mutatingExtracting(place..<place + length)
      try vector(start..<start + length, &span)
      try FiniteElements.require(span.span, from: start)
      place += length
      start += step
    }
    return MeasuredVector(values: values, part: self)
  }
}

/// The elements of a vector that are looked at, in memory.
struct MeasuredVector {
  private(set) var values: ContiguousArray<Float>
  let part: MeasuredPart

  /// What codes of a width lose, over the whole tensor; nil when a range has no finite scale.
  func quantize(bits: Int, clips: Bool) throws(TinctureError) -> AffineEncoder.Outcome? {
    let encoder = AffineEncoder(
      bits: bits, grouping: part.grouping, clips: clips, shape: Shape(vector: part.count),
      role: .difference, dtype: .f32)
    return try encoder.quantize { (range, output) in
      Kernels.copy(values.span.extracting(range), to: &output)
    }
  }

  /// The vector less another.
  func less(_ other: MeasuredVector) -> MeasuredVector {
    var result = self
    var output = result.values.mutableSpan
    Kernels.subtract(other.values.span, from: &output)
    return result
  }

  /// The vector less what codes stand for.
  func less(_ outcome: AffineEncoder.Outcome) -> MeasuredVector {
    var result = self
    var decoded = ContiguousArray<Float>(repeating: outcome.constant, count: part.count)
    var span = decoded.mutableSpan
    outcome.codes?.decode(0..<part.count, into: &span)
    var output = result.values.mutableSpan
    Kernels.subtract(span.span, from: &output)
    return result
  }

  /// The squared norm, over the whole tensor.
  var squaredSum: Double {
    var sum = 0.0
    Kernels.addDot(values.span, values.span, to: &sum)
    return sum * part.weight
  }
}
