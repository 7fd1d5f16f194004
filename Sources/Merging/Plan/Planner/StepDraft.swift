internal import TinctureCheckpoints
internal import TinctureTensors

/// A step that has everything but its place in the output.
struct StepDraft {
  let name: String
  let shape: Shape
  let dtype: DType
  var action: MergeStep.Action = .merge
  var base: (any TensorReader)?
  var models: [any TensorReader] = []
  var modelIndices: [Int] = []
  var parameters = ResolvedParameters()
  var layer: Int?
  var depth = 0.0
  var inputRounding: DType?

  func step(index: Int, output: OutputLayout.Place) -> MergeStep {
    MergeStep(
      index: index, name: name, shape: shape, dtype: dtype, action: action, base: base,
      models: models, modelIndices: modelIndices, parameters: parameters, layer: layer,
      depth: depth, inputRounding: inputRounding, output: output)
  }
}
