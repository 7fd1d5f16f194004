import SystemPackage
import Tincture
import TinctureReports

/// An evaluation as a page: a table, averages as bars, tasks as a heat map.
struct EvaluationPage {
  private let table: EvaluationTable

  init(_ table: EvaluationTable) { self.table = table }

  var page: ReportPage {
    let suite = table.suite
    let count = table.rows.count
    var page = ReportPage(
      title: "Evaluation on \(suite.name)",
      introduction: "\(count) model\(count == 1 ? "" : "s") on \(suite.tasks.count) tasks of"
        + " \(suite.file.lastComponent?.string ?? suite.file.string).")
    page.sections = [
      ReportSection(
        "Scores",
        note:
          "Normalised is the mean share of the individual experts' figures; forgotten is how much"
          + " worse than the base the tasks are, counting those that are worse.", [scores]),
      ReportSection("Average of the tasks", [averages]),
      ReportSection("By task", [byTask]),
    ]
    if table.base != nil {
      page.sections.append(
        ReportSection(
          "Change against the base", note: "Points gained, or lost where negative.", [changes]))
    }
    if !reference.rows.isEmpty {
      page.sections.append(
        ReportSection(
          "Against the reference", note: "Measured figure, and the published one.", [reference]))
    }
    page.sections.append(ReportSection("The evaluation", isFolded: true, [facts]))
    return page
  }

  private var scores: ReportTable {
    let titles = ["average", "normalised", "forgotten"] + table.suite.tasks.map(\.name)
    var result = ReportTable(
      [.init("model")] + titles.map { .init($0, isNumeric: true) })
    for row in table.rows {
      result.add(
        [
          ReportCell(row.name), .decimal(row.average, 2),
          .decimal(table.experts.flatMap { row.normalized(by: $0) }, 1),
          .decimal(table.base.flatMap { row.forgetting(against: $0) }, 2),
        ] + row.scores.map { .decimal($0.shown, 1) })
    }
    return result
  }

  private var averages: BarChart {
    BarChart(
      title: "Average of the tasks, by model", series: ["average"],
      bars: table.rows.map { row in
        BarChart.Bar(
          row.name, [row.average ?? 0], text: row.average.map { NumberText.decimal($0, 2) } ?? "–")
      }, unit: .number)
  }

  private var byTask: HeatMap {
    HeatMap(
      title: "Figure of each model at each task", columns: table.suite.tasks.map(\.name),
      rows: table.rows.map { HeatMap.Row($0.name, $0.scores.map(\.shown)) }, unit: .number,
      absence: "undefined")
  }

  private var changes: HeatMap {
    HeatMap(
      title: "Change of each task against the base", columns: table.suite.tasks.map(\.name),
      rows: table.rows.map { row in
        HeatMap.Row(
          row.name,
          row.scores.map { score in
            guard let own = score.shown, let before = table.base?[score.task]?.shown else {
              return nil
            }
            return own - before
          })
      }, unit: .number, absence: "undefined")
  }

  private var reference: ReportTable {
    let titles = ["average"] + table.suite.tasks.map(\.name)
    var result = ReportTable(
      [.init("model")] + titles.map { .init($0, isNumeric: true) })
    for row in table.rows where !row.reference.isEmpty {
      result.add(
        [ReportCell(row.name), .decimal(row.average, 2)]
          + row.scores.map { .decimal($0.shown, 1) })
      result.add(
        [ReportCell("published"), .decimal(row.referenceAverage, 2)]
          + row.scores.map { .decimal(row.reference[$0.task], 1) })
    }
    return result
  }

  private var facts: ReportFacts {
    var facts = ReportFacts()
    facts.add("suite", ReportCell(table.suite.file.string))
    facts.add("network", ReportCell("\(table.suite.network)"))
    for task in table.suite.tasks {
      facts.add("metric of \(task.name)", ReportCell(task.metric))
    }
    for note in table.notes { facts.add("run", ReportCell(note)) }
    return facts
  }
}
