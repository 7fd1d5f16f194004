internal import TinctureJSON
package import TinctureMerging
internal import TinctureReports
internal import TinctureTensors

/// Pareto fronts as they are written beside a model: numbers for programs, and a page with charts.
package struct ParetoReport: Sendable {
  /// The names of the files in a model's directory.
  package static let fileNames = (json: "map.json", page: "map.html")

  private let tasks: [String]
  private let metrics: [String]
  private let preference: [Double]
  private let coefficients: [Double]
  private let measured: [Double]
  private let stages: [ParetoMapping.Stage]

  /// Takes what was found.
  ///
  /// - Parameters:
  ///   - tasks: The names of the tasks.
  ///   - metrics: The metric of each task.
  ///   - preference: How much each task matters.
  ///   - coefficients: Those of the chosen merge.
  ///   - measured: The figures of the chosen merge.
  ///   - stages: The maps in their order; the last one's front is that of the chosen merge.
  package init(
    tasks: [String], metrics: [String], preference: [Double], coefficients: [Double],
    measured: [Double], stages: [ParetoMapping.Stage]
  ) {
    (self.tasks, self.metrics, self.preference) = (tasks, metrics, preference)
    (self.coefficients, self.measured, self.stages) = (coefficients, measured, stages)
  }

  /// Both files.
  package var sidecars: [MergePlan.Sidecar] {
    [
      .init(path: Self.fileNames.json, contents: Array((json.text() + "\n").utf8)),
      .init(path: Self.fileNames.page, contents: Array(page.html.utf8)),
    ]
  }

  private func numbers(_ values: [Double]) -> JSONValue {
    .array(values.map { $0.isFinite ? .number(String($0)) : .null })
  }

  private func points(_ points: [ParetoPoint]) -> JSONValue {
    .array(
      points.map {
        .object(
          JSONObject([
            ("coefficients", numbers($0.coefficients)), ("figures", numbers($0.values)),
          ]))
      })
  }

  private var json: JSONValue {
    let stages = stages.map { stage in
      JSONValue.object(
        JSONObject([
          (
            "models",
            .array(stage.tasks.map { own in .array(own.map { .string(tasks[$0]) }) })
          ),
          ("measured", points(stage.measured)), ("deviations", numbers(stage.deviations)),
          ("front", points(stage.front)), ("chosen", .integer(stage.chosen)),
        ]))
    }
    return .object(
      JSONObject([
        ("method", .string("map")), ("tasks", .array(tasks.map { .string($0) })),
        ("metrics", .array(metrics.map { .string($0) })), ("preference", numbers(preference)),
        ("coefficients", numbers(coefficients)), ("figures", numbers(measured)),
        ("stages", .array(stages)),
      ]))
  }

  private func name(_ own: [Int]) -> String { own.map { tasks[$0] }.joined(separator: " + ") }

  private var page: ReportPage {
    var page = ReportPage(
      title: "Pareto fronts of merges",
      introduction:
        "What merges of \(tasks.count) models can reach, by surrogates of \(stages.reduce(0) { $0 + $1.measured.count })"
        + " measured merges; the chosen merge was measured itself.")
    var facts = ReportFacts()
    for (task, name) in tasks.enumerated() {
      facts.add(
        name,
        ReportCell(
          "\(metrics[task]) \(NumberText.significant(measured[task])),"
            + " coefficient \(NumberText.significant(coefficients[task]))"))
    }
    page.sections.append(ReportSection("The chosen merge", [facts]))
    for stage in stages {
      let names = stage.tasks.map(name)
      let title = "Front of " + names.joined(separator: " and ")
      let chosen = stage.front[stage.chosen]
      let note =
        "\(stage.front.count) points; chosen are the coefficients"
        + " \(chosen.coefficients.map { NumberText.significant($0) }.joined(separator: ", ")) with the"
        + " expected figures \(chosen.values.map { NumberText.significant($0) }.joined(separator: ", "))."
        + " The surrogates differ from what was measured by"
        + " \(stage.deviations.map { NumberText.significant($0) }.joined(separator: ", "))."
      page.sections.append(
        ReportSection(
          title, note: note, [LineChart(title: title, curves: curves(stage, names), unit: .number)])
      )
    }
    return page
  }

  /// Two figures against each other; of more, a curve for each point of the front, at most forty.
  private func curves(_ stage: ParetoMapping.Stage, _ names: [String]) -> [LineChart.Curve] {
    if stage.tasks.count == 2 {
      let sorted = stage.front.sorted { $0.values[0] < $1.values[0] }
      return [
        LineChart.Curve(
          "\(names[1]) over \(names[0])",
          sorted.map { LineChart.Point($0.values[0], $0.values[1]) })
      ]
    }
    let length = max(1, (stage.front.count + 39) / 40)
    return stride(from: 0, to: stage.front.count, by: length).map { place in
      LineChart.Curve(
        "point \(place + 1)",
        stage.front[place].values.enumerated().map { LineChart.Point(Double($0 + 1), $1) })
    }
  }
}
