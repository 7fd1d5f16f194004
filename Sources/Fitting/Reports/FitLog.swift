internal import TinctureJSON
package import TinctureMerging
internal import TinctureReports
internal import TinctureTensors

/// The log of a fit as it is written beside the model: numbers for programs, and a page with curves.
package struct FitLog: Sendable {
  /// The names of the files in a model's directory.
  package static let fileNames = (json: "fit.json", page: "fit.html")

  private let history: FitHistory
  private let method: String
  private let rows: [(name: String, values: [Float])]

  /// Takes what happened.
  ///
  /// - Parameters:
  ///   - history: The losses.
  ///   - method: The name of the method.
  ///   - tensors: What was merged.
  ///   - table: The coefficients, where there are some.
  package init(
    _ history: FitHistory, method: String, _ tensors: [TaskVectorSet.Tensor] = [],
    _ table: CoefficientTable? = nil
  ) {
    self.history = history
    self.method = method
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

  private var json: JSONValue {
    func number(_ value: Double?) -> JSONValue { value.map { .number(String($0)) } ?? .null }
    let table = rows.map { row in
      (row.name, JSONValue.array(row.values.map { .number(String($0)) }))
    }
    return .object(
      JSONObject([
        ("method", .string(method)),
        ("tasks", .array(history.tasks.map { .string($0) })),
        ("rounds", .integer(history.losses.count)),
        ("losses", .array(history.losses.map { .array($0.map(number)) })),
        ("empty_turns", .integer(history.emptyTurns)),
        ("non_finite_turns", .integer(history.nonFiniteTurns)),
        ("coefficients", .object(JSONObject(table))),
      ]))
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
    page.sections.append(ReportSection("The fit", [facts]))
    page.sections.append(
      ReportSection(
        "Loss of each task", note: "The mean over pieces of equal length, at most two hundred.",
        [LineChart(title: "Loss of each task by round", curves: curves, unit: .number)]))
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
  private var curves: [LineChart.Curve] {
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
