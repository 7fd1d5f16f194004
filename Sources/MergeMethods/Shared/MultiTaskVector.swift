internal import TinctureMerging
internal import TinctureTensors

/// The one task vector τ_M of all tasks on which masks are made: a plain sum, or what TIES makes of the task
/// vectors.
///
/// Source: Wang et al., arXiv:2405.07813.
enum MultiTaskVector {
  static let vector = Parameter<String>(
    "vector", default: "task_arithmetic", of: ["task_arithmetic", "ties"],
    "The vector of all tasks: the plain sum of their task vectors, or the sum that TIES makes of them."
  )
  static let density = Parameter<Double>(
    "density", default: 0.2, in: .fraction,
    "The fraction of each task vector that TIES leaves, counted over the whole model.")
  static let threshold = PerModelParameter<Double>(
    "tall_mask_lambda", default: 0.4, in: .atLeast(0),
    "An element is a task's when it is larger than this times what the vector of all tasks has beside it."
  )

  /// Room for TIES.
  static func vectors(_ parameters: ResolvedParameters) -> Int {
    parameters[vector] == "ties" ? 2 : 0
  }

  /// The thresholds of TIES are those of whole models.
  static func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: ["vector", "density"])
  }

  /// The thresholds of masks by the positions of models in the recipe.
  ///
  /// - Parameters:
  ///   - steps: The steps that merge.
  ///   - threshold: The parameter.
  /// - Returns: One value for each model.
  /// - Throws: `recipe` when a value changes by tensor.
  static func thresholds(_ steps: [MergeStep], _ threshold: PerModelParameter<Double>)
    throws(TinctureError) -> [Int: Double]
  {
    var found: [Int: Double] = [:]
    for step in steps {
      for (model, own) in zip(step.modelIndices, step.parameters[threshold]) {
        guard found.updateValue(own, forKey: model) ?? own == own else {
          throw TinctureError(
            .recipe,
            "tall_mask_lambda needs one value for each model, not one that changes by tensor.",
            at: .init(tensor: step.name))
        }
      }
    }
    return found
  }

  /// Thresholds and signs of TIES, where it is asked for.
  static func prepare(_ session: MergeSession) async throws(TinctureError) -> TiesSelection? {
    guard let parameters = session.steps.first?.parameters, parameters[vector] == "ties" else {
      return nil
    }
    return try await TiesSelection(session, density: parameters[density])
  }

  /// τ_M of a block, whose task vectors stay as they are.
  static func make(
    _ block: inout ElementBlock, _ inputs: MergeInputs, _ ties: TiesSelection?,
    into output: inout MutableSpan<Float>
  ) {
    guard let ties else {
      return block.weightedSum([Float](repeating: 1, count: block.modelCount), into: &output)
    }
    var room = inputs.scratch()
    var signs = inputs.scratch()
    ties.addUp(&block, room: &room, signs: &signs, into: &output)
  }
}
