import Foundation
import Testing

@Suite("Merges of whole models", .timeLimit(.minutes(25)))
struct ModelMergeTests {
  let workshop: Workshop
  let base = TinyModel.llama(1)
  let a: TinyModel
  let b: TinyModel

  init() throws {
    workshop = try Workshop()
    a = base.tuned(2)
    b = base.tuned(3)
    try base.write("base", in: workshop)
    try a.write("a", in: workshop)
    try b.write("b", in: workshop)
  }

  /// Carries a recipe out and reads what it made.
  private func merge(_ recipe: String, _ options: String...) async throws -> SavedModel {
    try workshop.write("recipe.yaml", recipe)
    let run = try await workshop.start(["merge", "recipe.yaml", "out"] + options).end()
    expect(run, ends: 0)
    return try SavedModel("out", in: workshop)
  }

  @Test("Each method makes what its formula says")
  func formulas() async throws {
    let models =
      "models: [{model: a, parameters: {weight: 0.75}}, {model: b, parameters: {weight: 0.5}}]"
    typealias Formula = (String) -> [Float]
    let values = { (name: String) in [a.values(name), b.values(name)] }
    let cases: [(String, Formula)] = [
      ("merge_method: linear", { Formulas.linear(values($0), [0.75, 0.5]) }),
      (
        "merge_method: linear\nparameters: {normalize: false}",
        { Formulas.linear(values($0), [0.75, 0.5], normalize: false) }
      ),
      (
        "merge_method: task_arithmetic\nbase_model: base\nparameters: {lambda: 0.5}",
        { Formulas.taskArithmetic(base.values($0), values($0), [0.75, 0.5], scale: 0.5) }
      ),
      (
        "merge_method: ties\nbase_model: base\nparameters: {density: 0.4}",
        { Formulas.ties(base.values($0), values($0), [0.75, 0.5], density: 0.4) }
      ),
    ]
    for (recipe, formula) in cases {
      let output = try await merge("\(recipe)\n\(models)\n", "--force")
      #expect(output.names == base.names.sorted())
      for name in base.names { expect(output[name], name, equals: formula(name)) }
    }
  }

