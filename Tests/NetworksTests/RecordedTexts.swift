import Foundation
import SystemPackage
import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors

/// Texts, and the ids that transformers' tokenizer of a fixture gives to them.
struct RecordedTexts {
  struct Case {
    let text: String
    let second: String?
    let limit: Int?
    let ids: [Int]
    let types: [Int]?
  }

  let directory: FilePath
  let cases: [Case]

  init(_ name: String) throws {
    directory = RecordedNetwork.folder.appending(name)
    let path = directory.appending("cases.json").string
    let list = try JSONValue(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    cases = try #require(list.arrayValue).map { value in
      Case(
        text: try #require(value["text"]?.stringValue), second: value["second"]?.stringValue,
        limit: value["limit"]?.intValue, ids: try Self.numbers(value["ids"]),
        types: try value["types"].map { try Self.numbers($0) })
    }
  }

  static func numbers(_ value: JSONValue?) throws -> [Int] {
    try #require(value?.arrayValue).map { try #require($0.intValue) }
  }

  /// Compares all cases.
  func check(_ tokenizer: some TextTokenizer) {
    for found in cases {
      let encoded = tokenizer.encode(found.text, found.second, limit: found.limit)
      #expect(encoded.ids == found.ids, "\(found.text) + \(found.second ?? "nothing")")
      if let types = found.types { #expect(encoded.types == types, "\(found.text)") }
    }
  }
}
