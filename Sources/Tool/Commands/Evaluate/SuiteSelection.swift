import SystemPackage
import Tincture

extension EvaluationSuite {
  /// Reads a suite and keeps the tasks that were asked for.
  ///
  /// - Parameters:
  ///   - tasks: The names of the tasks; none keeps all.
  ///   - path: The file.
  ///   - batch: How many examples go through the network at a time, in place of the suite's number.
  /// - Throws: What is wrong with the suite, or `usage` for a task that it does not have.
  init(selecting tasks: [String], of path: String, batch: Int?) throws(TinctureError) {
    try self.init(reading: FilePath(path))
    let known = self.tasks.map(\.name)
    for task in tasks where !known.contains(task) {
      let hint = nearestName(to: task, among: known).map { "; did you mean '\($0)'?" } ?? "."
      throw TinctureError(
        .usage,
        "The suite has no task '\(task)'\(hint) It has \(known.joined(separator: ", ")).",
        at: .init(file: file.string))
    }
    if !tasks.isEmpty { self.tasks.removeAll { !tasks.contains($0.name) } }
    if let batch { batchSize = batch }
  }
}
