public import SystemPackage
internal import TinctureBanks
public import TinctureMerging
public import TinctureTensors

/// A model to evaluate: one for all tasks, or one for each.
public struct EvaluatedModel: Sendable {
  /// The name in tables.
  public let name: String
  /// Published figures by task.
  public let reference: [String: Double]
  /// What steers the model, where something does.
  let fusion: LogitFusion?
  private let all: ModelReference?
  private let perTask: [String: ModelReference]

  /// A model that does all tasks.
  public init(_ name: String, _ model: ModelReference, reference: [String: Double] = [:]) {
    self.name = name
    self.reference = reference
    fusion = nil
    all = model
    perTask = [:]
  }

  /// Models for one task each.
  public init(
    _ name: String, perTask: [String: ModelReference], reference: [String: Double] = [:]
  ) {
    self.name = name
    self.reference = reference
    fusion = nil
    all = nil
    self.perTask = perTask
  }

  /// A large language model that small ones steer.
  ///
  /// - Parameters:
  ///   - name: The name in tables.
  ///   - fusion: The models.
  ///   - large: Where the large one is.
  ///   - reference: Published figures by task.
  public init(
    _ name: String, fusion: LogitFusion, large: ModelReference, reference: [String: Double] = [:]
  ) {
    self.name = name
    self.reference = reference
    self.fusion = fusion
    all = large
    perTask = [:]
  }

  /// The experts of a bank, each for the task of its name.
  ///
  /// - Throws: `checkpoint` when a task has no expert.
  public init(
    _ name: String, bank: FilePath, tasks: [EvaluationTask], reference: [String: Double] = [:]
  ) throws(TinctureError) {
    let known = try ExpertBank(opening: bank).manifest.experts.map(\.name)
    var models: [String: ModelReference] = [:]
    for task in tasks {
      guard known.contains(task.name) else {
        throw TinctureError(
          .checkpoint,
          "The bank has no expert '\(task.name)' for the task of that name; it has"
            + " \(known.joined(separator: ", ")). Name one expert by \(bank)#NAME, or choose tasks.",
          at: .init(file: bank.string))
      }
      models[task.name] = ModelReference(path: bank.string, expert: task.name)
    }
    self.init(name, perTask: models, reference: reference)
  }

  /// The model of a task.
  func model(for task: EvaluationTask) -> ModelReference? { perTask[task.name] ?? all }
}
