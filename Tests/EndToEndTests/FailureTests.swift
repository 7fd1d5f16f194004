import Foundation
import Testing

/// What a merge does that cannot work: it ends with a status and a message, and leaves nothing.
@Suite("Failing merges", .timeLimit(.minutes(25)))
struct FailureTests {
  let workshop: Workshop
  let base = TinyModel.llama(1)

  init() throws {
    workshop = try Workshop()
    try base.write("base", in: workshop)
    try base.tuned(2).write("a", in: workshop)
    try base.tuned(3).write("b", in: workshop)
  }

  /// Merges into `out`, which must fail, and checks that nothing is left.
  @discardableResult
  private func fail(
    _ recipe: String, _ options: String..., status: Int32, says fragments: [String],
    at place: SourceLocation = #_sourceLocation
  ) async throws -> ToolRun {
    try workshop.write("recipe.yaml", recipe)
    let before = try workshop.names()
    let run = try await workshop.start(["merge", "recipe.yaml", "out"] + options).end()
    expect(run, ends: status, at: place)
    #expect(run.output.isEmpty, sourceLocation: place)
    for fragment in fragments {
      #expect(run.errors.contains(fragment), "\(run.errors)", sourceLocation: place)
    }
    #expect(try workshop.names() == before, sourceLocation: place)
    return run
  }

  static let recipes: [(recipe: String, status: Int32, fragments: [String])] = [
    (
      "merge_method: teis\nmodels: [{model: a}]\n", 65,
      ["recipe.yaml:1:15", "There is no method \"teis\"", "did you mean ties?"]
    ),
    (
      """
      merge_method: ties
      base_model: base
      models: [{model: a}, {model: b}]
      parameters:
        weight: 1
        densty: 0.3
      """, 65,
      ["recipe.yaml:6:3", "no parameter \"densty\"", "did you mean density?", "densty: 0.3", "^"]
    ),
    (
      "merge_method: linear\nmodels: [{model: a}]\nparamters: {weight: 1}\n", 65,
      ["recipe.yaml:3:1", "Unknown key 'paramters'", "did you mean 'parameters'?"]
    ),
    (
      """
      merge_method: ties
      base_model: base
      models: [{model: a}, {model: b}]
      parameters: {density: 30, weight: 1}
      """, 65, ["recipe.yaml:4", "density must be between 0 and 1, not 30"]
    ),
    (
      """
      merge_method: ties
      base_model: base
      models: [{model: a}, {model: b}]
      parameters: {density: [0.1, 1.5], weight: high}
      """, 65,
      ["2 things are wrong", "not 1.5", "weight must be a number, not \"high\""]
    ),
    (
      "merge_method: ties\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n", 65,
      ["recipe.yaml:1", "ties needs a base; add base_model:"]
    ),
    (
      "merge_method: linear\nmodels: [{model: a}, {model: b}]\n", 65, ["linear needs weight for a"]
    ),
    (
      "merge_method: linear\nmodels: [{model: a}, {model: a}]\nparameters: {weight: 1}\n", 65,
      ["'a' is given twice"]
    ),
    (
      "merge_method: linear\nmodels: [{model: a}, {model: ./gone}, {model: ./lost}]\n"
        + "parameters: {weight: 1}\n", 66, ["2 things are wrong", "./gone", "./lost"]
    ),
    (
      "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: 1}\ndtype: bfloat61\n", 65,
      ["recipe.yaml:4:8", "Unknown dtype 'bfloat61'", "did you mean 'bfloat16'?"]
    ),
    (
      "merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 9]}]\n", 65,
      ["recipe.yaml:3", "layer_range ends at 9, but a has 2 layers"]
    ),
    (
      """
      merge_method: linear
      parameters: {weight: 1}
      slices:
        - sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 1]}]
      """, 65, ["recipe.yaml:4", "All sources of a slice need as many layers"]
    ),
    (
      "merge_method: slerp\nbase_model: base\nparameters: {t: 0.5}\n"
        + "models: [{model: a}, {model: b}]\n", 65,
      ["slerp merges exactly 1 model", "but 2 are given"]
    ),
    (
      "merge_method: linear\nbase_model: a\nmodules:\n  vision_tower: {models: [{model: a}]}\n", 65,
      ["recipe.yaml:4", "a has no module \"vision_tower\"; it has default"]
    ),
    (
      "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: [1, -1]}\n"
        + "keep: [{regex: \"a(\"}]\n", 65,
      ["recipe.yaml:4", "The regular expression \"a(\" is malformed"]
    ),
    ("merge_method: [linear\n", 65, ["recipe.yaml"]),
    ("", 65, ["recipe.yaml"]),
  ]

