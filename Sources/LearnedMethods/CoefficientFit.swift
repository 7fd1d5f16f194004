package import TinctureFitting
public import TinctureMerging
package import TinctureTensors

/// What coefficients are learned from, for the methods that learn them in other ways than by a single fit.
public struct CoefficientFit {
  /// The models, tasks and data.
  package let problem: LearningProblem
  /// The base and the task vectors.
  package let vectors: TaskVectorSet
  /// The values of the method's parameters.
  public let parameters: ResolvedParameters
  /// What tells of progress and keeps what was done.
  public let session: MergeSession

  /// Carries out a fit.
  ///
  /// - Parameters:
  ///   - merge: What is learned about the merge.
  ///   - settings: How it is learned.
  ///   - vectors: The task vectors, in place of all.
  ///   - problem: The problem, in place of the whole.
  ///   - stage: The number of the fit, where several follow one another.
  /// - Returns: What happened.
  /// - Throws: What learning throws.
  package func run(
    _ merge: any LearnableMerge, _ settings: FitSettings, vectors: TaskVectorSet? = nil,
    problem: LearningProblem? = nil, stage: Int = 0
  ) throws(TinctureError) -> FitOutcome {
    try Learning.run(
      problem ?? self.problem, vectors ?? self.vectors, merge, settings, session,
      snapshot: stage == 0 ? "fit" : "fit.\(stage)")
  }
}

/// Coefficients that were learned, and what the fits left beside them.
public struct LearnedTable {
  /// The coefficients.
  package var table: CoefficientTable
  /// What the last fit left, where there was one.
  package var outcome: FitOutcome?
  /// What happened in fits before it.
  package var stages: [(title: String, history: FitHistory)] = []
  /// Further files for the output.
  package var sidecars: [MergePlan.Sidecar] = []

  /// Takes what was learned.
  package init(_ table: CoefficientTable, _ outcome: FitOutcome?) {
    (self.table, self.outcome) = (table, outcome)
  }
}
