import Foundation
import SystemPackage
import Testing
import TinctureTensors

@testable import TinctureTraining

/// Runs of a small vision transformer on the calibration images of the bundled benchmark.
final class RunFixture: Sendable {
  static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path

  /// A folder of its own, gone with the fixture.
  let scratch: FilePath

  init() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tincture-training-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    scratch = FilePath(folder.path)
  }

  deinit { try? FileManager.default.removeItem(atPath: scratch.string) }

  /// The lines of a run, of which some are replaced or added.
  static func lines(_ changes: [String: String] = [:]) -> [String: String] {
    [
      "network":
        "{kind: vision_transformer, image_size: 28, num_channels: 1, patch_size: 7, hidden_size: 16,"
        + " num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32, pooling: mean}",
      "input": "{range: 255, mean: 0.25, std: 0.35}", "head": "{classes: 10}",
      "data":
        "{train: {file: '\(vision)/calibration.safetensors', inputs: mnist.images, targets:"
        + " mnist.labels}, test: {file: '\(vision)/test.safetensors', inputs: mnist.images, targets:"
        + " mnist.labels}, test_limit: 100}",
      "optimizer": "{kind: adamw, lr: 0.003}", "epochs": "3", "batch_size": "32",
    ].merging(changes) { $1 }
  }

  static func text(_ changes: [String: String] = [:]) -> String {
    lines(changes).sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
      .map { "\($0.key): \($0.value)\n" }.joined()
  }

  /// A run.
  func run(_ changes: [String: String] = [:]) throws -> TrainingRun {
    try TrainingRun(parsing: Self.text(changes), file: scratch.appending("run.yaml"))
  }

  /// A job with an output of its own.
  func job(_ name: String, _ changes: [String: String] = [:]) throws -> TrainingJob {
    TrainingJob(try run(changes), output: scratch.appending(name))
  }

  func bytes(_ path: String) throws -> Data {
    try Data(contentsOf: URL(filePath: scratch.pushing(FilePath(path)).string))
  }

  func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: scratch.pushing(FilePath(path)).string)
  }
}

/// The message of a failure with all its causes, and its class.
func failure(_ body: () throws -> Void) -> (message: String, code: TinctureError.Code?) {
  do {
    try body()
    return ("", nil)
  } catch let error as TinctureError {
    return (error.detailedDescription, error.code)
  } catch {
    return ("\(error)", nil)
  }
}

/// The message of a failure of something that waits.
func failure(_ body: () async throws -> Void) async -> (message: String, code: TinctureError.Code?)
{
  do {
    try await body()
    return ("", nil)
  } catch let error as TinctureError {
    return (error.detailedDescription, error.code)
  } catch {
    return ("\(error)", nil)
  }
}