  @Test("A wrong recipe is refused with the place and advice", arguments: recipes.indices)
  func wrongRecipe(index: Int) async throws {
    let wrong = Self.recipes[index]
    try await fail(wrong.recipe, status: wrong.status, says: wrong.fragments)
  }

  private let average =
    "merge_method: linear\nmodels: [{model: a}, {model: c}]\nparameters: {weight: 1}\n"

  @Test("A file that is cut short is refused before anything is read")
  func truncated() async throws {
    try base.write("c", in: workshop)
    let bytes = try Data(contentsOf: workshop.url("c/model.safetensors"))
    try workshop.write("c/model.safetensors", bytes.dropLast(100))
    try await fail(average, status: 65, says: ["model.safetensors", "model c"])
  }

  @Test("All missing tensors are listed at once, with both ways out")
  func missingTensors() async throws {
    var partial = base
    let lost = ["model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.down_proj.weight"]
    for name in lost { partial[name] = nil }
    try partial.write("c", in: workshop)
    try await fail(
      average, status: 65, says: ["2 things are wrong", "model c", "keep:", "--missing"] + lost)
  }

  @Test("All tensors of other shapes are listed at once")
  func shapes() async throws {
    var other = base
    for name in ["model.norm.weight", "model.layers.1.input_layernorm.weight"] {
      other[name] = TinyTensor(.f32, [4], [1, 2, 3, 4])
    }
    try other.write("c", in: workshop)
    try await fail(
      average, status: 65,
      says: ["2 things are wrong", "model.norm.weight", "layers.1.input_layernorm", "[4]", "[8]"])
  }

  @Test("Vocabularies of different size are explained")
  func vocabulary() async throws {
    try TinyModel.llama(1, vocabulary: 12).write("c", in: workshop)
    try await fail(
      average, status: 65,
      says: ["model.embed_tokens.weight", "[12, 8]", "[10, 8]", "tokenizer: {source: union}"])
  }

  @Test("Cutting embeddings to the shortest has to be asked for")
  func truncatedEmbeddings() async throws {
    try TinyModel.llama(1, vocabulary: 12).write("c", in: workshop)
    try workshop.write("recipe.yaml", average)
    let run = try await workshop.tincture("merge", "recipe.yaml", "out", "--truncate-embeddings")
    expect(run, ends: 0)
    #expect(run.errors.contains("cut to 10 rows"))
    #expect(try SavedModel("out", in: workshop)["lm_head.weight"]?.shape == [10, 8])
  }

