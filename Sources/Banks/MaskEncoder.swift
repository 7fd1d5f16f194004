internal import TinctureTensors

/// Encodes task vectors as one shared vector and a bit for each element that says whether it takes part.
///
/// - TALL: the shared vector is the sum τ = Σ τᵢ; an element takes part where |τᵢ| > λ |τ − τᵢ|. Source:
///   arXiv:2405.07813.
/// - EMR: γ is the sign of the mean, negative where it is zero; the shared vector is γ times the largest
///   |τᵢ| of that sign; an element takes part where τᵢ γ > 0. The expert is rescaled by the ratio of the
///   sums of mean magnitudes over all tensors. Source: arXiv:2405.17461.
struct MaskEncoder {
  /// What the factor and the error of an expert are worked out from, when all tensors are known.
  struct Sums: Sendable {
    /// The mean of |τᵢ|.
    var vector = 0.0
    /// The mean of the magnitudes of what the mask leaves of the shared vector.
    var masked = 0.0
    /// ‖τᵢ‖².
    var squaredNorm = 0.0
    /// ⟨τᵢ, masked⟩.
    var product = 0.0
    /// The squared norm of what the mask leaves.
    var squares = 0.0
  }

  let kind: BankCodec.Kind
  /// λ of each expert.
  let thresholds: [Float]
  let shape: Shape
  /// The shared vector that is stored already, if there is one.
  let stored: BankVector?
  /// What a merged model adds to the base, where experts are to be made out of that model.
  ///
  /// The shared vector is then its negative, which leads back to the base, and masks are offsets that add
  /// some of it again.
  var added: VectorElements?

  private static let block = 1 << 14

