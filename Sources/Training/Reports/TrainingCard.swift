internal import TinctureCheckpoints
internal import TinctureMerging
internal import TinctureReports

/// The `README.md` of a trained model: how it was made, how good it is, how to measure it.
struct TrainingCard {
  private let setup: TrainingSetup
  private let history: TrainingHistory
  private let toolVersion: String

  init(_ setup: TrainingSetup, _ history: TrainingHistory, toolVersion: String) {
    self.setup = setup
    self.history = history
    self.toolVersion = toolVersion
  }

  /// The text; the same run always gives the same.
  var text: String {
    let run = setup.run
    let fence = Markdown.fence(around: run.source.text)
    let body = run.source.text.hasSuffix("\n") ? run.source.text : run.source.text + "\n"
    let start = run.start.model.map { "It began as \(Markdown.code($0))." } ?? "It began at random."
    var lines = [
      "---", "tags:", "- tincture", "---", "# \(Markdown.escaped(run.name))", "",
      "This model was trained by tincture \(Markdown.escaped(toolVersion)). \(start)", "",
      "| | |", "| --- | ---: |", "| epochs | \(history.epochs.count) |",
      "| training examples | \(setup.training.count) |",
    ]
    if let test = setup.test, let last = history.epochs.last, let accuracy = last.testAccuracy {
      lines += [
        "| test examples | \(test.count) |",
        "| right answers to test examples | \(NumberText.percent(accuracy, 2)) |",
      ]
    }
    lines += ["", "`train.json` and `train.html` tell how training went."]
    if run.head != nil {
      lines += [
        "",
        "The head from features to scores is `head.safetensors` (`weight`, `bias`); suites name"
          + " it so: `head: {file: head.safetensors, weight: weight, bias: bias}`.",
      ]
    }
    lines += ["", "## Run", "", "\(fence)yaml", "\(body)\(fence)", ""]
    return lines.joined(separator: "\n")
  }
}
