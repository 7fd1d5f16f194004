import SystemPackage
import Testing
import TinctureEvaluation
import TinctureMetrics
import TinctureNetworks
import TinctureTensors

@Suite("Suites")
struct SuiteTests {
  private func parse(_ text: String) throws -> EvaluationSuite {
    try EvaluationSuite(parsing: text, file: "folder/suite.yaml")
  }

  private let network = """
    network: {kind: vision_transformer, image_size: 8, patch_size: 4, hidden_size: 8,
      num_attention_heads: 2, num_hidden_layers: 1}

    """
  private let defaults = """
    defaults:
      data: {file: "{task}.safetensors"}
      head: {file: heads.safetensors, weight: "{task}.weight"}
      expert: experts/{task}

    """

  @Test("Defaults hold for every task, with its name filled in, unless the task says otherwise")
  func defaultsOfTasks() throws {
    let suite = try parse(
      network + defaults + """
        tasks:
          - one
          - {name: two, metric: f1, positive_label: 3, data: {file: x, inputs: a, targets: b}}
        """)
    #expect(suite.name == "suite")
    #expect(suite.batchSize == 128)
    #expect(suite.tasks.map(\.name) == ["one", "two"])
    #expect(suite.tasks[0].data.file == "one.safetensors")
    #expect(suite.tasks[0].data.inputs == "images")
    #expect(suite.tasks[0].head?.weight == "one.weight")
    #expect(suite.tasks[0].head?.bias == nil)
    #expect(suite.tasks[0].metric == "accuracy")
    #expect(suite.tasks[0].expert == "experts/one")
    #expect(suite.tasks[1].data.inputs == "a")
    #expect(suite.tasks[1].metric == "f1")
    #expect(suite.tasks[1].settings.positiveLabel == 3)
    #expect((suite.network as? VisionTransformer)?.width == 8)
  }

  @Test(
    "Every fault is reported with its line",
    arguments: [
      ("networks: {}\ntasks: [a]", 1, "did you mean 'network'?"),
      ("network: {kind: vit}\ntasks: [a]", 1, "'kind' is one of 'vision_transformer'"),
      ("network: {model_type: vit}\ntasks: [a]", 1, "model_type"),
      ("network: 3\ntasks: [a]", 1, "must be a mapping"),
      ("network: {kind: vision_transformer, hidden_size: 0}\ntasks: [a]", 1, "above zero"),
      ("network: {config: none.json}\ntasks: [a]", 1, "No such file"),
      ("NETWORK\ntasks: []", 2, "empty list"),
      ("NETWORK\ntasks: [a]", 2, "needs 'data'"),
      ("NETWORK\ninput: {std: 0}\ntasks: [a]", 2, "one positive number"),
      ("NETWORK\ninput: {mean: [1, 2]}\ntasks: [a]", 2, "one a channel"),
      ("NETWORK\ninput: {preprocess: clap}\ntasks: [a]", 2, "'clip', 'imagenet'"),
      ("NETWORK\ninput: {preprocess: clip, range: 1}\ntasks: [a]", 2, "remove 'range'"),
      ("NETWORK\ntasks: [{name: a, data: {file: x, format: zip}}]", 2, "'format' is one of"),
    ])
  func faults(text: String, line: Int, message: String) throws {
    let network = self.network.replacing("\n", with: " ")
    let error = #expect(throws: TinctureError.self) {
      try parse(text.replacing("NETWORK", with: network))
    }
    let all = [error].compactMap(\.self) + (error?.causes ?? [])
    #expect(all.contains { $0.message.contains(message) && $0.place.line == line }, "\(all)")
    #expect(error?.code == .recipe)
  }

  @Test(
    "Metrics, models and references are checked",
    arguments: [
      ("tasks: [{name: a, metric: acuracy}]", "no metric"),
      ("tasks: [a, a]", "two tasks 'a'"),
      (
        "tasks: [a]\nmodels: [{name: x}]", "one of 'model', 'recipe', 'recipes', 'experts', 'codec'"
      ),
      ("tasks: [a]\nmodels: [{model: x, reference: {b: 1}}]", "Unknown key 'b'"),
      ("tasks: [a]\nmodels: [{model: x, reference: {a: high}}]", "'a' must be a number"),
      ("tasks: [a]\nmodels: [{recipes: recipes/one.yaml}]", "a folder and '*.yaml'"),
    ])
  func checks(text: String, message: String) throws {
    let error = #expect(throws: TinctureError.self) { try parse(network + defaults + text) }
    let all = [error].compactMap(\.self) + (error?.causes ?? [])
    #expect(all.contains { $0.message.contains(message) }, "\(all)")
  }

  @Test("A suite that is not there, not text or not one document is refused")
  func unreadable() throws {
    let missing = #expect(throws: TinctureError.self) {
      try EvaluationSuite(reading: "/nowhere/suite.yaml")
    }
    #expect(missing?.code == .missingInput)
    #expect(throws: TinctureError.self) { try parse("") }
    #expect(throws: TinctureError.self) { try parse("a: 1\n---\nb: 2\n") }
  }
}
