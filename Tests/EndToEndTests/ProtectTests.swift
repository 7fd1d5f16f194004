import Foundation
import Testing
import TinctureLinearAlgebra

@Suite(
  "Protecting a model", .timeLimit(.minutes(25)),
  .enabled(if: Backend.isAvailable, "No BLAS was found."))
struct ProtectTests {
  let workshop: Workshop

  init() throws { workshop = try Workshop() }

  /// A layer of attention with two heads of four elements.
  private func model(_ seed: Int, type: String = "llama") -> TinyModel {
    var model = TinyModel()
    let attention = "model.layers.0.self_attn."
    model.add(
      .f32,
      ["q", "k", "v", "o"].map { ("\(attention)\($0)_proj.weight", [8, 8]) } + [
        ("model.layers.0.mlp.up_proj.weight", [12, 8]), ("model.norm.weight", [8]),
      ], seed: seed)
    model.files["config.json"] = """
      {"model_type": "\(type)", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
      """
    return model
  }

  private func values(_ path: String) throws -> [String: [Float]] {
    let saved = try SavedModel(path, in: workshop)
    return saved.tensors.mapValues(\.values)
  }

  private func distance(_ a: [String: [Float]], _ b: [String: [Float]], _ part: String) -> Float {
    a.filter { $0.key.contains(part) }.map { name, values in
      zip(values, b[name] ?? []).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
    }.max() ?? 0
  }

  @Test("The seed is shown, takes the change back, and stands nowhere in the output")
  func undone() async throws {
    try model(1).write("m", in: workshop)
    let run = try await workshop.start(["protect", "m", "locked", "--json"]).end()
    expect(run, ends: 0)
    let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
    let seed = try #require(document?["seed"] as? Int)
    let (before, after) = (try values("m"), try values("locked"))
    #expect(distance(before, after, "self_attn") > 0.1)
    #expect(distance(before, after, "mlp") == 0)
    for file in try FileManager.default.contentsOfDirectory(atPath: workshop.url("locked").path) {
      let bytes = try Data(contentsOf: workshop.url("locked/\(file)"))
      #expect(bytes.range(of: Data(String(seed).utf8)) == nil, "\(file)")
    }
    expect(
      try await workshop.start(["protect", "locked", "back", "--seed", "\(seed)", "--undo"]).end(),
      ends: 0)
    #expect(distance(before, try values("back"), "") < 1e-5)
    let again = try await workshop.start(["protect", "m", "second", "--seed", "\(seed)"]).end()
    expect(again, ends: 0)
    #expect(try values("second") == after)
    #expect(!again.output.contains("keep it"))
  }

  @Test("merge and plan warn of a locked model")
  func warning() async throws {
    let base = model(1)
    try base.write("base", in: workshop)
    try base.write("a", in: workshop)
    expect(try await workshop.start(["protect", "a", "b", "--seed", "3"]).end(), ends: 0)
    for command in [["plan"], ["merge"]] {
      let output = command == ["merge"] ? ["out"] : []
      let recipe = ["--method", "task_arithmetic", "--base", "base", "--set", "weight=1"]
      let warned = try await workshop.start(
        command + recipe + ["--model", "b"] + output + ["--force"].filter { _ in !output.isEmpty }
      ).end()
      expect(warned, ends: 0)
      #expect(warned.errors.contains("warning: the attention of b"))
      let calm = try await workshop.start(
        command + recipe + ["--model", "a"] + output + ["--force"].filter { _ in !output.isEmpty }
      ).end()
      expect(calm, ends: 0)
      #expect(!calm.errors.contains("warning"))
    }
  }

  @Test("What is not told is asked for")
  func refusals() async throws {
    try model(1, type: "something_new").write("new", in: workshop)
    let unknown = try await workshop.start(["protect", "new", "out"]).end()
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("--rotary"))
    expect(
      try await workshop.start(["protect", "new", "out", "--rotary", "none"]).end(), ends: 0)
    var bare = model(1)
    bare.files["config.json"] = nil
    try bare.write("bare", in: workshop)
    let heads = try await workshop.start(["protect", "bare", "out2", "--rotary", "none"]).end()
    #expect(heads.status == 64)
    #expect(heads.errors.contains("--heads"))
    let wrong = try await workshop.start(
      ["protect", "bare", "out2", "--rotary", "none", "--heads", "3"]
    ).end()
    #expect(wrong.status == 65)
    #expect(wrong.errors.contains("3 heads do not fit"))
    let undo = try await workshop.start(["protect", "new", "out3", "--undo"]).end()
    #expect(undo.status == 64)
  }
}
