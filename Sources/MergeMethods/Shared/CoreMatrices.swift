internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// The task vectors of a matrix in the space that they span, and the ways to merge them there.
struct CoreMatrices {
  let cores: [Matrix<Double>]
  let inputs: MergeInputs
  let algebra: Backend

  private var smallerExtent: Int { cores[0].smallerExtent }

  /// The merged matrix as the parameter `inner` says; nil where nothing is left.
  func merged() throws(TinctureError) -> Matrix<Double>? {
    switch inputs[CoreSpace.inner] {
    case "tsv_m": try singularVectors()
    case "iso_c": try isotropic()
    case "cart": try centred()
    case "ties": elected()
    case "dare": CoordinateMerge.sum(times: 1 / Double(cores.count))(dropped())
    case "dare_ties": CoordinateMerge.elected(cuts: cores.map { _ in 0 })(dropped())
    case "mean": sum(times: 1 / Double(cores.count))
    default: sum(times: 1)
    }
  }

  private func sum(times share: Double) -> Matrix<Double> {
    var result = cores[0]
    for core in cores.dropFirst() { result.add(core) }
    result.scale(by: share)
    return result
  }

  private func elected() -> Matrix<Double> {
    let narrow = cores.map { $0.converted(to: Float.self) }
    let density = inputs[CoreSpace.density]
    let cuts = narrow.map { CoordinateMerge.cut(keeping: density, of: $0) }
    return CoordinateMerge.elected(cuts: cuts)(narrow)
  }

  private func dropped() -> [Matrix<Float>] {
    let density = inputs[CoreSpace.density]
    return cores.enumerated().map { model, core in
      CoordinateMerge.dropped(
        core.converted(to: Float.self), keeping: density, inputs.random("dare", model: model))
    }
  }

  private func isotropic() throws(TinctureError) -> Matrix<Double>? {
    let sum = sum(times: 1)
    guard sum.largestMagnitude > 0 else { return nil }
    return try algebra.isotropic(sum, keepingAbove: inputs[Spectral.tolerance])
  }

  private func singularVectors() throws(TinctureError) -> Matrix<Double>? {
    guard cores.count > 1 else { return cores[0] }
    let rank = smallerExtent / cores.count
    guard rank > 0 else { return nil }
    var parts: [SVD<Double>] = []
    for core in cores where core.largestMagnitude > 0 {
      parts.append(try decompose(core, rank))
    }
    guard !parts.isEmpty else { return nil }
    return try JoinedDirections(parts).orthogonalized(algebra, completing: false)
  }

  private func centred() throws(TinctureError) -> Matrix<Double> {
    let mean = sum(times: 1 / Double(cores.count))
    var result = mean
    let rank = max(1, Int(inputs[Cart.rank] * Double(smallerExtent)))
    for core in cores {
      var rest = core
      rest.add(mean, times: -1)
      guard rest.largestMagnitude > 0 else { continue }
      var part = try decompose(rest, rank)
      part.u.scaleColumns(by: part.singularValues)
      try algebra.multiply(part.u, part.vt, scale: inputs[Cart.scale], into: &result)
    }
    return result
  }

  private func decompose(
    _ matrix: Matrix<Double>, _ rank: Int
  ) throws(TinctureError) -> SVD<Double> {
    try algebra.svdByGram(matrix, keepingAbove: inputs[Spectral.tolerance], rank: rank)
  }
}
