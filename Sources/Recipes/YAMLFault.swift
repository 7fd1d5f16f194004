import TinctureMerging
import TinctureTensors
import Yams

/// A fault of the YAML itself, in the words of this program.
struct YAMLFault {
  private let position: SourcePosition?
  private let message: String

  /// Translates what the YAML library reports.
  init(_ error: any Error, in text: String) {
    switch error {
    case let YamlError.scanner(context, problem, mark, _),
      let YamlError.parser(context, problem, mark, _),
      let YamlError.composer(context, problem, mark, _):
      position = SourcePosition(line: mark.line, column: mark.column)
      message = Self.message(problem, context, at: mark, in: text)
    case let YamlError.reader(problem, offset, _, _):
      position = offset.map { Self.position(ofCharacter: $0, in: text) }
      message = "The text holds a character that YAML does not allow (\(problem))."
    case let YamlError.duplicatedKeysInMapping(names, context):
      let first = SourcePosition(line: context.mark.line, column: context.mark.column)
      let name = names.first ?? ""
      position = Self.nextKey(name, after: first, in: text) ?? first
      message = Self.duplicate(name, firstLine: first.line)
    default:
      position = nil
      message = "The YAML cannot be read: \(error)."
    }
  }

  /// The fault as an error about a text.
  func error(in source: RecipeSource) -> TinctureError { source.error(at: position, message) }

  /// The sentence about a key that stands twice in one mapping.
  static func duplicate(_ name: String, firstLine: Int) -> String {
    "The key '\(name)' is written twice; it stands first on line \(firstLine)."
  }

  private static func message(
    _ problem: String, _ context: YamlError.Context?, at mark: Mark, in text: String
  ) -> String {
    let line = lines(of: text, from: mark.line, count: 1).first ?? []
    if mark.column >= 1, mark.column <= line.count, line[mark.column - 1] == "\t" {
      return "A tab stands where YAML allows only spaces."
    }
    if problem.hasPrefix("Maximum nesting level") { return "The text is nested too deep." }
    let place = context.map { " (\($0.text), line \($0.mark.line))" } ?? ""
    return "The YAML cannot be read: \(problem)\(place)."
  }

  /// The place of the same key further down, written in block style at the same column.
  private static func nextKey(
    _ name: String, after first: SourcePosition, in text: String
  ) -> SourcePosition? {
    for (index, line) in lines(of: text, from: first.line + 1, count: .max).enumerated() {
      guard line.count >= first.column else { continue }
      let rest = line[(first.column - 1)...].drop { $0 == "\"" || $0 == "'" }
      if rest.starts(with: name.unicodeScalars),
        rest.dropFirst(name.unicodeScalars.count).first(where: {
          !"\"' ".unicodeScalars.contains($0)
        })
          == ":"
      {
        return SourcePosition(line: first.line + 1 + index, column: first.column)
      }
    }
    return nil
  }

  private static func lines(of text: String, from line: Int, count: Int) -> [[Unicode.Scalar]] {
    let all = text.unicodeScalars.split(omittingEmptySubsequences: false) { $0 == "\n" }
    return all.dropFirst(max(line, 1) - 1).prefix(count).map(Array.init)
  }

  private static func position(ofCharacter offset: Int, in text: String) -> SourcePosition {
    let before = text.prefix(offset)
    let line = before.count { $0.isNewline }
    let column = before.reversed().prefix { !$0.isNewline }.count
    return SourcePosition(line: line + 1, column: column + 1)
  }
}
