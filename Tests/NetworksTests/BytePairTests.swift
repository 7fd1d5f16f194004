import Foundation
import SystemPackage
import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors

@Suite("Byte pairs")
struct BytePairTests {
  @Test(
    "Ids are transformers', from tokenizer.json and from vocab.json with merges.txt",
    arguments: ["ClipPairs", "RobertaPairs", "GPT2Pairs", "Llama3Pairs", "QwenPairs"])
  func ids(name: String) throws {
    let recorded = try RecordedTexts(name)
    #expect(recorded.cases.count > 50)
    recorded.check(try BytePairTokenizer(reading: recorded.directory))
  }

  @Test(
    "Steps that are not known are refused",
    arguments: [
      (#""type": "NFC""#, #""type": "NFKC""#), (#"[^\\s"#, #"[^\\t"#),
      (#""type": "ByteLevel""#, #""type": "Metaspace""#),
      (#""byte_fallback": false"#, #""byte_fallback": true"#),
      (#""RobertaProcessing""#, #""Unknown""#), (#""dropout": null"#, #""dropout": 0.1"#),
    ])
  func refusals(old: String, new: String) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let source = try RecordedTexts("ClipPairs").directory.appending("tokenizer.json").string
    let text = try String(contentsOfFile: source, encoding: .utf8)
    #expect(text.contains(old))
    try text.replacingOccurrences(of: old, with: new)
      .write(to: folder.appending(path: "tokenizer.json"), atomically: true, encoding: .utf8)
    let error = #expect(throws: TinctureError.self) {
      try BytePairTokenizer(reading: FilePath(folder.path()))
    }
    #expect(error?.code == .checkpoint)
  }

  @Test("A tokenizer of another kind is refused")
  func otherKind() throws {
    let pieces = try RecordedTexts("WordPieces").directory
    #expect(throws: TinctureError.self) { try BytePairTokenizer(reading: pieces) }
    let pairs = try RecordedTexts("ClipPairs").directory
    #expect(throws: TinctureError.self) { try WordPieceTokenizer(reading: pairs) }
  }
}
