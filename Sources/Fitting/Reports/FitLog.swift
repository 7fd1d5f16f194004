internal import TinctureJSON
package import TinctureMerging
internal import TinctureReports
internal import TinctureTensors

/// The log of a fit as it is written beside the model: numbers for programs, and a page with curves.
package struct FitLog: Sendable {
  /// The names of the files in a model's directory.
  package static let fileNames = (json: "fit.json", page: "fit.html")

  private let history: FitHistory
  private let stages: [(title: String, history: FitHistory)]
  private let method: String
  private let rows: [(name: String, values: [Float])]
  private let notes: [(name: String, value: Double)]

  /// Takes what happened.
  ///
  /// - Parameters:
  ///   - history: The losses.
  ///   - stages: The fits before this one, where one was made after another.
  ///   - method: The name of the method.
  ///   - tensors: What was merged.
  ///   - table: The coefficients, where there are some.
  ///   - notes: Further figures with their names.
  package init(
    _ history: FitHistory, stages: [(title: String, history: FitHistory)] = [], method: String,
    _ tensors: [TaskVectorSet.Tensor] = [], _ table: CoefficientTable? = nil,
    notes: [(name: String, value: Double)] = []
  ) {
    self.history = history
    self.stages = stages
    self.method = method
    self.notes = notes
    rows =
      table.map { table in
        tensors.indices.map { (tensors[$0].name, table.meanCoefficients($0)) }
      } ?? []
  }

  /// Both files.
  package var sidecars: [MergePlan.Sidecar] {
    [
      .init(path: Self.fileNames.json, contents: Array((json.text() + "\n").utf8)),
      .init(path: Self.fileNames.page, contents: Array(page.html.utf8)),
    ]
  }

  private static func number(_ value: Double?) -> JSONValue {
    value.map { $0.isFinite ? .number(String($0)) : .null } ?? .null
  }

  /// What happened in one fit.
  private static func facts(_ history: FitHistory) -> [(String, JSONValue)] {
    var facts: [(String, JSONValue)] = [
      ("tasks", .array(history.tasks.map { .string($0) })),
      ("rounds", .integer(history.losses.count)),
      ("losses", .array(history.losses.map { .array($0.map(number)) })),
      ("empty_turns", .integer(history.emptyTurns)),
      ("non_finite_turns", .integer(history.nonFiniteTurns)),
    ]
    if !history.validations.isEmpty {
      facts.append(("validations", .array(history.validations.map { .array($0.map(number)) })))
      facts.append(("validation_scores", .array(history.validationScores.map(number))))
    }
    return facts
  }

  private var json: JSONValue {
    let table = rows.map { row in
      (row.name, JSONValue.array(row.values.map { .number(String($0)) }))
    }
    var members = [("method", JSONValue.string(method))] + Self.facts(history)
    members.append(("coefficients", .object(JSONObject(table))))
    if !stages.isEmpty {
      let stages = stages.map { stage in
        JSONValue.object(
          JSONObject([("title", .string(stage.title))] + Self.facts(stage.history)))
      }
      members.append(("stages", .array(stages)))
    }
    members.append(("notes", .object(JSONObject(notes.map { ($0.name, Self.number($0.value)) }))))
    return .object(JSONObject(members))
  }

  private var page: ReportPage {
    var page = ReportPage(
      title: "How \(method) was learned",
      introduction:
        "\(history.losses.count) rounds over \(history.tasks.count) tasks; the last mean loss"
        + " is \(history.lastLoss.map { NumberText.significant($0) } ?? "unknown").")
    var facts = ReportFacts()
    facts.add("rounds", .count(history.losses.count))
    facts.add("turns without an example that took part", .count(history.emptyTurns))
    facts.add("turns that were not finite", .count(history.nonFiniteTurns))
    for note in notes { facts.add(note.name, .decimal(note.value, 4)) }
    page.sections.append(ReportSection("The fit", [facts]))
    page.sections.append(
      ReportSection(
        "Loss of each task", note: "The mean over pieces of equal length, at most two hundred.",
        [LineChart(title: "Loss of each task by round", curves: curves(history), unit: .number)]))
    for stage in stages {
      page.sections.append(
        ReportSection(
          stage.title, note: "Learned before.",
          [LineChart(title: stage.title, curves: curves(stage.history), unit: .number)]))
    }
    if history.validations.count > 1 {
      let curves = history.tasks.enumerated().map { task, name in
        LineChart.Curve(
          name,
          history.validations.enumerated().map { LineChart.Point(Double($0), $1[task]) })
      }
      page.sections.append(
        ReportSection(
          "Right answers on what was held out",
          note: "At the start and after each pass; what did best is kept.",
          [LineChart(title: "Share of right answers by pass", curves: curves, unit: .number)]))
    }
    guard !rows.isEmpty else { return page }
    let map = HeatMap(
      title: "Coefficients by tensor and task", columns: history.tasks,
      rows: rows.map { .init($0.name, $0.values.map { Double($0) }) }, unit: .number)
    page.sections.append(
      ReportSection(
        "Coefficients",
        note: "How much of each task vector every tensor has; of tensors in chunks the mean.", [map]
      ))
    return page
  }

  /// A curve for each task, of at most two hundred points.
  private func curves(_ history: FitHistory) -> [LineChart.Curve] {
    let count = history.losses.count
    let length = max(1, (count + 199) / 200)
    return history.tasks.indices.map { task in
      let points = stride(from: 0, to: count, by: length).map { start in
        let end = min(start + length, count)
        let losses = history.losses[start..<end].compactMap { $0[task] }
        let mean = losses.isEmpty ? .nan : losses.reduce(0, +) / Double(losses.count)
        return LineChart.Point(Double(start + end + 1) / 2, mean)
      }
      return LineChart.Curve(history.tasks[task], points)
    }
  }
}
