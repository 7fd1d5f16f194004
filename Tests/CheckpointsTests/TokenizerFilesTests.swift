import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

@Suite("Files of merged tokenizers")
struct TokenizerFilesTests {
  let fixture = TokenizerModels()

  private func names(_ plan: MergedTokenizer) -> [String] { plan.files.map(\.name) }

  /// The added tokens of a `tokenizer.json`, as loaders would number them.
  private func reread(_ plan: MergedTokenizer) throws -> Tokenizer {
    let files = plan.files.map { ($0.name, String(decoding: $0.contents, as: UTF8.self)) }
    return try #require(try TokenizerDirectory(files).read())
  }

  @Test("A written union reads back with the same tokens and ids")
  func roundTrip() throws {
    try fixture.add("A", ["a", "b"], added: ["<s>"])
    try fixture.add("B", ["b", "c"], added: ["<pad>", "<s>"])
    let plan = try fixture.plan(.union)
    #expect(plan.vocabulary.texts == ["a", "b", "<s>", "c", "<pad>"])
    let tokenizer = try reread(plan)
    #expect(tokenizer.vocabulary.texts == plan.vocabulary.texts)
    #expect(tokenizer.notes.isEmpty)
    #expect(tokenizer.addedTokens.map(\.content) == ["<s>", "c", "<pad>"])
    #expect(tokenizer.addedTokens.map(\.isSpecial) == [true, false, true])
    #expect(tokenizer.addedTokens.map(\.matchesNormalized) == [false, true, false])
  }

  @Test("A token that another model added keeps the base's id and gets the settings")
  func promotedToken() throws {
    try fixture.add("A", ["a", "<tool>"])
    try fixture.add("B", ["a"], added: ["<tool>"])
    let plan = try fixture.plan(.union)
    #expect(plan.vocabulary.texts == ["a", "<tool>"])
    let added = try #require(try plan.files.json("tokenizer.json")?["added_tokens"]?.arrayValue)
    #expect(added.map { $0["id"]?.intValue } == [1])
    #expect(added.map { $0["special"]?.boolValue } == [true])
  }

  @Test("Different settings of a token are noted and the first model's count")
  func differentSettings() throws {
    try fixture.add("A", ["a"], added: ["<x>"])
    let document = bytePairDocument([("a", 0)], added: [("<x>", 1, special: false)])
    try fixture.add("B", files: [("tokenizer.json", document)])
    let plan = try fixture.plan(.union)
    #expect(plan.notes.contains { $0.contains("different settings") && $0.contains("\"<x>\"") })
    #expect(try reread(plan).addedTokens.map(\.isSpecial) == [true])
  }

