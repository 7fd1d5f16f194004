package import SystemPackage
internal import TinctureCheckpoints
internal import TinctureEvaluation
package import TinctureMerging
internal import TinctureMetrics
internal import TinctureNetworks
package import TinctureTensors

/// Measures merges with one coefficient for each model, and remembers the figures on disk.
///
/// An interrupted search asks for the same merges in the same order and is answered from the file.
package final class CoefficientTrials {
  private let problem: LearningProblem
  private let vectors: TaskVectorSet
  private let interruption: Interruption
  private let path: FilePath?
  private let identity: String
  private var known: [Double] = []
  private var used = 0
  /// How many merges were asked for.
  package private(set) var count = 0

  /// Prepares to measure.
  ///
  /// - Parameters:
  ///   - problem: The models, tasks and data.
  ///   - vectors: The base and the task vectors.
  ///   - interruption: Stops it when raised.
  ///   - path: Where figures are kept; nil keeps none.
  ///   - identity: What the order of merges depends on.
  package init(
    _ problem: LearningProblem, _ vectors: TaskVectorSet, _ interruption: Interruption,
    keptAt path: FilePath?, identity: String
  ) {
    self.problem = problem
    self.vectors = vectors
    self.interruption = interruption
    self.path = path
    let tasks = problem.suite.tasks.map { "\($0)" }.joined(separator: "\n")
    self.identity = "\(identity) \(vectors.tensors.map(\.name)) \(tasks) \(problem.device)"
    guard let path, FileKind(of: path) == .file, let snapshot = try? FitSnapshot(opening: path),
      snapshot.identity == self.identity, let figures = try? snapshot.doubles("figures")
    else { return }
    known = figures
  }

  /// Measures some tasks of a merge.
  ///
  /// - Parameters:
  ///   - coefficients: A coefficient for every model.
  ///   - tasks: The numbers of the tasks.
  /// - Returns: A figure for each.
  /// - Throws: What the evaluation throws, `data` for a figure that is not defined.
  package func figures(
    _ coefficients: [Double], tasks: [Int]
  ) throws(TinctureError) -> [Double] {
    count += 1
    if used + tasks.count <= known.count {
      used += tasks.count
      return Array(known[used - tasks.count..<used])
    }
    try interruption.check()
    let table = CoefficientTable(
      .task, tensors: vectors.tensors, starts: coefficients.map(Float.init), link: .identity)
    let merged = try vectors.assemble(table, on: problem.device)
    var named = try problem.constantTensors()
    for (tensor, values) in zip(vectors.tensors, merged.tensors) { named[tensor.name] = values }
    let evaluator = problem.evaluator(interruption)
    var found: [Double] = []
    for task in tasks {
      let score = try evaluator.score(Parameters(named), for: problem.suite.tasks[task])
      guard let value = score.value, value.isFinite else {
        throw TinctureError(
          .data,
          "The \(score.metric.name) of the task '\(score.task)' is not defined for the coefficients"
            + " \(coefficients).", at: .init(file: problem.suite.file.string))
      }
      found.append(value)
    }
    known = Array(known.prefix(used)) + found
    used += found.count
    if let path {
      var snapshot = FitSnapshot()
      snapshot.identity = identity
      snapshot.set("figures", known)
      try snapshot.write(to: path)
    }
    return found
  }
}