  @Test("NaN in an input is an error with its place, unless asked otherwise")
  func nonFinite() async throws {
    var broken = base.tuned(4)
    let name = "model.layers.0.mlp.up_proj.weight"
    broken[name]?.values[5] = .nan
    try broken.write("c", in: workshop)
    let recipe =
      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}, {model: c}]\n"
      + "parameters: {weight: 1}\n"
    try await fail(
      recipe, status: 65, says: ["model c", name, "Element 5 is nan", "--non-finite"])
    let run = try await workshop.tincture("merge", "recipe.yaml", "out", "--non-finite", "base")
    expect(run, ends: 0)
    let values = try #require(try SavedModel("out", in: workshop)[name]?.values)
    #expect(values.allSatisfy { $0.isFinite })
    expect(
      try await workshop.tincture(
        "merge", "recipe.yaml", "out", "--non-finite", "propagate", "--force"), ends: 0)
    let spread = try #require(try SavedModel("out", in: workshop)[name]?.values)
    #expect(spread.indices.filter { spread[$0].isNaN } == [5])
  }

  @Test("An output that exists is not touched without --force")
  func outputExists() async throws {
    try workshop.write("out/model.safetensors", "precious")
    try workshop.write(
      "recipe.yaml", "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: 1}\n")
    let run = try await workshop.tincture("merge", "recipe.yaml", "out")
    expect(run, ends: 73)
    #expect(run.errors.contains("--force"))
    #expect(try workshop.names("out") == ["model.safetensors"])
    #expect(try workshop.text("out/model.safetensors") == "precious")
  }

  @Test("A repository is not replaced even with --force")
  func outputIsRepository() async throws {
    try workshop.write("out/.git/HEAD", "ref")
    try workshop.write(
      "recipe.yaml", "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: 1}\n")
    let run = try await workshop.tincture("merge", "recipe.yaml", "out", "--force")
    expect(run, ends: 73)
    #expect(try workshop.names("out") == [".git"])
  }

  @Test(
    "What holds an input is not replaced even with --force",
    arguments: ["a", "link", "folder", "folder/c", "c.safetensors"])
  func outputIsInput(output: String) async throws {
    try base.write("folder/c", in: workshop)
    try workshop.write("c.safetensors", base.safetensors())
    try FileManager.default.createSymbolicLink(
      at: workshop.url("link"), withDestinationURL: workshop.url("a"))
    try workshop.write(
      "recipe.yaml",
      "merge_method: linear\nmodels: [{model: a}, {model: folder/c}, {model: c.safetensors}]\n"
        + "parameters: {weight: 1}\n")
    let run = try await workshop.tincture("merge", "recipe.yaml", output, "--force")
    expect(run, ends: 73)
    #expect(run.errors.contains("The output holds the input"))
    for folder in ["a", "folder/c"] {
      #expect(try SavedModel(folder, in: workshop).names == base.names.sorted())
    }
    #expect(try SavedModel("c.safetensors", in: workshop).names == base.names.sorted())
  }

  @Test("What is wrong with a later recipe or the output is found before the first recipe runs")
  func laterRecipe() async throws {
    func recipe(_ last: String) -> String {
      """
      name: pair
      merge_method: linear
      models: [{model: a}, {model: b}]
      parameters: {weight: 1}
      ---
      merge_method: ties
      base_model: base
      models: [{model: pair}]
      parameters: {weight: 1\(last)}
      """
    }
    try await fail(
      recipe(", densty: 0.3"), status: 65, says: ["recipe.yaml:9", "did you mean density?"])
    try workshop.write("out/precious", "")
    try await fail(recipe(""), status: 73, says: ["--force"])
  }

  @Test("An output below a file cannot be made")
  func parentIsFile() async throws {
    try workshop.write(
      "recipe.yaml", "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: 1}\n")
    let run = try await workshop.tincture("merge", "recipe.yaml", "recipe.yaml/out")
    expect(run, ends: 73)
    #expect(run.errors.contains("recipe.yaml"))
  }

  @Test("An output in a folder that may not be written to cannot be made")
  func unwritable() async throws {
    try workshop.write(
      "recipe.yaml", "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: 1}\n")
    // The superuser may write anywhere but into the list of processes.
    let parent =
      FileManager.default.fileExists(atPath: "/proc/self") ? "/proc/tincture" : "/tincture"
    let run = try await workshop.tincture("merge", "recipe.yaml", parent)
    expect(run, ends: 73)
    #expect(run.errors.contains(parent.dropLast("/tincture".count)))
  }

  @Test("A merge whose files outgrow the limit of the system fails cleanly")
  func fileSizeLimit() async throws {
    let large = TinyModel.llama(1, vocabulary: 600)
    try large.write("large", in: workshop)
    try workshop.write(
      "recipe.yaml", "merge_method: linear\nmodels: [{model: large}]\nparameters: {weight: 1}\n")
    let before = try workshop.names()
    let run = try await workshop.shell("ulimit -f 8; exec \"$TINCTURE\" merge recipe.yaml out")
    expect(run, ends: 74)
    #expect(run.errors.contains("model.safetensors"), "\(run.errors)")
    #expect(try workshop.names() == before)
  }

  @Test("An adapter for other weights does not fit and says which")
  func foreignAdapter() async throws {
    var adapter = TinyModel()
    let stem = "base_model.model.model.layers.7.self_attn.q_proj"
    adapter.add(
      .f32, [("\(stem).lora_A.weight", [2, 8]), ("\(stem).lora_B.weight", [8, 2])], seed: 5)
    try workshop.write(
      "adapter/adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 2}")
    try workshop.write("adapter/adapter_model.safetensors", adapter.safetensors())
    try await fail(
      "merge_method: linear\nmodels: [{model: a+adapter}]\nparameters: {weight: 1}\n", status: 65,
      says: ["changes 1 tensors that the model does not have", "layers.7.self_attn.q_proj.weight"])
  }

  @Test("An adapter of another width does not fit and says how wide both are")
  func wideAdapter() async throws {
    var adapter = TinyModel()
    let stem = "base_model.model.model.layers.1.self_attn.q_proj"
    adapter.add(
      .f32, [("\(stem).lora_A.weight", [2, 16]), ("\(stem).lora_B.weight", [16, 2])], seed: 5)
    try workshop.write(
      "adapter/adapter_config.json", "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 2}")
    try workshop.write("adapter/adapter_model.safetensors", adapter.safetensors())
    try await fail(
      "merge_method: linear\nmodels: [{model: a+adapter}]\nparameters: {weight: 1}\n", status: 65,
      says: ["[16, 2] and [2, 16] do not fit the weight [8, 8]"])
  }

  @Test("A PyTorch file that would run code is refused, and the code is not run")
  func forbiddenPickle() async throws {
    let call = "cposix\nsystem\n"
    let script = PyTorchArchive.text("touch \(workshop.url("ran").path)")
    let pickle = Data([0x80, 2]) + Data(call.utf8) + script + Data([0x85]) + Data("R.".utf8)
    try workshop.write("c/pytorch_model.bin", PyTorchArchive(pickle: pickle).bytes)
    try await fail(average, status: 65, says: ["posix.system", "pytorch_model.bin"])
    #expect(!workshop.exists("ran"))
  }

  @Test("A recipe that is not there is a missing input")
  func missingRecipe() async throws {
    let run = try await workshop.tincture("merge", "gone.yaml", "out")
    expect(run, ends: 66)
    #expect(run.errors.contains("gone.yaml"))
    #expect(!workshop.exists("out"))
  }

  @Test("A failing merge with --quiet still says why")
  func quiet() async throws {
    try await fail(
      "merge_method: linear\nmodels: [{model: gone/model}]\nparameters: {weight: 1}\n", "--quiet",
      status: 66, says: ["error:", "gone/model"])
  }

  @Test("Without BLAS planning a spectral method fails, and nothing else does")
  func withoutLinearAlgebra() async throws {
    try workshop.write(
      "recipe.yaml", "merge_method: iso_c\nbase_model: base\nmodels: [{model: a}, {model: b}]\n")
    let without = ["TINCTURE_BLAS": "/nowhere/libblas.so"]
    for command in [["plan", "recipe.yaml"], ["merge", "recipe.yaml", "out"]] {
      let run = try await workshop.start(command, environment: without).end()
      expect(run, ends: 69)
      #expect(run.errors.contains("linear algebra") && run.errors.contains("libopenblas0"))
    }
    #expect(try !workshop.names().contains("out"))
    try workshop.write(
      "recipe.yaml",
      "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n")
    let other = try await workshop.start(["plan", "recipe.yaml"], environment: without).end()
    expect(other, ends: 0)
  }
}
