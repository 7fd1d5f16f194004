internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
internal import TinctureMerging
internal import TinctureTensors

extension LearningData {
  /// Opens the suite, with the examples in the file that the recipe may name.
  ///
  /// - Returns: The suite with all its tasks.
  /// - Throws: `recipe` when it is not there, and what is wrong with it.
  func openSuite() throws(TinctureError) -> EvaluationSuite {
    let opened: EvaluationSuite
    do throws(TinctureError) {
      opened = try EvaluationSuite(reading: place(suite.value))
    } catch {
      if error.code == .missingInput {
        throw source.error(at: suite.position, "The suite '\(suite.value)' is not there.")
      }
      throw error
    }
    guard let file else { return opened }
    return opened.taking(data: place(file.value).string)
  }

  /// A path as it stands, or beside the recipe.
  private func place(_ text: String) -> FilePath {
    let path = FilePath(text)
    guard path.isRelative, FileKind(of: path) == .missing, let folder = source.folder else {
      return path
    }
    let beside = folder.pushing(path)
    return FileKind(of: beside) == .missing ? path : beside
  }

  /// The tasks of a suite in the order of the models that are merged.
  ///
  /// The recipe may name them. Otherwise a model is the expert of a task whose `expert` it is, or whose name
  /// the expert of a bank has; when not every model can be told like that, the models are taken to stand in
  /// the order of the suite.
  ///
  /// - Parameters:
  ///   - suite: The suite.
  ///   - models: The names and the files of the models.
  /// - Returns: A task for each model.
  /// - Throws: `recipe` when tasks and models cannot be brought together.
  func matched(
    _ suite: EvaluationSuite, _ models: [TinctureError.Place]
  ) throws(TinctureError) -> [EvaluationTask] {
    if let names = self.tasks {
      return try named(names.value, of: suite, models.count)
    }
    var tasks: [EvaluationTask] = []
    for model in models {
      let fitting = suite.tasks.filter { Self.isExpert(model, of: $0, suite) }
      if fitting.count == 1, !tasks.contains(where: { $0.name == fitting[0].name }) {
        tasks.append(fitting[0])
      }
    }
    if tasks.count == models.count { return tasks }
    guard suite.tasks.count == models.count else {
      throw source.error(
        at: position,
        "The suite has \(suite.tasks.count) tasks for \(models.count) models, and which model is for which"
          + " task cannot be told from 'expert'; name the tasks of the models by 'tasks: […]'.")
    }
    return suite.tasks
  }

  private func named(
    _ names: [String], of suite: EvaluationSuite, _ modelCount: Int
  ) throws(TinctureError) -> [EvaluationTask] {
    let position = tasks?.position ?? self.position
    guard names.count == modelCount else {
      throw source.error(
        at: position,
        "There are \(names.count) tasks for \(modelCount) models; each model needs one.")
    }
    let known = suite.tasks.map(\.name)
    var tasks: [EvaluationTask] = []
    for name in names {
      guard let task = suite.tasks.first(where: { $0.name == name }) else {
        let hint = nearestName(to: name, among: known).map { "; did you mean '\($0)'?" } ?? "."
        throw source.error(
          at: position,
          "The suite has no task '\(name)'\(hint) It has \(known.joined(separator: ", ")).")
      }
      tasks.append(task)
    }
    return tasks
  }

  private static func isExpert(
    _ model: TinctureError.Place, of task: EvaluationTask, _ suite: EvaluationSuite
  ) -> Bool {
    if let name = model.model, name.hasSuffix("#" + task.name) { return true }
    guard let expert = task.expert, let file = model.file else { return false }
    let path = FilePath(expert)
    let place = path.isRelative && !suite.folder.isEmpty ? suite.folder.pushing(path) : path
    let wanted = place.absolute.string
    let found = FilePath(file).absolute.string
    return found == wanted || found.hasPrefix(wanted + "/")
  }
}
