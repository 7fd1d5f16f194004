internal import SystemPackage
internal import TinctureEvaluation
public import TinctureMerging
internal import TinctureMetrics
public import TinctureTensors
internal import TinctureTorch

/// Chooses a parameter of each model by how well the model of its task does on the examples that the recipe names.
///
/// Merges with the values that are tried are made elsewhere; this says with which recipe, and measures what came
/// out.
public struct MergeValidation {
  /// The parameter and the values that are tried.
  public let parameter: ValidatedParameter
  private let planner: Planner
  private let models: [ModelInput]
  private let data: LearningData

  /// Finds out what a recipe leaves to its data; nil when nothing.
  ///
  /// - Parameter planner: The recipe with its opened models.
  public init?(_ planner: Planner) {
    guard let (parameter, models) = planner.validation, let data = planner.recipe.data else {
      return nil
    }
    (self.planner, self.parameter, self.models, self.data) = (planner, parameter, models, data)
  }

  /// How many models have a value of their own.
  public var modelCount: Int { models.count }

  /// What must be equal for figures to be of use to another run: the merge, the values and the data.
  ///
  /// - Parameter plan: The plan of the recipe with its data.
  /// - Returns: A text.
  public func identity(_ plan: MergePlan) -> String {
    let machine = planner.settings.machine
    return "\(plan.fingerprint) \(parameter.name) \(parameter.list) \(data.suite.value)"
      + " \(data.tasks?.value ?? []) \(data.file?.value ?? "") \(data.limit?.value ?? 0) \(machine)"
  }

  /// The recipe with one value for all models.
  public func recipe(_ value: Double) -> Recipe { recipe(models.map { _ in value }) }

  /// The recipe with a value for each model, in the order of the recipe.
  public func recipe(_ values: [Double]) -> Recipe {
    let pairs = zip(models.map(\.reference), values).map { ($0, $1) }
    return planner.recipe.validated(
      Dictionary(pairs, uniquingKeysWith: { first, _ in first }), of: parameter.name)
  }

  /// How many examples are measured for all values together.
  ///
  /// - Throws: What is wrong with suite, tasks and data.
  public func exampleCount() throws(TinctureError) -> Int {
    var count = 0
    for evaluator in try evaluators(Interruption()) { count += try evaluator.exampleCount() }
    return count * parameter.candidates.count
  }

  /// How well the models of the tasks do, in the order of the recipe's models; larger is better.
  ///
  /// - Parameters:
  ///   - tasks: The models of the tasks, made with the same value for all, in the order of the recipe's models.
  ///   - interruption: Stops the work when raised.
  ///   - observer: Hears how many examples more are done.
  /// - Returns: A figure for each model, −∞ where it is undefined.
  /// - Throws: What is wrong with suite, tasks and data, `missingFacility` without LibTorch, `interrupted`.
  public func scores(
    of tasks: [ModelReference], _ interruption: Interruption,
    observer: (Int) -> Void = { _ in }
  ) throws(TinctureError) -> [Double] {
    var scores: [Double] = []
    for (evaluator, task) in zip(try evaluators(interruption), tasks) {
      let found = try evaluator.evaluate(
        EvaluatedModel(task.description, task), observer: observer)
      scores.append(
        found.scores.first.flatMap { score in
          score.value.map { score.metric.direction == .higher ? $0 : -$0 }
        } ?? -.infinity)
    }
    return scores
  }

  /// The best values of the models.
  ///
  /// - Parameter scores: The figures of the models, for each value that was tried.
  /// - Returns: A value for each model; of equally good ones the first.
  public func best(_ scores: [[Double]]) -> [Double] {
    models.indices.map { model in
      var best = 0
      for candidate in scores.indices.dropFirst()
      where scores[candidate][model] > scores[best][model] {
        best = candidate
      }
      return parameter.candidates[best]
    }
  }

  /// What measures one task each, in the order of the models.
  private func evaluators(_ interruption: Interruption) throws(TinctureError) -> [Evaluator] {
    let suite = try data.openSuite()
    let places = models.map { model in
      TinctureError.Place(
        file: ModelSource(model).files.first?.string, model: model.reference.description)
    }
    let machine = planner.settings.machine
    let device = try TorchDevice(parsing: machine.device)
    return try data.matched(suite, places).map { task in
      var own = suite
      own.tasks = [task]
      var evaluator = Evaluator(own)
      evaluator.device = device
      evaluator.precision = machine.usesHalfPrecision ? .bf16 : .full
      evaluator.exampleLimit = data.limit?.value
      evaluator.interruption = interruption
      return evaluator
    }
  }
}
