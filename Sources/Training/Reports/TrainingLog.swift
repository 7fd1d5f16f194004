internal import TinctureJSON
internal import TinctureReports
internal import TinctureTensors

/// The log of a run as it is written beside the model: numbers for programs, and a page with curves.
struct TrainingLog {
  /// The names of the files in a model's directory.
  static let fileNames = (json: "train.json", page: "train.html")

  private let run: TrainingRun
  private let plan: TrainingPlan
  private let history: TrainingHistory

  init(_ setup: TrainingSetup, _ history: TrainingHistory) throws(TinctureError) {
    run = setup.run
    plan = try TrainingPlan(setup)
    self.history = history
  }

  /// Both files.
  var sidecars: [(path: String, contents: [UInt8])] {
    [
      (Self.fileNames.json, Array((json.text() + "\n").utf8)),
      (Self.fileNames.page, Array(page.html.utf8)),
    ]
  }

  private var json: JSONValue {
    let phases = plan.phases.enumerated().map { index, phase in
      let costs = phaseCosts(index)
      var object = JSONObject([
        ("mode", .string(phase.title)), ("first_epoch", .integer(phase.epochs.lowerBound)),
        ("epochs", .integer(phase.epochs.count)), ("steps", .integer(phase.steps)),
        ("trained_parameters", .integer(phase.trainedCount)),
        ("seconds", .number(NumberText.decimal(costs.reduce(0) { $0 + $1.seconds }, 3))),
      ])
      if let peak = costs.compactMap(\.peakBytes).max() { object["peak_bytes"] = .integer(peak) }
      return JSONValue.object(object)
    }
    return .object(
      JSONObject([
        ("name", .string(run.name)), ("seed", .number(String(run.seed))),
        ("training_examples", .integer(plan.trainingCount)),
        ("test_examples", .integer(plan.testCount)), ("classes", .integer(plan.classCount)),
        ("parameters", .integer(plan.parameterCount)),
        ("average_trained_parameters", .number(NumberText.decimal(plan.averageTrainedCount, 1))),
        ("steps", .integer(plan.stepCount)), ("phases", .array(phases)),
        ("epochs", .array(history.epochs.map(TrainingHistory.json))),
        ("costs", .array(history.costs.map(TrainingHistory.json))),
      ]))
  }

  /// What the epochs of a phase cost.
  private func phaseCosts(_ phase: Int) -> [TrainingHistory.Cost] {
    zip(history.epochs, history.costs).filter { $0.0.phase == phase }.map(\.1)
  }

  private var page: ReportPage {
    let accuracy = history.epochs.last?.testAccuracy.map {
      "; \(NumberText.percent($0, 2)) of the test examples are right"
    }
    var page = ReportPage(
      title: "How \(run.name) was trained",
      introduction: "\(history.epochs.count) epochs of \(plan.trainingCount) examples"
        + "\(accuracy ?? "").")
    page.sections = [
      ReportSection("The run", [facts]),
      ReportSection("Phases", [phases]),
      ReportSection(
        "Loss", note: "The mean over the examples of an epoch; of training, before each step.",
        [
          LineChart(
            title: "Loss by epoch",
            curves: curves([
              ("training", { $0.loss }), ("test", { $0.testLoss }),
            ]), unit: .number)
        ]),
      ReportSection(
        "Right answers",
        [
          LineChart(
            title: "Share of right answers by epoch",
            curves: curves([
              ("training", { $0.accuracy }), ("test", { $0.testAccuracy }),
            ]), unit: .fraction)
        ]),
      ReportSection(
        "Learning rate", note: "That of the last step of each epoch.",
        [
          LineChart(
            title: "Learning rate by epoch", curves: curves([("learning rate", { $0.rate })]),
            unit: .number, startsAtZero: true)
        ]),
    ]
    if let map = rankMap {
      page.sections.append(
        ReportSection(
          "Effective rank",
          note: "exp of the entropy of the singular values of each weight, after each epoch.",
          [map]))
    }
    if !spectra.isEmpty {
      page.sections.append(
        ReportSection(
          "Singular values",
          note:
            "Of some of the weights, by their place from the largest to the smallest, as shares of the largest.",
          spectra))
    }
    return page
  }