  @Test("The output is a complete model directory")
  func files() async throws {
    try workshop.write("a/LICENSE", "free\n")
    try workshop.write("a/notes.txt", "private\n")
    let recipe = """
      # who made this
      merge_method: linear
      models:
        - model: a
          parameters: {weight: 1}
        - model: b
          parameters: {weight: 3}

      """
    _ = try await merge(recipe)
    #expect(
      try workshop.names("out") == [
        "LICENSE", "README.md", "config.json", "generation_config.json", "merge_recipe.yaml",
        "merge_state.json", "model.safetensors",
      ])
    #expect(try workshop.text("out/merge_recipe.yaml") == recipe)
    #expect(try workshop.text("out/generation_config.json") == a.files["generation_config.json"])
    let card = try workshop.text("out/README.md")
    #expect(card.hasPrefix("---\n"))
    for part in ["library_name: transformers", "- merge", "Linear", "`a`", "`b`", recipe] {
      #expect(card.contains(part), "the card lacks \(part)")
    }
    let configuration = try workshop.json("out/config.json")
    #expect(configuration["torch_dtype"] as? String == "float32")
    #expect(configuration["num_hidden_layers"] as? Int == 2)
    #expect(try SavedModel("out", in: workshop).metadata == ["format": "pt"])
  }

  @Test("Configuration and tokenizer come from the base, else the first model, every time")
  func donor() async throws {
    for folder in ["base", "a", "b"] {
      try workshop.write("\(folder)/generation_config.json", "{\"from\": \"\(folder)\"}")
    }
    let models = "models: [{model: a}, {model: b}]\nparameters: {weight: 1}\n"
    _ = try await merge("merge_method: linear\n" + models)
    #expect(try workshop.json("out/generation_config.json")["from"] as? String == "a")
    _ = try await merge("merge_method: task_arithmetic\nbase_model: base\n" + models, "--force")
    #expect(try workshop.json("out/generation_config.json")["from"] as? String == "base")
  }

  @Test("A base listed among the models counts as the base only")
  func listedBase() async throws {
    let ties = "merge_method: ties\nbase_model: base\nparameters: {density: 0.5, weight: 1}\n"
    _ = try await merge(ties + "models: [{model: a}, {model: b}]\n")
    let without = try workshop.bytes("out")["model.safetensors"]
    _ = try await merge(ties + "models: [{model: base}, {model: a}, {model: b}]\n", "--force")
    #expect(try workshop.bytes("out")["model.safetensors"] == without)
  }

  @Test("A gradient runs over the layers, a filter chooses tensors, the first match wins")
  func gradientsAndFilters() async throws {
    let deep = TinyModel.llama(1, layers: 3)
    let other = deep.tuned(2)
    try deep.write("deep", in: workshop)
    try other.write("other", in: workshop)
    let output = try await merge(
      """
      merge_method: task_arithmetic
      base_model: deep
      models:
        - model: other
          parameters:
            weight:
              - filter: mlp
                value: [0, 1]
              - regex: "self_attn\\\\.q"
                layers: [1, 3]
                value: 0.25
              - value: 0.5
      """)
    for name in deep.names {
      let weight: Float =
        switch name {
        case let name where name.contains("layers.0.mlp"): 0
        case let name where name.contains("layers.1.mlp"): 0.5
        case let name where name.contains("layers.2.mlp"): 1
        case let name where name.contains("q_proj") && !name.contains("layers.0"): 0.25
        default: 0.5
        }
      let expected = Formulas.taskArithmetic(deep.values(name), [other.values(name)], [weight])
      expect(output[name], name, equals: expected)
    }
  }

  @Test("Keep rules take tensors from one model, by pattern and by layer")
  func keepRules() async throws {
    let output = try await merge(
      """
      merge_method: linear
      models: [{model: a}, {model: b}]
      parameters: {weight: 1}
      keep:
        - regex: "^lm_head|norm"
          model: b
        - layers: 1
      """)
    for name in base.names {
      let expected: [Float] =
        if name.hasPrefix("lm_head") || name.contains("norm") {
          b.values(name)
        } else if name.contains("layers.1.") {
          a.values(name)
        } else {
          Formulas.linear([a.values(name), b.values(name)], [1, 1])
        }
      expect(output[name], name, equals: expected)
    }
  }

  @Test(
    "The output has the type asked for, in the file and in its configuration",
    arguments: TinyTensor.Element.allCases.filter { $0 != .i64 },
    TinyTensor.Element.allCases.filter { $0 != .i64 })
  func types(stored: TinyTensor.Element, written: TinyTensor.Element) async throws {
    let names: [TinyTensor.Element: String] = [
      .f32: "float32", .f16: "float16", .bf16: "bfloat16",
    ]
    let base = TinyModel.llama(4, stored)
    let tuned = base.tuned(5)
    try base.write("stored", in: workshop)
    try tuned.write("tuned", in: workshop)
    let wanted = try #require(names[written])
    let output = try await merge(
      """
      merge_method: task_arithmetic
      base_model: stored
      models: [{model: tuned, parameters: {weight: 0.6}}]
      out_dtype: \(wanted)
      """)
    #expect(try workshop.json("out/config.json")["torch_dtype"] as? String == wanted)
    for name in base.names {
      #expect(output[name]?.element == written)
      let expected = Formulas.taskArithmetic(base.values(name), [tuned.values(name)], [0.6])
      expect(output[name], name, equals: expected)
    }
  }

  @Test("Without a type in the recipe the output keeps the type of the inputs")
  func keepsType() async throws {
    let base = TinyModel.llama(4, .bf16)
    try base.write("small", in: workshop)
    try base.tuned(5).write("tuned", in: workshop)
    let output = try await merge(
      "merge_method: linear\nmodels: [{model: small}, {model: tuned}]\nparameters: {weight: 1}\n")
    #expect(output.tensors.values.allSatisfy { $0.element == .bf16 })
    #expect(try workshop.json("out/config.json")["torch_dtype"] as? String == "bfloat16")
  }

  @Test("dtype rounds the inputs first, out_dtype the result alone")
  func arithmeticType() async throws {
    let output = try await merge(
      """
      merge_method: linear
      models: [{model: a}, {model: b}]
      parameters: {weight: 1}
      dtype: bfloat16
      out_dtype: float32
      """)
    for name in base.names {
      let rounded = [a, b].map { $0.values(name).map { TinyTensor.rounded($0, to: .bf16) } }
      #expect(output[name]?.element == .f32)
      expect(output[name], name, equals: Formulas.linear(rounded, [1, 1]))
    }
  }

  @Test("Options in place of a recipe give the same bytes")
  func withoutRecipe() async throws {
    _ = try await merge(
      """
      merge_method: ties
      base_model: base
      models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 0.5}}]
      parameters: {density: 0.3}
      """)
    let run = try await workshop.tincture(
      "merge", "--method", "ties", "--base", "base", "--model", "a", "--model", "b", "--set",
      "density=0.3", "--set", "weight=1,0.5", "other")
    expect(run, ends: 0)
    #expect(
      try workshop.bytes("other")["model.safetensors"]
        == workshop.bytes("out")["model.safetensors"])
    #expect(try workshop.text("other/merge_recipe.yaml").contains("density=0.3"))
  }

  @Test("Paths of a recipe are also looked for beside it")
  func besideRecipe() async throws {
    try a.write("set/one", in: workshop)
    try b.write("set/two", in: workshop)
    try workshop.write(
      "set/recipe.yaml",
      "merge_method: linear\nmodels: [{model: one}, {model: two}]\nparameters: {weight: 1}\n")
    expect(try await workshop.tincture("merge", "set/recipe.yaml", "out"), ends: 0)
    #expect(try SavedModel("out", in: workshop).names == base.names.sorted())
  }

  @Test("A model equal to the base and a model unlike it are remarked")
  func evidence() async throws {
    try base.write("copy", in: workshop)
    try TinyModel.llama(99).write("stranger", in: workshop)
    try workshop.write(
      "recipe.yaml",
      """
      merge_method: task_arithmetic
      base_model: base
      models: [{model: a}, {model: copy}, {model: stranger}]
      parameters: {weight: 1}
      """)
    let run = try await workshop.tincture("merge", "recipe.yaml", "out")
    expect(run, ends: 0)
    #expect(run.errors.contains("copy equals the base"))
    #expect(run.errors.contains("stranger does not look tuned from the base"))
    #expect(!run.errors.contains("note: a "))
  }

  @Test("Integer tensors are copied, and a difference is remarked")
  func integers() async throws {
    for (folder, last) in [("x", 3), ("y", 4)] {
      var model = folder == "x" ? a : b
      model["model.positions"] = TinyTensor(.i64, [3], [1, 2, Float(last)])
      try model.write(folder, in: workshop)
    }
    try workshop.write(
      "recipe.yaml",
      "merge_method: linear\nmodels: [{model: x}, {model: y}]\nparameters: {weight: 1}\n")
    let run = try await workshop.tincture("merge", "recipe.yaml", "out")
    expect(run, ends: 0)
    let output = try SavedModel("out", in: workshop)
    #expect(output["model.positions"] == TinyTensor(.i64, [3], [1, 2, 3]))
    #expect(run.errors.contains("model.positions holds I64 and differs in y"))
  }

  @Test("Random methods depend on the seed and nothing else")
  func seeds() async throws {
    func recipe(_ seed: Int) -> String {
      """
      merge_method: dare_linear
      base_model: base
      models: [{model: a}, {model: b}]
      parameters: {weight: 1, density: 0.5}
      seed: \(seed)
      """
    }
    var outputs: [[String: TinyTensor]] = []
    for seed in [7, 7, 8] { outputs.append(try await merge(recipe(seed), "--force").tensors) }
    outputs.append(try await merge(recipe(7), "--force", "--seed", "8").tensors)
    #expect(outputs[0] == outputs[1])
    #expect(outputs[1] != outputs[2])
    #expect(outputs[2] == outputs[3])
  }
}
