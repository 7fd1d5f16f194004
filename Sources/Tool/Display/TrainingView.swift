import SystemPackage
import Tincture
import TinctureReports

/// What a run will do or did, for terminals and for programs.
struct TrainingView {
  private let plan: TrainingPlan

  init(_ plan: TrainingPlan) { self.plan = plan }

  /// The phases as a table.
  var text: String {
    var table = Table(["phase", "epochs", "steps", "trained parameters"], alignRight: [1, 2, 3])
    for phase in plan.phases {
      table.add([
        phase.title, "\(phase.epochs.lowerBound + 1)–\(phase.epochs.upperBound)",
        String(phase.steps), String(phase.trainedCount),
      ])
    }
    return """
      \(plan.trainingCount) training and \(plan.testCount) test examples of \(plan.classCount) classes
      \(plan.epochCount) epochs of \(plan.stepsPerEpoch) steps, \(plan.stepCount) steps
      \(plan.parameterCount) parameters, \(NumberText.decimal(plan.averageTrainedCount, 0)) trained on average

      \(table.text)
      """
  }

  private var members: JSONObject {
    JSONObject([
      ("training_examples", .integer(plan.trainingCount)),
      ("test_examples", .integer(plan.testCount)), ("classes", .integer(plan.classCount)),
      ("epochs", .integer(plan.epochCount)), ("steps", .integer(plan.stepCount)),
      ("parameters", .integer(plan.parameterCount)),
      ("average_trained_parameters", .number(NumberText.decimal(plan.averageTrainedCount, 1))),
      (
        "phases",
        .array(
          plan.phases.map { phase in
            .object(
              JSONObject([
                ("mode", .string(phase.title)),
                ("first_epoch", .integer(phase.epochs.lowerBound)),
                ("epochs", .integer(phase.epochs.count)), ("steps", .integer(phase.steps)),
                ("trained_parameters", .integer(phase.trainedCount)),
              ]))
          })
      ),
    ])
  }

  /// The plan as an object.
  var json: JSONValue { .object(members) }

  /// What was done, on one line.
  func text(_ report: TrainingReport, seconds: Double) -> String {
    var text = "\(report.output): \(report.history.epochs.count) epochs"
    if let last = report.history.epochs.last {
      text += ", loss \(NumberText.significant(last.loss))"
      if let accuracy = last.testAccuracy {
        text += ", \(NumberText.percent(accuracy, 2)) of \(plan.testCount) test examples right"
      }
    }
    return text + ", in \(NumberText.duration(seconds))"
  }

  /// What was done, as an object.
  func json(_ report: TrainingReport, seconds: Double) -> JSONValue {
    var object = JSONObject([("output", .string(report.output.string))])
    for (key, value) in members.members { object[key] = value }
    if let last = report.history.epochs.last {
      object["loss"] = .number(String(last.loss))
      object["accuracy"] = .number(String(last.accuracy))
      if let loss = last.testLoss { object["test_loss"] = .number(String(loss)) }
      if let accuracy = last.testAccuracy { object["test_accuracy"] = .number(String(accuracy)) }
    }
    object["resumed_epochs"] = .integer(report.history.resumedEpochs)
    object["seconds"] = .number(NumberText.decimal(seconds, 3))
    return .object(object)
  }
}
