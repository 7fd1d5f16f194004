internal import SystemPackage
internal import TinctureBanks
internal import TinctureMerging
internal import TinctureTensors

/// What the tasks of models are called, for methods that make something for each.
enum TaskNames {
  static let task = PerModelParameter<String>(
    "task", default: "",
    "The name of the model's task; without, the name of its file, or of its expert in a bank.")

  /// A task of a merge.
  struct Task {
    /// The position of its model in the recipe.
    let model: Int
    /// The name.
    let name: String
    /// The words of the recipe.
    let location: String
  }

  /// The tasks of the models, in the order of the recipe.
  ///
  /// - Parameter steps: The steps of a plan that merge.
  /// - Returns: A task for each model.
  /// - Throws: `recipe` when a name is not usable, or two tasks have the same.
  static func all(_ steps: [MergeStep]) throws(TinctureError) -> [Task] {
    var found: [Int: Task] = [:]
    for step in steps {
      let names = step.parameters[task]
      for (position, model) in step.modelIndices.enumerated() where found[model] == nil {
        let location = step.models[position].place.model ?? "model\(model)"
        let name = names[position].isEmpty ? Self.name(of: location) : names[position]
        found[model] = Task(model: model, name: name, location: location)
      }
    }
    let tasks = found.values.sorted { $0.model < $1.model }
    var seen: Set<String> = []
    for task in tasks {
      guard BankManifest.isValidName(task.name) else {
        throw TinctureError(
          .recipe,
          "'\(task.name)' cannot name a task; use letters and digits, and '.', '_', '-' inside.",
          at: .init(model: task.location))
      }
      guard seen.insert(task.name).inserted else {
        throw TinctureError(
          .recipe,
          "Two models would be of the task '\(task.name)'; name the tasks by task under the parameters"
            + " of each model.", at: .init(model: task.location))
      }
    }
    return tasks
  }

  /// The name that a model's words suggest: its expert's, its file's or its directory's.
  private static func name(of location: String) -> String {
    let model = location.split(separator: "+").last ?? location[...]
    if let mark = model.lastIndex(of: "#") { return String(model[model.index(after: mark)...]) }
    let last = FilePath(String(model)).lastComponent?.string ?? String(model)
    let stem = last.hasSuffix(".safetensors") ? String(last.dropLast(12)) : last
    let plain = stem.map { mark -> Character in
      let isPlain = mark.isASCII && (mark.isLetter || mark.isNumber) || "._-".contains(mark)
      return isPlain ? mark : "-"
    }
    return String(plain.drop { "._-".contains($0) })
  }
}
