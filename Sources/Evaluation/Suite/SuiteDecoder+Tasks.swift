import SystemPackage
import TinctureData
import TinctureMerging
import TinctureMetrics
package import TinctureRecipes
import TinctureTensors

extension SuiteDecoder {
  private static let taskKeys = [
    "data", "head", "output", "length", "expert", "metric", "k", "positive_label",
    "class_count", "ignored_label",
  ]

  /// The tasks: names, or mappings that say what differs from the defaults.
  mutating func tasks(_ node: YAMLNode, defaults: YAMLNode?) -> [EvaluationTask] {
    var common: YAMLMembers?
    if let defaults { common = members(of: defaults, keys: Self.taskKeys, in: "'defaults'") }
    var tasks: [EvaluationTask] = []
    for item in items(node, "'tasks'") ?? [] {
      guard let task = task(item, common) else { continue }
      if tasks.contains(where: { $0.name == task.name }) {
        report(item.position, "There are two tasks '\(task.name)'.")
      }
      tasks.append(task)
    }
    return tasks
  }

  private mutating func task(_ node: YAMLNode, _ common: YAMLMembers?) -> EvaluationTask? {
    var own: YAMLMembers?
    let name: String
    if node.mapping != nil {
      own = members(of: node, keys: ["name"] + Self.taskKeys, in: "a task")
      guard let nameNode = own?["name"], let text = text(nameNode, "'name'") else {
        report(node.position, "A task needs a 'name'.")
        return nil
      }
      name = text.value
    } else {
      guard let text = text(node, "A task") else { return nil }
      name = text.value
    }
    func member(_ key: String) -> YAMLNode? { own?[key] ?? common?[key] }
    guard let dataNode = member("data") else {
      report(node.position, "The task '\(name)' needs 'data', here or in 'defaults'.")
      return nil
    }
    let data = data(dataNode, name)
    let head = member("head").flatMap { self.head($0, name) }
    let metric = text(member("metric"), "'metric'")
    var settings = MetricSettings()
    if let k = integer(member("k"), "'k'", in: 1...1 << 20) { settings.k = k.value }
    if let label = integer(member("positive_label"), "'positive_label'", in: 0...1 << 30) {
      settings.positiveLabel = label.value
    }
    settings.classCount = integer(member("class_count"), "'class_count'", in: 1...1 << 20)?.value
    settings.ignoredLabel =
      integer(member("ignored_label"), "'ignored_label'", in: -1 << 30...1 << 30)?.value
    if let metric {
      do throws(TinctureError) {
        _ = try MetricRegistry.metric(named: metric.value, settings: settings)
      } catch {
        report(metric.position, error.message)
      }
    }
    let expert = text(member("expert"), "'expert'")
    let output = text(member("output"), "'output'")
    let length = integer(member("length"), "'length'", in: 1...1 << 24)
    guard let data else { return nil }
    return EvaluationTask(
      name: name, data: data, head: head, output: output.map { Self.fill($0.value, name) },
      length: length?.value, expert: expert.map { Self.fill($0.value, name) },
      metric: metric?.value ?? "accuracy", settings: settings)
  }
}

extension YAMLDecoder {
  /// Where examples are.
  ///
  /// - Parameters:
  ///   - node: The mapping.
  ///   - task: What `{task}` in texts stands for.
  /// - Returns: The reference, or nil after a report.
  package mutating func data(_ node: YAMLNode, _ task: String) -> TaskDataReference? {
    let keys = ["file", "inputs", "second", "targets", "format", "classes", "part"]
    guard let members = members(of: node, keys: keys, in: "'data'") else { return nil }
    guard let file = text(members["file"], "'file'") else {
      reportMissing(["file"], of: members, "'data' needs a 'file'.")
      return nil
    }
    let format = choice(members["format"], "'format'", of: DataSetFormat.self)
    let names = Self.columns(format, file.value)
    var data = TaskDataReference(
      file: Self.fill(file.value, task),
      inputs: Self.fill(text(members["inputs"], "'inputs'")?.value ?? names.inputs, task),
      second: text(members["second"], "'second'").map { Self.fill($0.value, task) },
      targets: Self.fill(text(members["targets"], "'targets'")?.value ?? names.targets, task),
      format: format)
    if let part = text(members["part"], "'part'") { data.part = part.value }
    if let classes = members["classes"] {
      data.classes = (items(classes, "'classes'") ?? []).compactMap {
        text($0, "A class")?.value
      }
    }
    return data
  }

  /// The columns that data of a form usually has.
  private static func columns(_ format: DataSetFormat?, _ file: String) -> (
    inputs: String, targets: String
  ) {
    switch format ?? DataSetFormat(suggestedBy: FilePath(file)) {
    case .images, .list, .mnist: ("image", "label")
    case .csv, .tsv, .jsonl: ("text", "label")
    default: ("images", "labels")
    }
  }

  /// Where the head of a task is.
  mutating func head(_ node: YAMLNode, _ task: String) -> TaskHeadReference? {
    let keys = ["file", "weight", "bias", "normalize_features"]
    guard let members = members(of: node, keys: keys, in: "'head'") else { return nil }
    return head(members, task)
  }

  /// The head in a mapping's members.
  package mutating func head(_ members: YAMLMembers, _ task: String) -> TaskHeadReference? {
    guard let file = text(members["file"], "'file'"),
      let weight = text(members["weight"], "'weight'")
    else {
      reportMissing(["file", "weight"], of: members, "'head' needs 'file' and 'weight'.")
      return nil
    }
    var head = TaskHeadReference(
      file: Self.fill(file.value, task), weight: Self.fill(weight.value, task),
      bias: text(members["bias"], "'bias'").map { Self.fill($0.value, task) })
    if let value = flag(members["normalize_features"], "'normalize_features'") {
      head.normalizesFeatures = value
    }
    return head
  }

  /// Puts the name of a task where a text says `{task}`.
  static func fill(_ text: String, _ task: String) -> String {
    text.replacing("{task}", with: task)
  }
}
