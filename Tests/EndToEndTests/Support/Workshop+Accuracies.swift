import Foundation
import Testing

extension Workshop {
  /// What a model reaches at two tasks of the bundled benchmark, in per cent.
  ///
  /// - Parameters:
  ///   - model: The model, as the program takes it.
  ///   - suite: The suite's file.
  /// - Returns: The accuracies by task.
  /// - Throws: What is not as the program prints it.
  func accuracies(of model: String, by suite: String) async throws -> [String: Double] {
    let arguments = [
      "evaluate", suite, model, "--task", "optdigits", "--task", "style", "--json", "--no-cache",
      "--plain",
    ]
    let run = try await start(arguments + Workshop.libTorch()).end()
    expect(run, ends: 0)
    let rows = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
    return try #require(rows?.first?["accuracy"] as? [String: Double])
  }
}
