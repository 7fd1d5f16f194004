import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Reading tokenizers")
struct TokenizerReadingTests {
  @Test("A directory without a vocabulary has no tokenizer")
  func absent() throws {
    #expect(try TokenizerDirectory([("tokenizer_config.json", "{}")]).read() == nil)
  }

  @Test(
    "Every kind of model gives its tokens in order of their ids",
    arguments: [
      #"{"model": {"type": "BPE", "vocab": {"b": 1, "a": 0}, "merges": []}}"#,
      #"{"model": {"type": "WordPiece", "vocab": {"a": 0, "b": 1}}}"#,
      #"{"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}}}"#,
      #"{"model": {"type": "Unigram", "vocab": [["a", -1.5], ["b", 0]]}}"#,
      #"{"model": {"vocab": {"a": 0, "b": 1}, "merges": []}}"#,
    ])
  func models(document: String) throws {
    let tokenizer = try TokenizerDirectory([("tokenizer.json", document)]).read()
    let vocabulary = try #require(tokenizer).vocabulary
    #expect(vocabulary.texts == ["a", "b"])
    #expect(vocabulary.id(of: "b") == 1)
    #expect(vocabulary.token(at: 1) == "b")
    #expect(vocabulary.token(at: 2) == nil)
  }

  @Test("Tokens that differ only in their normal form stay apart")
  func exactBytes() throws {
    let document = bytePairDocument([("\u{E9}", 0), ("e\u{301}", 1)])
    let tokenizer = try #require(try TokenizerDirectory([("tokenizer.json", document)]).read())
    #expect(tokenizer.vocabulary.id(of: "\u{E9}") == 0)
    #expect(tokenizer.vocabulary.id(of: "e\u{301}") == 1)
  }

