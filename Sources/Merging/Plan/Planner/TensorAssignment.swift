/// An output tensor and where it comes from, before its values are worked out.
struct TensorAssignment {
  /// A model that takes part, and the tensor it contributes.
  struct Source {
    /// The position of the model among the opened ones.
    let model: Int
    /// The name in that model; nil when the model lacks it.
    let name: String?
    /// The parameters written for this model alone.
    let parameters: ParameterTable
    /// Where the model stands in the recipe.
    let position: SourcePosition
  }

  /// The name in the output.
  let name: String
  /// The models, in the order of the recipe.
  let sources: [Source]
  /// The model that counts as the base here.
  let base: Int?
  /// The parameters of the slice and the module, the innermost first.
  let scope: [ParameterTable]
  /// The layer in the output.
  let layer: Int?
  /// The position of the layer, from 0 to 1.
  let depth: Double
  /// The model from which the tensor is taken unmerged.
  let keptFrom: Int?
  /// The position of the layer in the whole stack of the output, from 0 to 1; 0 for an only layer.
  var stackDepth = 0.0
}
