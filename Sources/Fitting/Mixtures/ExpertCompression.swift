package import TinctureCheckpoints
internal import TinctureLinearAlgebra
package import TinctureTensors

/// How the exclusive vector of an expert is made small.
///
/// What has less than two axes stays whole, as do tensors of more axes where singular values are kept.
package struct ExpertCompression: Sendable, Hashable {
  /// What is kept.
  package enum Kind: String, Sendable, CaseIterable {
    /// The largest singular values of each matrix: a share of min(m, n) of them, at least one.
    case singularValues = "svd"
    /// The largest elements of each tensor.
    case magnitude
    /// Random elements, divided by their share (DARE).
    case bernoulli
    /// Everything.
    case none
  }

  /// What is kept.
  package var kind: Kind
  /// How much of it, from 0 to 1.
  package var share: Double
  /// The type of what is stored.
  package var dtype: DType
  /// The seed of random choices.
  package var seed: UInt64

  /// Describes a compression.
  package init(_ kind: Kind, keeping share: Double, dtype: DType, seed: UInt64 = 0) {
    (self.kind, self.share, self.dtype, self.seed) = (kind, share, dtype, seed)
  }

  /// Packs a vector.
  ///
  /// - Parameters:
  ///   - values: The elements.
  ///   - shape: The extents.
  ///   - tensor: The name of the tensor, which keys random choices.
  ///   - expert: The number of the expert, which keys them, too.
  /// - Returns: The packed vector; nil when nothing is left of it.
  /// - Throws: `missingFacility` without BLAS where singular values are needed, `checkpoint` for numbers that are
  ///   not finite.
  package func packed(
    _ values: consuming [Float], shape: Shape, tensor: String, expert: Int
  ) throws(TinctureError) -> PackedVector? {
    var values = values
    guard values.contains(where: { $0 != 0 }) else { return nil }
    guard shape.rank >= 2, kind != .none, kind != .singularValues || shape.rank == 2 else {
      return .dense(values.span, shape: shape, dtype: dtype)
    }
    switch kind {
    case .none: return nil
    case .singularValues: return try factors(values, shape)
    case .magnitude: Self.keepLargest(&values, share: share)
    case .bernoulli:
      let random = CounterRandom(
        seed: seed, tensor: tensor, model: expert, purpose: "exclusive expert")
      var span = values.mutableSpan
      random.drop(&span, keeping: share, from: 0, scale: Float(1 / share))
    }
    return .sparse(values.span, shape: shape, dtype: dtype)
  }

  /// Sets all but the largest elements to zero; at least one stays.
  package static func keepLargest(_ values: inout [Float], share: Double) {
    let kept = max(1, Int(share * Double(values.count)))
    guard kept < values.count else { return }
    var statistic = OrderStatistic(.magnitude)
    statistic.count(values.span)
    let rank = values.count - kept
    statistic.select([rank])
    statistic.refine(values.span)
    guard let found = statistic.finding(rank: rank) else { return }
    let larger = values.count - found.smaller - found.equal
    var cut = MagnitudeCut(at: found.value, ties: kept - larger)
    var span = values.mutableSpan
    cut.keepLargest(&span)
  }

  /// U diag(σ) and Vᵀ of the largest singular values.
  private func factors(
    _ values: [Float], _ shape: Shape
  ) throws(TinctureError) -> PackedVector? {
    let matrix = Matrix<Float>(
      rows: shape.extents[0], columns: shape.extents[1], copying: values.span)
    let wanted = max(1, Int(share * Double(min(matrix.rows, matrix.columns))))
    var svd = try Backend.shared.svdByGram(matrix, rank: wanted)
    guard svd.rank > 0 else { return nil }
    svd.u.scaleColumns(by: svd.singularValues)
    return .lowRank(
      left: svd.u.elements.span, right: svd.vt.elements.span, rank: svd.rank, shape: shape,
      dtype: dtype)
  }
}

extension Matrix<Float> {
  /// The elements, row after row.
  fileprivate var elements: [Float] {
    var elements: [Float] = []
    elements.reserveCapacity(rows * columns)
    for index in 0..<rows {
      let own = row(index)
      for column in 0..<columns { elements.append(own[column]) }
    }
    return elements
  }
}
