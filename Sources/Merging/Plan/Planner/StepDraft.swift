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
  var statistics: [StatisticsInput] = []
  var parameters = ResolvedParameters()
  var layer: Int?
  var depth = 0.0
  var inputRounding: DType?
  var extras: [OutputLayout.Tensor] = []

  /// What the step writes: the tensor itself, and what the method makes besides.
  var outputs: [OutputLayout.Tensor] {
    [.init(name: name, dtype: dtype, shape: shape)] + extras
  }

  func step(index: Int, outputs: ArraySlice<OutputLayout.Place>) -> MergeStep {
    let output = outputs[outputs.startIndex]
    let extras = zip(extras, outputs.dropFirst()).map { ExtraOutput(tensor: $0, place: $1) }
    return step(index: index, output: output, extras: extras)
  }

  private func step(
    index: Int, output: OutputLayout.Place, extras: [ExtraOutput]
  ) -> MergeStep {
    MergeStep(
      index: index, name: name, shape: shape, dtype: dtype, action: action, base: base,
      models: models, modelIndices: modelIndices, statistics: statistics, parameters: parameters,
      layer: layer, depth: depth, inputRounding: inputRounding, output: output, extras: extras)
  }
}
