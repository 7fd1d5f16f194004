import SystemPackage
import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A directory of small files that disappears with its owner.
final class TokenizerDirectory {
  let path: FilePath
  private var names: [String] = []

  init(_ files: [(String, String)] = []) throws {
    var template = Array("/tmp/tincture-tokenizer-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
    path = FilePath(
      String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    for (name, text) in files { try write(name, Array(text.utf8)) }
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = try FileDescriptor.open(
      path.appending(name), .writeOnly, options: [.create, .truncate],
      permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(bytes) }
    names.append(name)
  }

  deinit {
    for name in names { unlink(path.appending(name).string) }
    rmdir(path.string)
  }

  func read() throws -> Tokenizer? { try Tokenizer.read(directory: path) }
}

/// The text of a `tokenizer.json` with a BPE model.
func bytePairDocument(
  _ vocabulary: [(String, Int)], merges: [(String, String)] = [],
  added: [(String, Int, special: Bool)] = []
) -> String {
  let tokens = added.map { content, id, special in
    JSONValue.object(
      JSONObject([
        ("id", .integer(id)), ("content", .string(content)), ("single_word", .bool(false)),
        ("lstrip", .bool(false)), ("rstrip", .bool(false)), ("normalized", .bool(!special)),
        ("special", .bool(special)),
      ]))
  }
  let model = JSONObject([
    ("type", .string("BPE")), ("dropout", .null), ("unk_token", .null),
    ("continuing_subword_prefix", .null), ("end_of_word_suffix", .null), ("fuse_unk", .bool(false)),
    ("byte_fallback", .bool(false)), ("ignore_merges", .bool(false)),
    ("vocab", .object(JSONObject(vocabulary.map { ($0, .integer($1)) }))),
    ("merges", .array(merges.map { .array([.string($0), .string($1)]) })),
  ])
  return JSONValue.object(
    JSONObject([
      ("version", .string("1.0")), ("truncation", .null), ("padding", .null),
      ("added_tokens", .array(tokens)), ("normalizer", .null), ("pre_tokenizer", .null),
      ("post_processor", .null), ("decoder", .null), ("model", .object(model)),
    ])
  ).text()
}

/// Models of a merge whose tokenizers lie on the disk for as long as the collection lives.
final class TokenizerModels {
  private var directories: [TokenizerDirectory] = []
  private(set) var models: [TokenizerMerge.Model] = []

  /// Adds a model with the files of its tokenizer.
  func add(_ name: String, rows: Int? = nil, files: [(String, String)]) throws {
    let directory = try TokenizerDirectory(files)
    directories.append(directory)
    models.append(.init(name: name, tokenizer: try directory.read(), embeddingRows: rows))
  }

  /// Adds a model with a BPE tokenizer whose tokens have the ids from zero on.
  func add(_ name: String, _ tokens: [String], added: [String] = [], rows: Int? = nil) throws {
    let special = added.enumerated().map { ($1, tokens.count + $0, special: true) }
    let vocabulary = tokens.enumerated().map { ($1, $0) }
    try add(
      name, rows: rows,
      files: [("tokenizer.json", bytePairDocument(vocabulary, added: special))])
  }

  func plan(
    base: Int? = 0, _ source: TokenizerMerge.Source, rules: [TokenizerMerge.Rule] = [],
    rowMultiple: Int? = nil, chatTemplate: ChatTemplate? = nil
  ) throws(TinctureError) -> MergedTokenizer {
    try TokenizerMerge(
      models: models, base: base, source: source, rules: rules, rowMultiple: rowMultiple,
      chatTemplate: chatTemplate
    ).plan()
  }
}

extension Vocabulary {
  /// The tokens in order of their ids.
  var texts: [String] { entries.map(\.token.text) }
}

extension RowMap {
  /// All rows in order.
  var sources: [Source] { (0..<count).map { self[$0] } }
}

extension [TokenizerFile] {
  func json(_ name: String) throws -> JSONValue? {
    try first { $0.name == name }.map { try JSONValue(parsing: $0.contents) }
  }

  func text(_ name: String) -> String? {
    first { $0.name == name }.map { String(decoding: $0.contents, as: UTF8.self) }
  }
}
