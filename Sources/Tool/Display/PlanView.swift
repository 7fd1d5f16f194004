import Tincture

/// A plan as text and as JSON.
struct PlanView {
  private let plan: MergePlan
  private let engine: MergeEngine

  init(_ plan: MergePlan, engine: MergeEngine) {
    self.plan = plan
    self.engine = engine
  }

  func text(withTensors: Bool) -> String {
    let info = plan.method.info
    var lines = [
      "method   \(info.title) (\(info.name), \(info.streaming.rawValue))" + steps,
      "reads    \(ByteSize.text(plan.inputBytes)) once\(passes)",
      "writes   \(ByteSize.text(plan.outputBytes)) in \(plan.layout.files.count)"
        + " file\(plan.layout.files.count == 1 ? "" : "s")",
      "steps    \(plan.steps.count) for \(plan.layout.places.count) tensors, \(copies) of them copied",
      "memory   \(ByteSize.text(engine.peakBytes(of: plan))) working memory with \(engine.workers)"
        + " workers (limit \(ByteSize.text(engine.memoryLimit)))",
      "beside   \(plan.sidecars.map(\.path).joined(separator: ", "))"
        + (plan.method.info.makesParts ? ", and what each task has of its own" : ""),
    ]
    if let text = plan.method.preparation(plan, memoryLimit: engine.memoryLimit) {
      lines.append("learns   \(text)")
    }
    if let kind = plan.method.info.statistics, !statistics.files.isEmpty {
      lines.append(
        "measured \(kind.plural) of \(statistics.tensors) tensors in"
          + " \(statistics.files.joined(separator: ", "))")
    }
    for note in plan.notes { lines.append("note     \(note)") }
    if withTensors { lines += ["", tensorTable] }
    return lines.joined(separator: "\n")
  }

  /// The steps before and after the method.
  private var steps: String {
    let info = plan.method.info
    return (info.before.isEmpty ? "" : ", before it \(info.before.joined(separator: ", "))")
      + (info.after.isEmpty ? "" : ", after it \(info.after.joined(separator: ", "))")
  }

  private var passes: String {
    switch plan.method.info.streaming {
    case .element: steps.isEmpty ? "" : ", and more often where a note says so"
    case .tensor: ", tensor by tensor up to four times from the page cache"
    case .model: ", and once or twice more before"
    }
  }

  private var copies: Int {
    Set(plan.steps.filter { if case .copy = $0.action { true } else { false } }.map(\.name)).count
  }

  /// How many tensors have statistics, and the files that hold them.
  private var statistics: (tensors: Int, files: [String]) {
    var tensors: Set<String> = []
    var files: [String] = []
    for step in plan.steps where !step.statistics.isEmpty {
      tensors.insert(step.name)
      for input in step.statistics {
        guard let file = input.reader.place.file, !files.contains(file) else { continue }
        files.append(file)
      }
    }
    return (tensors.count, files)
  }

  private var tensorTable: String {
    var table = Table(["tensor", "dtype", "shape", "from", "parameters"])
    var seen: Set<String> = []
    for step in plan.steps where seen.insert(step.name).inserted {
      table.add([
        step.name, step.dtype.rawValue, step.shape.description, Self.sources(step),
        Self.parameters(step),
      ])
    }
    return table.text
  }

  private static func sources(_ step: MergeStep) -> String {
    if case .copy(let reader, let reason) = step.action {
      return "\(reader.place.model ?? "") (\(reason))"
    }
    let models = step.models.map { $0.place.model ?? "" }.joined(separator: " + ")
    return step.base.map { "\($0.place.model ?? "") | \(models)" } ?? models
  }

  private static func parameters(_ step: MergeStep) -> String {
    var parts: [String] = []
    for (name, value) in step.parameters.merge.sorted(by: { $0.key < $1.key }) {
      parts.append("\(name)=\(value.shortText)")
    }
    for (name, values) in step.parameters.models.sorted(by: { $0.key < $1.key }) {
      parts.append("\(name)=[\(values.map(\.shortText).joined(separator: ", "))]")
    }
    for filter in step.parameters.filters {
      for (name, value) in filter.merge.sorted(by: { $0.key < $1.key }) {
        parts.append("\(name)=\(value.shortText)")
      }
      for (name, values) in filter.models.sorted(by: { $0.key < $1.key }) {
        parts.append("\(name)=\(values.first?.shortText ?? "")")
      }
    }
    return parts.joined(separator: " ")
  }

  var json: JSONValue {
    var tensors: [JSONValue] = []
    var seen: Set<String> = []
    for step in plan.steps where seen.insert(step.name).inserted {
      tensors.append(
        .object(
          JSONObject([
            ("name", .string(step.name)),
            ("dtype", .string(step.dtype.rawValue)),
            ("shape", .array(step.shape.extents.map { .integer($0) })),
            ("file", .string(plan.layout.files[step.output.file].name)),
            ("offset", .integer(step.output.offset)),
            ("from", .string(Self.sources(step))),
            ("layer", step.layer.map { .integer($0) } ?? .null),
            ("parameters", .string(Self.parameters(step))),
          ])))
    }
    return .object(
      JSONObject([
        ("method", .string(plan.method.info.name)),
        ("before", .array(plan.method.info.before.map { .string($0) })),
        ("after", .array(plan.method.info.after.map { .string($0) })),
        ("input_bytes", .integer(plan.inputBytes)),
        ("output_bytes", .integer(plan.outputBytes)),
        ("steps", .integer(plan.steps.count)),
        ("working_memory_bytes", .integer(engine.peakBytes(of: plan))),
        ("statistics", .array(statistics.files.map { .string($0) })),
        ("files", .array(plan.layout.files.map { .string($0.name) })),
        ("beside", .array(plan.sidecars.map { .string($0.path) })),
        ("makes_task_parts", .bool(plan.method.info.makesParts)),
        ("notes", .array(plan.notes.map { .string($0) })),
        ("tensors", .array(tensors)),
      ]))
  }
}

extension ParameterValue {
  /// The value as a recipe would write it.
  var shortText: String {
    switch self {
    case .number(let number):
      number == number.rounded() && number.magnitude < 1e15
        ? String(Int(number)) : String(Float(number))
    case .bool(let flag): flag ? "true" : "false"
    case .text(let text): text
    }
  }
}
