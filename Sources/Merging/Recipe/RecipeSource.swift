public import SystemPackage
public import TinctureTensors

/// The text from which a recipe was read, kept to show the faulty line of it.
public struct RecipeSource: Sendable, Hashable {
  /// Where a recipe can come from.
  public enum Origin: Sendable, Hashable {
    /// A file of YAML.
    case file
    /// The options of a command, one to a line.
    case commandLine
  }

  /// The file, as the user named it, or a name for what stands in its place.
  public let name: String
  /// The whole text.
  public let text: String
  /// What kind of text it is.
  public let origin: Origin
  /// What the text is called in messages.
  public let noun: String

  /// Names a text.
  public init(name: String, text: String, origin: Origin = .file, noun: String = "recipe") {
    self.name = name
    self.text = text
    self.origin = origin
    self.noun = noun
  }

  /// The folder of the recipe file, in which relative paths are looked for, too.
  public var folder: FilePath? {
    origin == .file ? FilePath(name).removingLastComponent() : nil
  }

  /// An error about one place of the recipe, with file, line, column and the line itself.
  ///
  /// - Parameters:
  ///   - position: The place, or nil for the recipe as a whole.
  ///   - message: What is wrong and what to do, in one or two sentences.
  /// - Returns: An error with the code `recipe`, or `usage` when the recipe was given as options.
  /// - Complexity: O(n) in the length of the text.
  public func error(at position: SourcePosition?, _ message: String) -> TinctureError {
    var place = TinctureError.Place(file: name)
    if origin == .file {
      place.line = position?.line
      place.column = position?.column
    }
    return TinctureError(
      origin == .file ? .recipe : .usage, message, at: place,
      snippet: position.flatMap(snippet(at:)))
  }

  /// The line at a place, with a marker below the column; nil when there is no such line.
  ///
  /// A long line is cut around the place, and control characters are shown as spaces.
  ///
  /// - Complexity: O(n) in the length of the text.
  public func snippet(at position: SourcePosition) -> String? {
    guard position.line >= 1, position.column >= 1 else { return nil }
    guard let line = line(position.line) else { return nil }
    let column = min(position.column - 1, line.count)
    let start = line.count <= 96 ? 0 : max(0, column - 64)
    let end = min(line.count, start + 96)
    var shown = start > 0 ? "…" : ""
    shown.unicodeScalars.append(contentsOf: line[start..<end].map(Self.printable))
    if end < line.count { shown += "…" }
    let indent = column - start + (start > 0 ? 1 : 0)
    return shown + "\n" + String(repeating: " ", count: indent) + "^"
  }

  private static func printable(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: " "
    default: scalar
    }
  }

  /// The scalars of a line, where lines end as YAML ends them.
  private func line(_ number: Int) -> [Unicode.Scalar]? {
    var current = 1
    var scalars: [Unicode.Scalar] = []
    var previous: Unicode.Scalar = " "
    for scalar in text.unicodeScalars {
      defer { previous = scalar }
      switch scalar {
      case "\n" where previous == "\r": continue
      case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}":
        if current == number { return scalars }
        current += 1
      default:
        if current == number { scalars.append(scalar) }
      }
    }
    return current == number ? scalars : nil
  }
}
