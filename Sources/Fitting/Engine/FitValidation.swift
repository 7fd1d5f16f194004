internal import TinctureEvaluation
internal import TinctureNetworks
internal import TinctureTensors

/// Keeps what does best on the examples that are held out, and ends a fit that gets no better.
///
/// How good a state is: the mean over the tasks of its share of right answers by the expert's. With a control
/// task, whose loss the others are weighed against, it is minus the mean share of right answers of the others
/// where the control keeps at least 95 % of the base's, and nothing otherwise.
///
/// Source: Zhang et al., arXiv:2407.02880.
struct FitValidation {
  /// The share of the base's right answers that a control task must keep.
  static let kept = 0.95

  private let learners: [TaskLearner]
  private let references: [Double]
  private let hasControl: Bool
  private let settings: FitSettings

  /// Prepares, where something is held out.
  ///
  /// - Throws: What the experts' forward passes throw.
  init?(
    _ learners: [TaskLearner], _ problem: LearningProblem, _ settings: FitSettings
  ) throws(TinctureError) {
    guard settings.validationShare > 0 else { return nil }
    self.learners = learners
    self.settings = settings
    hasControl = settings.controlTask != nil
    var references: [Double] = []
    for (index, learner) in learners.enumerated() {
      let isControl = index >= problem.suite.tasks.count
      let readers = isControl ? problem.base : problem.expert(index)
      references.append(try learner.heldOutAccuracy(problem.parameters(readers)))
    }
    self.references = references
  }

  /// Checks a state, and has it remembered when it is the best one yet.
  func check(
    _ merge: any LearnableMerge, _ parameters: Parameters, _ history: inout FitHistory
  ) throws(TinctureError) {
    var shares: [Double] = []
    for learner in learners { shares.append(try learner.heldOutAccuracy(parameters)) }
    let score = Self.score(shares, references, hasControl: hasControl)
    let best = history.validationScores.max() ?? -.infinity
    if score > best || history.validationScores.isEmpty {
      merge.keep()
      for learner in learners { try learner.keep() }
    }
    history.validations.append(shares)
    history.validationScores.append(score)
    guard let patience = settings.patience, let greatest = history.validationScores.max(),
      let first = history.validationScores.firstIndex(of: greatest)
    else { return }
    history.hasStopped = history.validationScores.count - 1 - first >= patience
  }

  /// How good a state is.
  static func score(_ shares: [Double], _ references: [Double], hasControl: Bool) -> Double {
    guard hasControl, let control = shares.last, let reference = references.last else {
      let parts = zip(shares, references).map { $1 > 0 ? $0 / $1 : $0 }
      return parts.reduce(0, +) / Double(max(1, parts.count))
    }
    guard control >= kept * reference else { return -.infinity }
    return -shares.dropLast().reduce(0, +) / Double(max(1, shares.count - 1))
  }
}
