import Testing
import TinctureMerging
import TinctureRecipes
import TinctureTensors

/// A wrong recipe with the place and a part of the message that it must give.
struct MalformedRecipe: Sendable, CustomTestStringConvertible {
  var text: String
  var line: Int?
  var column: Int?
  var fragment: String

  init(_ text: String, _ line: Int?, _ column: Int?, _ fragment: String) {
    self.text = text
    self.line = line
    self.column = column
    self.fragment = fragment
  }

  /// A recipe that is right except for the lines added at its end, which begin at line 3.
  init(adding text: String, _ line: Int, _ column: Int, _ fragment: String) {
    self.init("merge_method: m\nmodels: [{model: a}, {model: b}]\n" + text, line, column, fragment)
  }

  /// A recipe of slices, which begin at line 3.
  init(slices: String, _ line: Int, _ column: Int, _ fragment: String) {
    self.init("merge_method: m\nslices:\n" + slices, line, column, fragment)
  }

  var testDescription: String { fragment }
}

@Suite("Malformed recipes")
struct MalformedRecipeTests {
  static let shapes: [MalformedRecipe] = [
    .init("", nil, nil, "recipe is empty"),
    .init("# nothing\n---\n", nil, nil, "recipe is empty"),
    .init("- a\n", 1, 1, "a mapping for the recipe"),
    .init("just words", 1, 1, "'just words'"),
    .init("merge_method: [m\nmodels: x", 2, 7, "did not find expected ',' or ']'"),
    .init("merge_method: m\n\tmodels: []", 2, 1, "tab"),
    .init("a: b: c", 1, 5, "mapping values are not allowed"),
    .init("merge_method: *m\n", 1, 15, "undefined alias"),
    .init("merge_method: 'm\n", 2, 1, "unexpected end of stream"),
    .init("merge_method: \u{1}\n", 1, 15, "character that YAML does not allow"),
    .init("? [a]\n: b\n", 1, 3, "A key must be a name"),
    .init("merge_method: !!python/object m", 1, 15, "has no meaning in a recipe"),
    .init("models: [{model: a}]\n", 1, 1, "names no method"),
    .init("merge_method: m\n", 1, 1, "one of 'models', 'slices', 'modules'"),
    .init("merge_method: [m]\nmodels: [{model: a}]", 1, 15, "method must be a text"),
    .init("merge_method: ''\nmodels: [{model: a}]", 1, 15, "method is empty"),
    .init(adding: "slices: [{sources: []}]", 3, 1, "'slices' cannot stand beside 'models'"),
    .init(adding: "merge_method: n", 3, 1, "written twice; it stands first on line 1"),
    .init(adding: "densty: 1", 3, 1, "Unknown key 'densty' in the recipe"),
    .init(adding: "paramters: {weight: 1}", 3, 1, "did you mean 'parameters'?"),
    .init(adding: "weight: 1", 3, 1, "go under 'parameters'"),
    .init(adding: "<<: 3", 3, 5, "merges mappings"),
    .init(adding: "seed: -1", 3, 7, "whole number of at least 0"),
    .init(adding: "seed: 1.5", 3, 7, "'1.5'"),
    .init(adding: "dtype: bfloat61", 3, 8, "did you mean 'bfloat16'?"),
    .init(adding: "dtype: int64", 3, 8, "no arithmetic in 'int64'"),
    .init(adding: "out_dtype: {a: b}", 3, 12, "must be a text"),
    .init(adding: "base_model: [a, b]", 3, 13, "one base"),
    .init(adding: "base_model: {modle: a}", 3, 14, "did you mean 'model'?"),
    .init(adding: "base_model: a@b@c", 3, 13, "more than one '@'"),
    .init(adding: "name: [x]", 3, 7, "name must be a text"),
  ]

