import Foundation
import Testing

@Suite("Merges that follow the structure of models", .timeLimit(.minutes(25)))
struct StructureTests {
  let workshop: Workshop

  init() throws { workshop = try Workshop() }

  private func merge(_ recipe: String, _ options: String...) async throws -> ToolRun {
    try workshop.write("recipe.yaml", recipe)
    let run = try await workshop.start(["merge", "recipe.yaml", "out"] + options).end()
    expect(run, ends: 0)
    return run
  }

  @Test("Stacked layers are renumbered and counted, the ends come from the first and last slice")
  func frankenmerge() async throws {
    let (a, b) = (TinyModel.llama(1, layers: 4), TinyModel.llama(2, layers: 4))
    try a.write("a", in: workshop)
    try b.write("b", in: workshop)
    _ = try await merge(
      """
      merge_method: passthrough
      slices:
        - sources: [{model: a, layer_range: [0, 3]}]
        - sources: [{model: b, layer_range: [1, 4]}]
        - sources: [{model: a, layer_range: [3, 4]}]
      """)
    let output = try SavedModel("out", in: workshop)
    let origins = [(a, 0), (a, 1), (a, 2), (b, 1), (b, 2), (b, 3), (a, 3)]
    #expect(try workshop.json("out/config.json")["num_hidden_layers"] as? Int == origins.count)
    #expect(output.tensors.count == origins.count * 5 + 3)
    for (layer, (model, old)) in origins.enumerated() {
      for (name, _) in TinyModel.layer("", 8) {
        #expect(output["model.layers.\(layer)\(name)"] == model["model.layers.\(old)\(name)"])
      }
    }
    for name in ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"] {
      #expect(output[name] == a[name])
    }
  }

  @Test("The gradient of a slice starts anew in every slice")
  func mergedSlices() async throws {
    let base = TinyModel.llama(1, layers: 4)
    let tuned = base.tuned(2)
    try base.write("base", in: workshop)
    try tuned.write("tuned", in: workshop)
    _ = try await merge(
      """
      merge_method: linear
      parameters: {normalize: false}
      slices:
        - sources:
            - {model: base, layer_range: [0, 2], parameters: {weight: [1, 0]}}
            - {model: tuned, layer_range: [0, 2], parameters: {weight: [0, 1]}}
        - sources:
            - {model: base, layer_range: [2, 4], parameters: {weight: [1, 0]}}
            - {model: tuned, layer_range: [2, 4], parameters: {weight: [0, 1]}}
      """)
    let output = try SavedModel("out", in: workshop)
    for layer in 0..<4 {
      let name = "model.layers.\(layer).mlp.up_proj.weight"
      let origin = layer.isMultiple(of: 2) ? base : tuned
      expect(output[name], name, equals: origin.values(name))
    }
    #expect(try workshop.json("out/config.json")["num_hidden_layers"] as? Int == 4)
  }

  /// A language model with a vision tower in front of it.
  private func visionLanguage(_ seed: Int) -> TinyModel {
    var model = TinyModel()
    var shapes = [("language_model.model.embed_tokens.weight", [10, 8])]
    for layer in 0..<2 { shapes += TinyModel.layer("language_model.model.layers.\(layer)", 8) }
    shapes += [
      ("language_model.model.norm.weight", [8]), ("language_model.lm_head.weight", [10, 8]),
    ]
    for layer in 0..<2 {
      shapes.append(("vision_tower.vision_model.encoder.layers.\(layer).mlp.fc1.weight", [6, 4]))
    }
    shapes.append(("multi_modal_projector.linear_1.weight", [8, 4]))
    model.add(.f32, shapes, seed: seed)
    model.files["config.json"] = """
      {"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava",
       "text_config": {"num_hidden_layers": 2, "vocab_size": 10},
       "vision_config": {"num_hidden_layers": 2}, "torch_dtype": "float32"}
      """
    return model
  }

  @Test("The language part is merged by module; vision tower and projector stay as they are")
  func modules() async throws {
    let (a, b) = (visionLanguage(1), visionLanguage(1).tuned(2))
    try a.write("a", in: workshop)
    try b.write("b", in: workshop)
    let run = try await merge(
      """
      merge_method: linear
      base_model: a
      modules:
        text_decoder:
          models:
            - {model: a, parameters: {weight: 1}}
            - {model: b, parameters: {weight: 1}}
      """)
    #expect(run.errors.contains("modules that the recipe does not mention are taken from a"))
    let output = try SavedModel("out", in: workshop)
    #expect(output.names == a.names.sorted())
    for name in a.names {
      let merged = name.hasPrefix("language_model")
      let expected =
        merged ? Formulas.linear([a.values(name), b.values(name)], [1, 1]) : a.values(name)
      expect(output[name], name, equals: expected)
    }
  }

  @Test("A plain language model is merged into a vision-language model, whose other parts are kept")
  func languageIntoVision() async throws {
    let vision = visionLanguage(1)
    var text = TinyModel()
    for name in vision.names where name.hasPrefix("language_model.") {
      text[String(name.dropFirst("language_model.".count))] = vision[name]
    }
    text.files["config.json"] = TinyModel.llama().files["config.json"]
    let tuned = text.tuned(7)
    try vision.write("vision", in: workshop)
    try text.write("text", in: workshop)
    try tuned.write("tuned", in: workshop)
    _ = try await merge(
      """
      merge_method: task_arithmetic
      base_model: vision
      models: [{model: tuned, parameters: {weight: 0.5}}]
      keep: [{regex: "^(vision_tower|multi_modal_projector)"}]
      """)
    let output = try SavedModel("out", in: workshop)
    #expect(output.names == vision.names.sorted())
    for name in vision.names {
      let plain = String(name.dropFirst("language_model.".count))
      let expected =
        name.hasPrefix("language_model")
        ? Formulas.taskArithmetic(vision.values(name), [tuned.values(plain)], [0.5])
        : vision.values(name)
      expect(output[name], name, equals: expected)
    }
  }

  @Test("Several recipes in one file run in the order of their use")
  func stages() async throws {
    let base = TinyModel.llama(1)
    let models = ["a", "b", "c"].enumerated().map { ($1, base.tuned($0 + 2)) }
    for (name, model) in models { try model.write(name, in: workshop) }
    _ = try await merge(
      """
      merge_method: linear
      models: [{model: pair}, {model: c}]
      parameters: {weight: 1}
      ---
      name: pair
      merge_method: linear
      models: [{model: a}, {model: b}]
      parameters: {weight: 1}
      """, "--stages", "between")
    let stage = try SavedModel("between/pair", in: workshop)
    let output = try SavedModel("out", in: workshop)
    for name in base.names {
      let pair = Formulas.linear([models[0].1.values(name), models[1].1.values(name)], [1, 1])
      expect(stage[name], name, equals: pair)
      expect(
        output[name], name, equals: Formulas.linear([pair, models[2].1.values(name)], [1, 1]))
    }
  }

  @Test("Tied heads stay tied: the head is neither required nor written")
  func tiedHeads() async throws {
    let base = TinyModel.llama(1, tied: true)
    try base.write("base", in: workshop)
    try base.tuned(2).write("tuned", in: workshop)
    _ = try await merge(
      """
      merge_method: task_arithmetic
      base_model: base
      models: [{model: tuned}]
      parameters: {weight: 1}
      """)
    #expect(try SavedModel("out", in: workshop)["lm_head.weight"] == nil)
    #expect(try workshop.json("out/config.json")["tie_word_embeddings"] as? Bool == true)
  }

  @Test("A tied model and one with a head of its own make one with a head of its own")
  func mixedHeads() async throws {
    let tied = TinyModel.llama(1, tied: true)
    var untied = TinyModel.llama(1)
    untied["lm_head.weight"] = TinyModel.llama(9)["lm_head.weight"]
    try tied.write("tied", in: workshop)
    try untied.write("untied", in: workshop)
    let run = try await merge(
      "merge_method: linear\nmodels: [{model: tied}, {model: untied}]\nparameters: {weight: 1}\n")
    let output = try SavedModel("out", in: workshop)
    let head = Formulas.linear(
      [tied.values("model.embed_tokens.weight"), untied.values("lm_head.weight")], [1, 1])
    expect(output["lm_head.weight"], "lm_head.weight", equals: head)
    #expect(try workshop.json("out/config.json")["tie_word_embeddings"] as? Bool == false)
    #expect(run.errors.contains("the output's head is not tied"))
  }

  @Test("Missing tensors may be merged from those that have them, or left out, when asked for")
  func missingTensors() async throws {
    let (a, b) = (TinyModel.llama(1), TinyModel.llama(2))
    var partial = b
    partial["model.norm.weight"] = nil
    try a.write("a", in: workshop)
    try partial.write("b", in: workshop)
    let recipe =
      "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n"
    _ = try await merge(recipe, "--missing", "present")
    var output = try SavedModel("out", in: workshop)
    #expect(output["model.norm.weight"] == a["model.norm.weight"])
    _ = try await merge(recipe, "--missing", "drop", "--force")
    output = try SavedModel("out", in: workshop)
    #expect(output["model.norm.weight"] == nil)
    #expect(output.tensors.count == a.names.count - 1)
  }

  @Test("State dictionaries without any known structure are merged, too")
  func unknownArchitecture() async throws {
    var a = TinyModel()
    a.add(.f32, [("blobs.7.x", [3, 3]), ("weird/name", [5]), ("scalar", [])], seed: 1)
    let b = a.tuned(2)
    try workshop.write("a.safetensors", a.safetensors())
    try workshop.write("b.safetensors", b.safetensors())
    let run = try await workshop.tincture(
      "merge", "--method", "linear", "--model", "a.safetensors", "--model", "b.safetensors",
      "--set", "weight=1", "out.safetensors")
    expect(run, ends: 0)
    let output = try SavedModel("out.safetensors", in: workshop)
    for name in a.names {
      expect(
        output[name], name, equals: Formulas.linear([a.values(name), b.values(name)], [1, 1]))
    }
  }
}