  @Test("Vocabulary files without tokenizer.json are read, and added_tokens.json after them")
  func legacy() throws {
    let pairs = try TokenizerDirectory([
      ("vocab.json", #"{"a": 0, "b": 1}"#), ("merges.txt", "#version: 0.2\n"),
      ("added_tokens.json", #"{"<x>": 2}"#),
    ]).read()
    #expect(try #require(pairs).vocabulary.texts == ["a", "b", "<x>"])
    let pieces = try TokenizerDirectory([("vocab.txt", "[PAD]\nun\r\n##do\n")]).read()
    #expect(try #require(pieces).vocabulary.texts == ["[PAD]", "un", "##do"])
  }

  @Test("The pieces of a SentencePiece model are its vocabulary")
  func sentencePiece() throws {
    let directory = try TokenizerDirectory()
    // Piece "<s>" with score and type, piece "▁a", then a trainer specification to skip.
    try directory.write(
      "tokenizer.model",
      [0x0A, 0x0C, 0x0A, 0x03, 0x3C, 0x73, 0x3E, 0x15, 0, 0, 0, 0, 0x18, 0x03]
        + [0x0A, 0x06, 0x0A, 0x04, 0xE2, 0x96, 0x81, 0x61] + [0x12, 0x02, 0x08, 0x01])
    let tokenizer = try #require(try directory.read())
    #expect(tokenizer.format == .sentencePiece(fileName: "tokenizer.model"))
    #expect(tokenizer.vocabulary.texts == ["<s>", "▁a"])
  }

  @Test("An added token gets the id that loaders give it, not the one that the file claims")
  func claimedIDs() throws {
    let document = bytePairDocument([("a", 0), ("b", 1)], added: [("<x>", 9, special: true)])
    let directory = try TokenizerDirectory([
      ("tokenizer.json", document),
      (
        "tokenizer_config.json",
        #"{"added_tokens_decoder": {"9": {"content": "<y>", "special": true}}, "pad_token": "<p>"}"#
      ),
    ])
    let tokenizer = try #require(try directory.read())
    #expect(tokenizer.vocabulary.texts == ["a", "b", "<x>", "<y>", "<p>"])
    #expect(tokenizer.addedTokens.map(\.content) == ["<x>", "<y>", "<p>"])
    #expect(tokenizer.addedTokens.allSatisfy { $0.isSpecial })
    #expect(tokenizer.notes.count == 3)
  }

  @Test(
    "A malformed tokenizer is refused with its file",
    arguments: [
      (
        "tokenizer.json", #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}}}"#,
        "share the id 0"
      ),
      ("tokenizer.json", #"{"model": {"type": "BPE", "vocab": {"a": -1}}}"#, "-1"),
      ("tokenizer.json", #"{"model": {"type": "BPE", "vocab": {"a": 10000001}}}"#, "10000001"),
      (
        "tokenizer.json", #"{"model": {"type": "BPE", "vocab": {"a": 99999999999999999999}}}"#,
        "9999"
      ),
      ("tokenizer.json", #"{"model": {"type": "BPE", "vocab": {"a": 1.5}}}"#, "1.5"),
      ("tokenizer.json", #"{"model": {"type": "BPE", "vocab": [["a", 0]]}}"#, "object"),
      ("tokenizer.json", #"{"model": {"type": "BPE"}}"#, "vocab"),
      ("tokenizer.json", #"{"model": {"type": "Magic", "vocab": {}}}"#, "Magic"),
      ("tokenizer.json", #"{"model": {"type": "Unigram", "vocab": [["a"]]}}"#, "Entry 0"),
      (
        "tokenizer.json", #"{"model": {"type": "Unigram", "vocab": [["a", 0], ["a", 0]]}}"#,
        "two ids"
      ),
      ("tokenizer.json", #"{}"#, "model"),
      ("tokenizer.json", #"[]"#, "object"),
      ("tokenizer.json", "", "JSON"),
      (
        "tokenizer.json",
        #"{"added_tokens": [{"content": "x"}], "model": {"type": "BPE", "vocab": {}}}"#, "no id"
      ),
      (
        "tokenizer.json",
        #"{"added_tokens": [{"id": 0}], "model": {"type": "BPE", "vocab": {}}}"#, "content"
      ),
      (
        "tokenizer.json",
        #"{"added_tokens": [{"id": 1, "content": "x"}], "model": {"type": "BPE", "vocab": {"a": 1}}}"#,
        "share the id 1"
      ),
      ("vocab.json", #"{"a": "0"}"#, "0"),
      ("tokenizer.model", "\u{0A}\u{7F}", "ends inside"),
      ("tokenizer.model", "\u{12}\u{00}", "no pieces"),
      ("tokenizer.model", "", "no pieces"),
    ])
  func malformed(file: String, text: String, mention: String) throws {
    let directory = try TokenizerDirectory([(file, text)])
    let error = try #require(throws: TinctureError.self) { try directory.read() }
    #expect(error.code == .checkpoint)
    #expect(error.place.file?.hasSuffix(file) == true)
    #expect(error.message.contains(mention), "\(error.message)")
  }

  @Test("Malformed JSON is reported with the byte where it breaks")
  func byteOffset() throws {
    let directory = try TokenizerDirectory([("tokenizer.json", #"{"model": tru}"#)])
    let error = try #require(throws: TinctureError.self) { try directory.read() }
    #expect(error.place.byteOffset == 10)
  }

  @Test(
    "A malformed file beside the vocabulary is refused with its name",
    arguments: [
      ("tokenizer_config.json", #"{"added_tokens_decoder": []}"#),
      ("tokenizer_config.json", #"{"added_tokens_decoder": {"x": {"content": "y"}}}"#),
      ("tokenizer_config.json", #"{"pad_token": {"lstrip": true}}"#),
      ("special_tokens_map.json", #"{"pad_token": {"content": "x", "lstrip": 3}}"#),
      ("added_tokens.json", #"{"<x>": -3}"#),
      ("added_tokens.json", "{"),
    ])
  func malformedSide(file: String, text: String) throws {
    let directory = try TokenizerDirectory([
      ("tokenizer.json", bytePairDocument([("a", 0)])), (file, text),
    ])
    let error = try #require(throws: TinctureError.self) { try directory.read() }
    #expect(error.code == .checkpoint)
    #expect(error.place.file?.hasSuffix(file) == true)
  }

  @Test("A tokenizer that does not change is copied byte for byte")
  func verbatim() throws {
    let files = [
      ("tokenizer.json", #"{ "model":{"type":"BPE","vocab":{"a":0},"merges":[]}}"#),
      ("tokenizer_config.json", #"{ "x" : 1.50 }"#), ("special_tokens_map.json", "{}"),
    ]
    let directory = try TokenizerDirectory(files)
    let tokenizer = try #require(try directory.read())
    let copies = try tokenizer.files().map {
      ($0.name, String(decoding: $0.contents, as: UTF8.self))
    }
    #expect(copies.map(\.0) == files.map(\.0))
    #expect(copies.map(\.1) == files.map(\.1))
  }

  @Test("A file that cannot be read is refused instead of waited for")
  func pipe() throws {
    let directory = try TokenizerDirectory([("tokenizer_config.json", "{}")])
    let path = directory.path.appending("tokenizer.json").string
    try #require(mkfifo(path, 0o600) == 0)
    defer { unlink(path) }
    let error = try #require(throws: TinctureError.self) { try directory.read() }
    #expect(error.code == .missingInput)
  }
}
