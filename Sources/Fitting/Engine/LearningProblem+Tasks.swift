internal import Foundation
internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureTensors

extension LearningProblem {
  /// The tasks of a suite in the order of the models that are merged.
  ///
  /// The recipe may name them. Otherwise a model is the expert of a task whose `expert` it is, or whose name
  /// the expert of a bank has; when not every model can be told like that, the models are taken to stand in
  /// the order of the suite.
  static func matched(
    _ suite: EvaluationSuite, _ models: [any TensorReader], _ data: LearningData
  ) throws(TinctureError) -> [EvaluationTask] {
    if let names = data.tasks {
      return try named(names.value, of: suite, models.count, data)
    }
    var tasks: [EvaluationTask] = []
    for model in models {
      let fitting = suite.tasks.filter { isExpert(model, of: $0, suite) }
      if fitting.count == 1, !tasks.contains(where: { $0.name == fitting[0].name }) {
        tasks.append(fitting[0])
      }
    }
    if tasks.count == models.count { return tasks }
    guard suite.tasks.count == models.count else {
      throw data.source.error(
        at: data.position,
        "The suite has \(suite.tasks.count) tasks for \(models.count) models, and which model is for which"
          + " task cannot be told from 'expert'; name the tasks of the models by 'tasks: […]'.")
    }
    return suite.tasks
  }

  private static func named(
    _ names: [String], of suite: EvaluationSuite, _ modelCount: Int, _ data: LearningData
  ) throws(TinctureError) -> [EvaluationTask] {
    let position = data.tasks?.position ?? data.position
    guard names.count == modelCount else {
      throw data.source.error(
        at: position,
        "There are \(names.count) tasks for \(modelCount) models; each model needs one.")
    }
    let known = suite.tasks.map(\.name)
    var tasks: [EvaluationTask] = []
    for name in names {
      guard let task = suite.tasks.first(where: { $0.name == name }) else {
        let hint = nearestName(to: name, among: known).map { "; did you mean '\($0)'?" } ?? "."
        throw data.source.error(
          at: position,
          "The suite has no task '\(name)'\(hint) It has \(known.joined(separator: ", ")).")
      }
      tasks.append(task)
    }
    return tasks
  }

  private static func isExpert(
    _ model: any TensorReader, of task: EvaluationTask, _ suite: EvaluationSuite
  ) -> Bool {
    if let name = model.place.model, name.hasSuffix("#" + task.name) { return true }
    guard let expert = task.expert, let file = model.place.file else { return false }
    let path = FilePath(expert)
    let place = path.isRelative && !suite.folder.isEmpty ? suite.folder.pushing(path) : path
    let wanted = FilePath.absolute(place).string
    let found = FilePath.absolute(FilePath(file)).string
    return found == wanted || found.hasPrefix(wanted + "/")
  }
}

extension FilePath {
  /// The path from the root, without `.` and `..`.
  static func absolute(_ path: FilePath) -> FilePath {
    let current = FilePath(FileManager.default.currentDirectoryPath)
    return (path.isRelative ? current.pushing(path) : path).lexicallyNormalized()
  }
}