  @Test("The settings of new tokens are written to both files")
  func configuration() throws {
    try fixture.add(
      "A",
      files: [
        ("tokenizer.json", bytePairDocument([("a", 0)], added: [("<s>", 1, special: true)])),
        ("tokenizer_config.json", #"{"model_max_length": 1e30, "bos_token": "<s>"}"#),
      ])
    try fixture.add(
      "B",
      files: [
        ("tokenizer.json", bytePairDocument([("a", 0)])),
        (
          "tokenizer_config.json",
          #"{"added_tokens_decoder": {"1": {"content": "<x>", "lstrip": true, "special": true}}}"#
        ),
      ])
    let plan = try fixture.plan(.union)
    let configuration = try #require(try plan.files.json("tokenizer_config.json"))
    #expect(configuration["model_max_length"] == .number("1e30"))
    let decoder = try #require(configuration["added_tokens_decoder"]?.objectValue)
    #expect(decoder.keys == ["1", "2"])
    #expect(decoder["2"]?["content"]?.stringValue == "<x>")
    #expect(decoder["2"]?["lstrip"]?.boolValue == true)
    let document = try #require(try plan.files.json("tokenizer.json"))
    #expect(document["added_tokens"]?.arrayValue?.last?["lstrip"]?.boolValue == true)
  }

  @Test("Tokens without a row leave the vocabulary, the merges and the roles")
  func stripping() throws {
    let document = bytePairDocument(
      [("a", 0), ("b", 1), ("ab", 2), ("aba", 3)], merges: [("a", "b"), ("ab", "a")],
      added: [("<s>", 4, special: true), ("<pad>", 5, special: true)])
    try fixture.add(
      "A", rows: 3,
      files: [
        ("tokenizer.json", document),
        ("tokenizer_config.json", #"{"bos_token": "a", "pad_token": "<pad>"}"#),
        ("special_tokens_map.json", #"{"pad_token": {"content": "<pad>"}, "eos_token": "a"}"#),
        ("vocab.json", "{}"),
      ])
    let plan = try fixture.plan(.base)
    #expect(plan.vocabulary.texts == ["a", "b", "ab"])
    let model = try #require(try plan.files.json("tokenizer.json")?["model"])
    #expect(model["vocab"]?.objectValue?.keys == ["a", "b", "ab"])
    #expect(model["merges"] == .array([.array([.string("a"), .string("b")])]))
    #expect(try plan.files.json("tokenizer_config.json")?["pad_token"] == nil)
    #expect(try plan.files.json("special_tokens_map.json")?.objectValue?.keys == ["eos_token"])
    #expect(names(plan) == ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"])
    #expect(plan.notes.count == 3)
    #expect(try reread(plan).vocabulary.texts == ["a", "b", "ab"])
  }

  @Test("A role keeps its token when another model brings it back")
  func returningToken() throws {
    try fixture.add(
      "A", rows: 1,
      files: [
        ("tokenizer.json", bytePairDocument([("a", 0)], added: [("<pad>", 1, special: true)])),
        ("tokenizer_config.json", #"{"pad_token": "<pad>"}"#),
      ])
    try fixture.add("B", ["a", "b"], added: ["<pad>"])
    let plan = try fixture.plan(.union)
    #expect(plan.vocabulary.texts == ["a", "b", "<pad>"])
    #expect(try plan.files.json("tokenizer_config.json")?["pad_token"]?.stringValue == "<pad>")
  }

  @Test("Only added tokens that lie beyond the embedding leave the trained vocabulary alone")
  func strippingAddedTokens() throws {
    try fixture.add(
      "A", rows: 2,
      files: [
        ("tokenizer.json", bytePairDocument([("a", 0)], added: [("<s>", 1, special: true)])),
        ("tokenizer.model", "opaque"), ("added_tokens.json", #"{"<pad>": 2}"#),
      ])
    let plan = try fixture.plan(.base)
    #expect(plan.vocabulary.texts == ["a", "<s>"])
    #expect(plan.files.text("tokenizer.model") == "opaque")
    #expect(try plan.files.json("added_tokens.json")?.objectValue?.count == 0)
  }

  @Test("Merges written as one text are stripped like pairs; other forms are refused")
  func textMerges() throws {
    func document(_ merge: String) -> String {
      #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["# + merge + "]}}"
    }
    try fixture.add("A", rows: 2, files: [("tokenizer.json", document(#""a b""#))])
    let model = try fixture.plan(.base).files.json("tokenizer.json")?["model"]
    #expect(model?["merges"] == .array([]))
    for merge in [#""ab""#, #""a b c""#, "7", #"["a"]"#, #"["a", 1]"#] {
      let broken = TokenizerModels()
      try broken.add("A", rows: 2, files: [("tokenizer.json", document(merge))])
      let error = try #require(throws: TinctureError.self) { try broken.plan(.base) }
      #expect(error.code == .checkpoint)
      #expect(error.place.file?.hasSuffix("tokenizer.json") == true)
    }
  }

  @Test("Vocabulary files without tokenizer.json are changed where they can hold the change")
  func legacy() throws {
    try fixture.add(
      "A", rows: 3,
      files: [
        ("vocab.json", #"{"a": 0, "b": 1, "c": 2, "ab": 3}"#),
        ("merges.txt", "#version: 0.2\na b\n"),
      ])
    try fixture.add("B", ["x"])
    let plan = try fixture.plan(.union)
    #expect(plan.vocabulary.texts == ["a", "b", "c", "x"])
    #expect(plan.files.text("merges.txt") == "#version: 0.2\n")
    #expect(try plan.files.json("vocab.json")?.objectValue?.keys == ["a", "b", "c"])
    #expect(try plan.files.json("added_tokens.json")?["x"]?.intValue == 3)
    #expect(try reread(plan).vocabulary.texts == plan.vocabulary.texts)
  }

  @Test("A word-piece list is cut to its rows")
  func wordPieces() throws {
    try fixture.add("A", rows: 2, files: [("vocab.txt", "a\nb\nc\n")])
    #expect(try fixture.plan(.base).files.text("vocab.txt") == "a\nb\n")
  }

  @Test("A SentencePiece model is copied, but cannot take tokens")
  func sentencePiece() throws {
    try fixture.add("A", files: [("tokenizer.model", "\u{0A}\u{03}\u{0A}\u{01}a")])
    try fixture.add("B", ["a", "b"])
    let plan = try fixture.plan(.base)
    #expect(plan.files.text("tokenizer.model") == "\u{0A}\u{03}\u{0A}\u{01}a")
    let error = try #require(throws: TinctureError.self) { try fixture.plan(.union) }
    #expect(error.code == .checkpoint)
    #expect(error.message.contains("tokenizer.json"))
  }
}
