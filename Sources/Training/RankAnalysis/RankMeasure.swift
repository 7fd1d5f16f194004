public import TinctureLinearAlgebra
internal import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// How many directions a weight has, by several counts.
///
/// A weight is seen as the matrix `outputs × (channels · height · width)`, which has the singular values of the
/// `(height · width · channels) × outputs` of the published code.
public struct RankMeasure: Sendable, Hashable {
  /// The singular values, largest first.
  public let spectrum: [Double]
  /// exp(−Σ p ln p) with p = σ / Σσ; 0 for a weight of zeros. (Roy and Vetterli 2007)
  public let effectiveRank: Double
  /// ‖W‖² / σ₁²; 0 for a weight of zeros.
  public let stableRank: Double
  /// How many singular values are above 10⁻³ σ₁.
  public let numericalRank: Int

  /// Measures singular values.
  public init(_ spectrum: Spectrum) {
    self.spectrum = spectrum.values
    effectiveRank = spectrum.effectiveRank
    stableRank = spectrum.stableRank
    numericalRank = spectrum.numericalRank()
  }

  /// The spectrum, thinned out where it is long.
  ///
  /// - Parameter count: How many values there are at most, two or more.
  /// - Returns: All values, or `count` of them at equal distances, the first and the last among them.
  func sampledSpectrum(_ count: Int) -> [Double] {
    let places =
      spectrum.count <= count
      ? Array(spectrum.indices)
      : (0..<count).map { ($0 * (spectrum.count - 1) + (count - 1) / 2) / (count - 1) }
    return places.map { spectrum[$0] }
  }

  /// Measures a weight.
  ///
  /// - Parameter weight: A tensor of two or more axes, outputs first.
  /// - Throws: `numerics` failures of the library for elements that are not finite, `missingFacility` without one.
  /// - Complexity: O(m n min(m, n)).
  public init(_ weight: TorchTensor) throws(TinctureError) {
    self.init(Spectrum(try Backend.shared.singularValues(weight.detached().matrix())))
  }

  /// Measures the weights of linear layers and convolutions.
  ///
  /// - Parameter dense: Dense tensors by their full names; those that are no such weight are passed over.
  /// - Returns: What was found, by name.
  /// - Throws: What measuring throws, with the name.
  public static func measures(
    of dense: [String: TorchTensor]
  ) throws(TinctureError) -> [String: RankMeasure] {
    var measures: [String: RankMeasure] = [:]
    for (name, tensor) in dense where ParameterShape(name, tensor.shape).isLayerWeight {
      measures[name] = try measure(name, tensor)
    }
    return measures
  }

  fileprivate static func measure(
    _ name: String, _ weight: TorchTensor
  ) throws(TinctureError) -> RankMeasure {
    do throws(TinctureError) {
      return try RankMeasure(weight)
    } catch {
      throw error.located(tensor: name)
    }
  }
}

extension TrainableModel {
  /// Measures the weights of all linear layers and convolutions, each of which is folded for its turn only.
  ///
  /// - Returns: What was found, by the full names of the dense weights.
  /// - Throws: What measuring throws, with the name.
  public func rankMeasures() throws(TinctureError) -> [String: RankMeasure] {
    let all = Parameters(trained.merging(fixed) { own, _ in own })
    var own: Set<String> = []
    var measures: [String: RankMeasure] = [:]
    for (name, layer) in layers {
      own.formUnion((layer.trainedShapes + layer.fixedShapes).map(\.name))
      let weight = try withoutGradients { () throws(TinctureError) in try layer.folded(all) }
      measures[name] = try RankMeasure.measure(name, weight)
    }
    for (name, tensor) in all.all
    where !own.contains(name) && ParameterShape(name, tensor.shape).isLayerWeight {
      measures[name] = try RankMeasure.measure(name, tensor)
    }
    return measures
  }
}