  /// Goes through all task vectors at once.
  ///
  /// - Parameters:
  ///   - dtypes: The types of the experts' tensors.
  ///   - vector: Fills a span with a range of an expert's task vector, whose elements are finite.
  /// - Returns: The shared vector, unless it is stored already, and those of the experts.
  /// - Throws: What the reading of task vectors throws.
  /// - Complexity: O(n) for each expert, in one pass; memory for the shared vector.
  func encode(
    _ dtypes: [DType],
    _ vector: (Int, Range<Int>, inout MutableSpan<Float>) throws(TinctureError) -> Void
  ) throws(TinctureError) -> (shared: EncodedVector?, experts: [EncodedVector]) {
    let count = shape.elementCount
    var sums = dtypes.map { _ in Sums() }
    var packers = dtypes.map { _ in CodePacker(bits: 1, expecting: count) }
    var vectors = dtypes.map { _ in ContiguousArray<Float>(repeating: 0, count: Self.block) }
    var shared = ContiguousArray<Float>(repeating: 0, count: Self.block)
    var bytes: [UInt8] = []
    if stored == nil { bytes.reserveCapacity(count * 4) }
    var squares = 0.0
    var kept = ContiguousArray<Float>(repeating: 0, count: Self.block)
    var marks = ContiguousArray<UInt8>(repeating: 0, count: Self.block)
    for start in stride(from: 0, to: count, by: Self.block) {
      let range = start..<min(start + Self.block, count)
      for index in vectors.indices {
        var all = vectors[index].mutableSpan
        var span = all._mutatingExtracting(0..<range.count)
        try vector(index, range, &span)
      }
      if stored != nil || added != nil {
        var all = shared.mutableSpan
        var span = all._mutatingExtracting(0..<range.count)
        try stored?.decode(range, into: &span)
        try added?(range, &span)
      } else {
        unify(vectors, range.count, &shared)
      }
      for index in vectors.indices {
        mark(
          vectors[index], thresholds[index], shared, range.count, &kept, &marks,
          &packers[index], &sums[index])
      }
      guard stored == nil else { continue }
      if added != nil {
        shared.withUnsafeMutableBufferPointer { shared in
          for index in 0..<range.count { shared[index] = 0 - shared[index] }
        }
      }
      let stored = shared.span.extracting(0..<range.count)
      Kernels.addDot(stored, stored, to: &squares)
      shared.withUnsafeBytes {
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[..<(range.count * 4)]))
      }
    }
    var experts: [EncodedVector] = []
    for (index, dtype) in dtypes.enumerated() {
      let mask = packers[index].finish()
      var own = sums[index]
      own.vector /= Double(max(1, count))
      own.masked /= Double(max(1, count))
      var result = EncodedVector(
        record: VectorRecord(
          .mask(scale: added == nil ? 1 : -1), role: added == nil ? .difference : .offset,
          shape: shape, dtype: dtype),
        parts: [EncodedPart("mask", .u8, mask)])
      result.maskSums = own
      result.record.squaredNorm = own.squaredNorm
      result.record.squaredError = own.squaredError(factor: 1)
      experts.append(result)
    }
    guard stored == nil else { return (nil, experts) }
    let record = VectorRecord(.elements, role: .shared, shape: shape, dtype: .f32)
    return (
      EncodedVector(
        record: record, parts: [EncodedPart("elements", .f32, bytes)], squaredSum: squares),
      experts
    )
  }

  private func unify(
    _ vectors: [ContiguousArray<Float>], _ count: Int, _ shared: inout ContiguousArray<Float>
  ) {
    for index in 0..<count {
      var sum: Float = 0
      for vector in vectors { sum += vector[index] }
      guard kind == .emr else {
        shared[index] = sum
        continue
      }
      let isPositive = sum > 0
      var largest: Float = 0
      for vector in vectors {
        let value = vector[index]
        if isPositive ? value > largest : -value > largest { largest = value.magnitude }
      }
      shared[index] = isPositive ? largest : -largest
    }
  }

  /// Marks the elements of a task vector that take part, and adds up what they are like.
  private func mark(
    _ values: ContiguousArray<Float>, _ threshold: Float, _ common: ContiguousArray<Float>,
    _ count: Int, _ kept: inout ContiguousArray<Float>, _ marks: inout ContiguousArray<UInt8>,
    _ packer: inout CodePacker, _ sums: inout Sums
  ) {
    let vector = values.span.extracting(0..<count)
    let shared = common.span.extracting(0..<count)
    var allKept = kept.mutableSpan
    var own = allKept._mutatingExtracting(0..<count)
    var allMarks = marks.mutableSpan
    var bits = allMarks._mutatingExtracting(0..<count)
    if kind == .emr {
      Kernels.markElected(vector, of: shared, kept: &own, marks: &bits)
    } else {
      Kernels.markOwn(vector, of: shared, threshold: threshold, kept: &own, marks: &bits)
    }
    Kernels.addMagnitudes(vector, to: &sums.vector)
    Kernels.addDot(vector, vector, to: &sums.squaredNorm)
    Kernels.addMagnitudes(own.span, to: &sums.masked)
    Kernels.addDot(vector, own.span, to: &sums.product)
    Kernels.addDot(own.span, own.span, to: &sums.squares)
    packer.append(bits.span)
  }
}

extension MaskEncoder.Sums {
  /// The factor of EMR over the tensors of an expert; zero when nothing takes part.
  ///
  /// - Parameter sums: The means of the tensors, with the weight that each has.
  /// - Returns: The ratio of the weighted sums.
  static func factor(_ sums: [(means: MaskEncoder.Sums, weight: Double)]) -> Float {
    let masked = sums.reduce(0) { $0 + $1.weight * $1.means.masked }
    return masked > 0 ? Float(sums.reduce(0) { $0 + $1.weight * $1.means.vector } / masked) : 0
  }

  /// ‖τ − f m τ_U‖² for a factor f.
  func squaredError(factor: Float) -> Double {
    let factor = Double(factor)
    return max(0, squaredNorm - 2 * factor * product + factor * factor * squares)
  }
}
