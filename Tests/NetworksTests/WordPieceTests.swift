import Foundation
import SystemPackage
import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("Word pieces")
struct WordPieceTests {
  @Test(
    "Ids are transformers', from tokenizer.json and from vocab.txt",
    arguments: ["WordPieces", "CasedWordPieces"])
  func ids(name: String) throws {
    let recorded = try RecordedTexts(name)
    #expect(recorded.cases.count > 50)
    recorded.check(try WordPieceTokenizer(reading: recorded.directory))
  }

  @Test("Batches are padded and masked, pairs have types", .needsLibTorch)
  func batches() throws {
    let tokenizer = try WordPieceTokenizer(reading: RecordedTexts("WordPieces").directory)
    let batch = try tokenizer.batch(["the model", "the"])
    let (long, short) = (tokenizer.encode("the model").ids, tokenizer.encode("the").ids)
    #expect(
      try batch.ids.array(as: Int.self)
        == long + short + Array(repeating: tokenizer.paddingID, count: long.count - short.count))
    #expect(
      try batch.mask?.array(as: Bool.self)
        == long.map { _ in true } + long.indices.map { $0 < short.count })
    let pairs = try tokenizer.batch(pairs: [("the", "model")])
    #expect(try pairs.types?.array(as: Int.self) == tokenizer.encode("the", "model").types)
    #expect(pairs.mask == nil)
  }

  @Test("A tokenizer of another kind, or with an unknown normaliser, is refused")
  func refusals() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = FilePath(folder.path())
    let nothing = #expect(throws: TinctureError.self) { try WordPieceTokenizer(reading: path) }
    #expect(nothing?.code == .missingInput)
    let source = RecordedNetwork.folder.appending("WordPieces").appending("tokenizer.json").string
    let text = try String(contentsOfFile: source, encoding: .utf8)
    let changes = [
      ("BertNormalizer", "NFKC"), ("BertPreTokenizer", "Whitespace"), ("[UNK]", "[HM]"),
    ]
    for (old, new) in changes {
      try text.replacingOccurrences(of: old, with: new)
        .write(to: folder.appending(path: "tokenizer.json"), atomically: true, encoding: .utf8)
      let error = #expect(throws: TinctureError.self) { try WordPieceTokenizer(reading: path) }
      #expect(error?.code == .checkpoint, "\(old)")
    }
  }
}
