import Foundation
import SystemPackage
import Testing
import Tincture
import TinctureMerging

@testable import TinctureFitting

/// Merges of some of the bundled vision experts that learn.
struct VisionFixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path

  /// A folder of its own, removed with `remove`.
  let scratch: FilePath

  init() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "tincture-learned-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    scratch = FilePath(folder.path)
  }

  func remove() { try? FileManager.default.removeItem(atPath: scratch.string) }

  /// A recipe for experts, by the names of their tasks or as other references.
  func recipe(
    _ method: String, _ models: [String], _ parameters: [String: String] = [:],
    data: String = "suite: \(folder)/suite.yaml"
  ) throws -> Recipe {
    var lines = [
      "merge_method: \(method)", "base_model: \(Self.folder)/pretrained.safetensors", "models:",
    ]
    for model in models {
      let path = model.contains("/") ? model : "\(Self.folder)/expert_\(model).safetensors"
      lines.append("  - model: '\(path)'")
    }
    lines.append("data: {\(data)}")
    if !parameters.isEmpty {
      lines.append("parameters:")
      lines += parameters.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)" }
    }
    let file = scratch.appending("recipe.yaml").string
    let text = lines.joined(separator: "\n") + "\n"
    return try #require(try RecipeParser.parse(text, file: file).first)
  }

  /// The plan of a recipe.
  func plan(_ recipe: Recipe) throws -> MergePlan {
    try MergeJob(recipes: [recipe], output: scratch.appending("merged")).plan(0)
  }

  /// What a recipe learns from.
  func problem(_ recipe: Recipe) throws -> LearningProblem {
    let plan = try plan(recipe)
    return try LearningProblem(steps: plan.steps, copies: [], options: plan.options)
  }
}
