import Foundation
import Testing

@Suite("Merges of different vocabularies", .timeLimit(.minutes(25)))
struct TokenizerTests {
  let workshop: Workshop
  /// The base knows five tokens, the other model six, in another order.
  private let tokens = [
    "base": ["a", "b", "c", "d", "<s>"], "other": ["d", "<s>", "x", "a", "b", "y"],
  ]
  private var models: [String: TinyModel] = [:]

  init() throws {
    workshop = try Workshop()
    for (folder, tokens) in tokens {
      // One row more than tokens: padding, as some models have.
      var model = TinyModel.llama(folder == "base" ? 1 : 2, vocabulary: tokens.count + 1)
      model.files["tokenizer.json"] = Self.tokenizer(tokens)
      model.files["tokenizer_config.json"] =
        "{\"tokenizer_class\": \"PreTrainedTokenizerFast\", \"bos_token\": \"<s>\"}"
      try model.write(folder, in: workshop)
      models[folder] = model
    }
  }

  private static func tokenizer(_ tokens: [String]) -> String {
    let entries = tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    let special = tokens.firstIndex(of: "<s>") ?? 0
    return """
      {"version": "1.0", "truncation": null, "padding": null,
       "added_tokens": [{"id": \(special), "content": "<s>", "single_word": false, "lstrip": false,
         "rstrip": false, "normalized": false, "special": true}],
       "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
       "model": {"type": "BPE", "dropout": null, "unk_token": null,
         "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
         "byte_fallback": false, "vocab": {\(entries)}, "merges": []}}
      """
  }

  /// Merges by `linear` with equal weights and gives the output with its vocabulary.
  private func merge(_ tokenizer: String) async throws -> (SavedModel, [String: Int]) {
    try workshop.write(
      "recipe.yaml",
      """
      merge_method: linear
      base_model: base
      models: [{model: base}, {model: other}]
      parameters: {weight: 1}
      \(tokenizer)
      """)
    expect(try await workshop.tincture("merge", "recipe.yaml", "out"), ends: 0)
    let document = try workshop.json("out/tokenizer.json")
    var vocabulary = try #require((document["model"] as? [String: Any])?["vocab"] as? [String: Int])
    for token in document["added_tokens"] as? [[String: Any]] ?? [] {
      if let text = token["content"] as? String { vocabulary[text] = token["id"] as? Int }
    }
    return (try SavedModel("out", in: workshop), vocabulary)
  }

  private func row(_ values: [Float], _ index: Int) -> [Float] {
    Array(values[index * 8..<index * 8 + 8])
  }

  private func row(_ token: String, of model: String, _ tensor: String) -> [Float]? {
    guard let index = tokens[model]?.firstIndex(of: token), let model = models[model] else {
      return nil
    }
    return row(model.values(tensor), index)
  }

  /// The row of a token: the mean where both models have it, else the row of the one that has it.
  private func merged(_ token: String, _ tensor: String) -> [Float] {
    let rows = ["base", "other"].compactMap { row(token, of: $0, tensor) }
    return Formulas.linear(rows, rows.map { _ in 1 })
  }

  private let tables = ["model.embed_tokens.weight", "lm_head.weight"]

  @Test("A union holds every token once, each with the rows that belong to it")
  func union() async throws {
    let (output, vocabulary) = try await merge("tokenizer_source: union")
    #expect(vocabulary.keys.sorted() == ["<s>", "a", "b", "c", "d", "x", "y"])
    #expect(Set(vocabulary.values) == Set(0..<7))
    for (index, token) in ["a", "b", "c", "d", "<s>"].enumerated() {
      #expect(vocabulary[token] == index, "the ids of the base stay")
    }
    for table in tables {
      let tensor = try #require(output[table])
      #expect(tensor.shape == [7, 8])
      for (token, index) in vocabulary {
        let own = TinyTensor(.f32, [8], row(tensor.values, index))
        expect(own, "\(table) \(token)", equals: merged(token, table))
      }
    }
    #expect(try workshop.json("out/config.json")["vocab_size"] as? Int == 7)
    #expect(try workshop.text("out/tokenizer_config.json").contains("<s>"))
  }

  @Test("The vocabulary of the base brings the other model's rows into its order")
  func base() async throws {
    let (output, vocabulary) = try await merge("tokenizer: {source: base}")
    #expect(vocabulary.count == 5)
    for table in tables {
      let tensor = try #require(output[table])
      #expect(tensor.shape == [5, 8])
      for (token, index) in vocabulary {
        let own = TinyTensor(.f32, [8], row(tensor.values, index))
        expect(own, "\(table) \(token)", equals: merged(token, table))
      }
    }
  }

  @Test("Rules for tokens and padding change single rows")
  func rules() async throws {
    let (output, vocabulary) = try await merge(
      """
      tokenizer:
        source: union
        pad_to_multiple_of: 8
        tokens:
          x: {source: {kind: zero}, force: true}
          c: {source: {kind: model_token, model: other, token: y}}
          a: {source: base, force: true}
      """)
    let table = "model.embed_tokens.weight"
    let tensor = try #require(output[table])
    #expect(tensor.shape == [8, 8])
    #expect(try workshop.json("out/config.json")["vocab_size"] as? Int == 8)
    func expect(_ token: String, _ wanted: [Float]) throws {
      let index = try #require(vocabulary[token])
      EndToEndTests.expect(
        TinyTensor(.f32, [8], row(tensor.values, index)), token, equals: wanted)
    }
    try expect("x", [Float](repeating: 0, count: 8))
    let a = try #require(row("a", of: "base", table))
    try expect("a", a)
    try expect("y", merged("y", table))
    let c = try #require(row("c", of: "base", table))
    let y = try #require(row("y", of: "other", table))
    try expect("c", Formulas.linear([c, y], [1, 1]))
    // Rows that belong to no token are the mean of the others.
    let rows = (0..<7).map { row(tensor.values, $0) }
    EndToEndTests.expect(
      TinyTensor(.f32, [8], row(tensor.values, 7)), "padding",
      equals: Formulas.linear(rows, rows.map { _ in 1 }))
  }

  @Test("Without a word about tokenizers padded rows are kept and the tokenizer is copied")
  func untouched() async throws {
    let base = try #require(models["base"])
    try base.tuned(3).write("tuned", in: workshop)
    let run = try await workshop.tincture(
      "merge", "--method", "linear", "--model", "base", "--model", "tuned", "--set", "weight=1",
      "out")
    expect(run, ends: 0)
    #expect(try SavedModel("out", in: workshop)["lm_head.weight"]?.shape == [6, 8])
    #expect(try workshop.text("out/tokenizer.json") == base.files["tokenizer.json"])
  }

  @Test("A chat template is written into the tokenizer's configuration")
  func chatTemplate() async throws {
    _ = try await merge("tokenizer_source: base\nchat_template: chatml")
    let template = try workshop.json("out/tokenizer_config.json")["chat_template"] as? String
    #expect(template?.contains("<|im_start|>") == true)
  }

  @Test("A rule for a token that its model does not have is an error")
  func wrongRule() async throws {
    try workshop.write(
      "recipe.yaml",
      """
      merge_method: linear
      base_model: base
      models: [{model: base}, {model: other}]
      parameters: {weight: 1}
      tokenizer: {source: union, tokens: {a: {source: {kind: model_token, model: base, token: y}}}}
      """)
    let run = try await workshop.tincture("merge", "recipe.yaml", "out")
    expect(run, ends: 65)
    #expect(run.errors.contains("model base") && run.errors.contains("\"y\""))
    #expect(!workshop.exists("out"))
  }
}
