import Foundation
import Testing

/// A recorded text under `Fixtures`.
struct GoldenText {
  private let name: String

  init(_ name: String) { self.name = name }

  /// Compares a text with the recorded one, or records it when `TINCTURE_RECORD` is 1.
  func compare(_ text: String, at place: SourceLocation = #_sourceLocation) throws {
    if ProcessInfo.processInfo.environment["TINCTURE_RECORD"] == "1" {
      let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
      try Data(text.utf8).write(to: source)
      return
    }
    let recorded = Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(name)")
    let wanted = String(decoding: try Data(contentsOf: recorded), as: UTF8.self)
    #expect(text == wanted, "\(name) differs; TINCTURE_RECORD=1 records it", sourceLocation: place)
  }
}