  static let inputs: [MalformedRecipe] = [
    .init("merge_method: m\nmodels: []", 2, 9, "empty list"),
    .init("merge_method: m\nmodels: a", 2, 9, "'models' must be a list"),
    .init("merge_method: m\nmodels: [a]", 2, 10, "mapping for a model entry"),
    .init("merge_method: m\nmodels: [{model: [a]}]", 2, 18, "this is a list"),
    .init("merge_method: m\nmodels:\n- parameters: {}", 3, 3, "no 'model' in a model entry"),
    .init("merge_method: m\nmodels:\n- model: a\n  weight: 1", 4, 3, "go under 'parameters'"),
    .init("merge_method: m\nmodels:\n- model: a\n- model: a", 4, 10, "stands first on line 3"),
    .init("merge_method: m\nmodels:\n- model: ''", 3, 10, "name of a model is empty"),
    .init("merge_method: m\nmodels:\n- model: a+b+c", 3, 10, "more than one '+'"),
    .init(slices: "- {}", 3, 3, "needs 'sources'"),
    .init(slices: "- sources: [{model: a}]", 3, 13, "needs a 'layer_range'"),
    .init(slices: "- sources: [{layer_range: [0, 1]}]", 3, 13, "no 'model'"),
    .init(slices: "- sources: [{model: a, layer_range: 4}]", 3, 37, "two whole numbers"),
    .init(slices: "- sources: [{model: a, layer_range: [0, x]}]", 3, 37, "two whole numbers"),
    .init(slices: "- sources: [{model: a, layer_range: [0, 1.5]}]", 3, 37, "two whole numbers"),
    .init(slices: "- sources: [{model: a, layer_range: [4, 4]}]", 3, 37, "holds no layers"),
    .init(slices: "- sources: [{model: a, layer_range: [-1, 4]}]", 3, 37, "holds no layers"),
    .init(
      slices: "- sources: [{model: a, layer_range: [0, 99999999999]}]", 3, 37, "holds no layers"),
    .init(
      slices:
        "- sources:\n  - {model: a, layer_range: [0, 4]}\n  - {model: b, layer_range: [0, 5]}",
      5, 29, "as many layers; these are 5, but on line 4 there are 4"),
    .init(
      slices:
        "- sources:\n  - {model: a, layer_range: [0, 4]}\n  - {model: a, layer_range: [0, 4]}",
      5, 13, "twice for the same layers; it stands first on line 4"),
    .init(
      slices: "- sources: [{model: a, layer_range: [0, 4]}]\n  residual_weight: .nan", 4, 20,
      "finite number"),
    .init(
      slices: "- sources: [{model: a, layer_range: [0, 4], layers: 3}]", 3, 45, "Unknown key"),
    .init("merge_method: m\nmodules: {}", 2, 10, "must map names"),
    .init("merge_method: m\nmodules: {x: {}}", 2, 14, "The module 'x' does not say what to merge"),
    .init("merge_method: m\nmodules: {x: {model: [a]}}", 2, 15, "did you mean 'models'?"),
  ]

  static let parameters: [MalformedRecipe] = [
    .init(adding: "parameters: 3", 3, 13, "must map names to values"),
    .init(adding: "parameters: {weight: }", 3, 22, "'weight' has no value"),
    .init(adding: "parameters: {weight: .inf}", 3, 22, "finite"),
    .init(adding: "parameters: {weight: 1e999}", 3, 22, "finite"),
    .init(adding: "parameters: {weight: []}", 3, 22, "empty list"),
    .init(adding: "parameters: {weight: [1, nan]}", 3, 26, "finite"),
    .init(adding: "parameters: {weight: [1, [2]]}", 3, 26, "mixes values with a list"),
    .init(adding: "parameters: {weight: [1, {value: 2}]}", 3, 26, "mixes values with a mapping"),
    .init(adding: "parameters: {weight: [{value: 2}, 1]}", 3, 35, "a condition of a parameter"),
    .init(adding: "parameters: {weight: {filter: x}}", 3, 22, "without a 'value'"),
    .init(adding: "parameters: {weight: {vale: 1}}", 3, 23, "did you mean 'value'?"),
    .init(adding: "parameters: {weight: {value: []}}", 3, 30, "empty list"),
    .init(
      adding: "parameters: {weight: {value: {value: 1}}}", 3, 30, "condition inside a condition"),
    .init(adding: "parameters: {w: {filter: [a], value: 1}}", 3, 26, "'filter' must be a text"),
    .init(adding: "parameters: {w: {regex: '(', value: 1}}", 3, 25, "is malformed"),
    .init(adding: "parameters: {w: {layers: [3, 1], value: 1}}", 3, 26, "'layers' must be"),
    .init(adding: "parameters: {w: {layers: [[1, 2], 3], value: 1}}", 3, 26, "'layers' must be"),
    .init(adding: "parameters:\n  w: 1\n  w: 2", 5, 3, "it stands first on line 4"),
    .init(adding: "parameters: {w: 1, \"w\": 2}", 3, 14, "'w' is written twice"),
    .init(adding: "parameters: {'': 1}", 3, 14, "name of a parameter is empty"),
    .init(adding: "keep: [{model: a}]", 3, 8, "must choose tensors"),
    .init(adding: "keep: [{filtre: a}]", 3, 9, "did you mean 'filter'?"),
    .init(adding: "keep: a", 3, 7, "must be a list"),
  ]

