import Foundation
import Testing
import TinctureReports

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Reads markup as XML and remembers what it holds.
final class WellFormed: NSObject, XMLParserDelegate {
  private(set) var texts: [String] = []
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  private var text = ""

  /// Fails when the markup is not well-formed.
  init(_ source: String, at place: SourceLocation = #_sourceLocation) {
    super.init()
    let parser = XMLParser(data: Data(source.utf8))
    parser.delegate = self
    #expect(parser.parse(), "\(String(describing: parser.parserError))", sourceLocation: place)
  }

  convenience init(_ part: any ReportPart, at place: SourceLocation = #_sourceLocation) {
    self.init("<root>\(part.markup.source)</root>", at: place)
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    flush()
    elements.append((name, attributes))
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    flush()
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

  private func flush() {
    if !text.isEmpty { texts.append(text) }
    text = ""
  }

  func all(_ name: String) -> [[String: String]] {
    elements.filter { $0.name == name }.map(\.attributes)
  }
}
