public import TinctureMerging
public import TinctureTensors

/// Multiplies the merged task vector by a number, which may differ from tensor to tensor.
public struct ScaleFilter: MergedVectorFilter {
  static let factor = Parameter<Double>("factor", "What the merged task vector is multiplied by.")

  /// The description of the step.
  public let info = FilterInfo(
    name: "scale", summary: "Multiplies the merged task vector by a number.",
    formula: "τ ← s τ", source: "Ilharco et al. 2023, Editing models with task arithmetic",
    link: "https://arxiv.org/abs/2212.04089", parameters: [factor])

  /// Creates the filter.
  public init() {}

  /// Multiplies by the factor of the tensor.
  public func settled(_ inputs: MergeInputs, _ norms: MergedNorms?) throws(TinctureError)
    -> (any MergedVectorPass)?
  { MergedFactorPass(Float(inputs[Self.factor])) }
}