  static let tokenizers: [MalformedRecipe] = [
    .init(
      adding: "tokenizer: {source: base}\ntokenizer_source: base", 4, 1, "exclude each other"),
    .init(adding: "tokenizer: base", 3, 12, "a mapping for 'tokenizer'"),
    .init(adding: "tokenizer: {sauce: base}", 3, 13, "did you mean 'source'?"),
    .init(adding: "tokenizer: {pad_to_multiple_of: 0}", 3, 33, "whole number from 1"),
    .init(adding: "tokenizer: {tokens: [a]}", 3, 21, "must map tokens"),
    .init(adding: "tokenizer: {tokens: {a: b}}", 3, 25, "the rule of the token 'a'"),
    .init(adding: "tokenizer: {tokens: {a: {forced: true}}}", 3, 26, "did you mean 'force'?"),
    .init(adding: "tokenizer: {tokens: {a: {force: 3, source: b}}}", 3, 33, "'true' or 'false'"),
    .init(adding: "tokenizer: {tokens: {a: {force: on}}}", 3, 22, "forced to no source"),
    .init(
      adding: "tokenizer: {tokens: {a: {source: {kind: one}}}}", 3, 41,
      "must be 'model_token' or 'zero'"),
    .init(
      adding: "tokenizer: {tokens: {a: {source: {kind: zero, token: b}}}}", 3, 47,
      "takes no 'token'"),
    .init(
      adding: "tokenizer: {tokens: {a: {source: {kind: model_token, model: b}}}}", 3, 34,
      "needs a 'token' or a 'token_id'"),
    .init(
      adding:
        "tokenizer: {tokens: {a: {source: {kind: model_token, model: b, token: c, token_id: 1}}}}",
      3, 34, "not both"),
    .init(
      adding: "tokenizer: {tokens: {a: {source: {kind: model_token, token: c}}}}", 3, 34,
      "no 'model' in the source of a token"),
    .init(adding: "tokenizer_source: [a]", 3, 19, "this is a list"),
    .init(adding: "chat_template: {}", 3, 16, "must be a text"),
  ]

  @Test("A fault is reported where it stands", arguments: shapes + inputs + parameters + tokenizers)
  func refused(recipe: MalformedRecipe) throws {
    let caught = #expect(throws: TinctureError.self) { try parseOne(recipe.text) }
    let error = try #require(caught)
    #expect(error.code == .recipe)
    #expect(error.causes.isEmpty, "\(error.detailedDescription)")
    #expect(error.message.contains(recipe.fragment), "\(error.message)")
    #expect(error.place == .init(file: "recipe.yml", line: recipe.line, column: recipe.column))
    #expect((error.snippet != nil) == (recipe.line != nil))
  }

  @Test("Independent faults are reported together, in the order of the file")
  func together() throws {
    let caught = #expect(throws: TinctureError.self) {
      try parseOne(
        """
        merge_methd: ties
        models:
          - model: a
            parameters: {density: []}
          - model: a
        dtype: float61
        tokenizer: {pad_to_multiple_of: x}
        """)
    }
    let error = try #require(caught)
    #expect(error.message == "The recipe has 5 faults.")
    #expect(error.causes.map(\.place.line) == [1, 4, 5, 6, 7])
    #expect(error.causes.allSatisfy { $0.snippet != nil })
  }

  @Test("Of very many faults the first twenty are shown")
  func many() throws {
    let entries = (0..<500).map { "  k\($0): []" }.joined(separator: "\n")
    let caught = #expect(throws: TinctureError.self) {
      try parseOne("merge_method: m\nmodels: [{model: a}]\nparameters:\n" + entries)
    }
    #expect(caught?.message == "The recipe has 500 faults; 20 follow.")
    #expect(caught?.causes.count == 20)
  }
}