  private var facts: ReportFacts {
    var facts = ReportFacts()
    facts.add("parameters", .count(plan.parameterCount))
    facts.add("trained on average", .decimal(plan.averageTrainedCount, 0))
    facts.add("training examples", .count(plan.trainingCount))
    facts.add("test examples", .count(plan.testCount))
    facts.add("steps", .count(plan.stepCount))
    facts.add("batch", .count(run.batchSize))
    facts.add("seed", ReportCell(String(run.seed)))
    let seconds = history.costs.reduce(0) { $0 + $1.seconds }
    facts.add("time", ReportCell(NumberText.duration(seconds)))
    return facts
  }

  private var phases: ReportTable {
    var table = ReportTable([
      .init("mode"), .init("epochs", isNumeric: true), .init("steps", isNumeric: true),
      .init("trained parameters", isNumeric: true), .init("seconds", isNumeric: true),
      .init("peak memory", isNumeric: true),
    ])
    for (index, phase) in plan.phases.enumerated() {
      let costs = phaseCosts(index)
      let peak = costs.compactMap(\.peakBytes).max()
      table.add([
        ReportCell(phase.title), .count(phase.epochs.count), .count(phase.steps),
        .count(phase.trainedCount), .decimal(costs.reduce(0) { $0 + $1.seconds }, 1),
        peak.map { .bytes($0) } ?? ReportCell("–"),
      ])
    }
    return table
  }

  private func curves(
    _ series: [(String, (TrainingHistory.Epoch) -> Double?)]
  ) -> [LineChart.Curve] {
    series.compactMap { name, value in
      let points = history.epochs.enumerated().compactMap { index, epoch in
        value(epoch).map { LineChart.Point(Double(index + 1), $0) }
      }
      return points.isEmpty ? nil : LineChart.Curve(name, points)
    }
  }

  /// The effective rank of each weight over at most forty epochs.
  private var rankMap: HeatMap? {
    let measured = history.epochs.indices.filter { !history.epochs[$0].ranks.isEmpty }
    guard let first = measured.first else { return nil }
    let stride = max(1, (measured.count + 39) / 40)
    let shown = measured.filter { ($0 - first).isMultiple(of: stride) || $0 == measured.last }
    let names = history.epochs[first].ranks.keys.sorted { NameOrder.precedes($0, $1) }
    return HeatMap(
      title: "Effective rank by weight and epoch", columns: shown.map { String($0 + 1) },
      rows: names.map { name in
        .init(name, shown.map { history.epochs[$0].ranks[name]?.first })
      }, unit: .number)
  }

  /// The spectra of at most eight weights, after the first epoch and the last one of every phase.
  private var spectra: [LineChart] {
    let measured = history.epochs.indices.filter { !history.epochs[$0].spectra.isEmpty }
    guard let first = measured.first else { return [] }
    let ends = measured.filter {
      $0 == first || $0 + 1 == history.epochs.count
        || history.epochs[$0 + 1].phase != history.epochs[$0].phase
    }
    let names = history.epochs[first].spectra.keys.sorted { NameOrder.precedes($0, $1) }
    let count = min(8, names.count)
    return (0..<count).map { names[count > 1 ? $0 * (names.count - 1) / (count - 1) : 0] }.map {
      name in
      LineChart(
        title: name,
        curves: ends.map { epoch in
          let values = history.epochs[epoch].spectra[name] ?? []
          let largest = max(values.first ?? 0, .leastNormalMagnitude)
          return .init(
            "epoch \(epoch + 1)",
            values.enumerated().map { .init(Double($0 + 1), $1 / largest) })
        }, unit: .number, startsAtZero: true)
    }
  }
}

/// The order of names in which numbers count as numbers: `layer2` before `layer10`.
enum NameOrder {
  static func precedes(_ a: String, _ b: String) -> Bool {
    let (left, right) = (parts(a), parts(b))
    for (one, other) in zip(left, right) where one != other {
      if let first = Int(one), let second = Int(other) { return first < second }
      return one < other
    }
    return left.count < right.count
  }

  /// Runs of digits and of other characters.
  private static func parts(_ text: String) -> [String] {
    var parts: [String] = []
    var isDigits: Bool?
    for character in text {
      if character.isNumber == isDigits, !parts.isEmpty {
        parts[parts.count - 1].append(character)
      } else {
        parts.append(String(character))
        isDigits = character.isNumber
      }
    }
    return parts
  }
}
