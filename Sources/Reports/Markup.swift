/// A part of a report that knows how it looks in a page.
public protocol ReportPart: Sendable {
  /// The part as markup.
  var markup: Markup { get }
}

/// A piece of a page: well-formed markup in which every text that comes from outside is escaped.
///
/// Names of elements and attributes are literals of the program; whatever else is passed counts as text. The
/// result is HTML and well-formed XML at once.
public struct Markup: ReportPart, Hashable {
  /// The markup as it stands in the page.
  public let source: String

  private init(source: String) { self.source = source }

  /// The piece itself.
  public var markup: Markup { self }

  /// Creates a piece that shows a text as it is.
  public init(text: String) { source = Self.escape(text) }

  /// Puts pieces one after the other.
  public init(_ pieces: [Markup]) { source = pieces.map(\.source).joined() }

  /// Creates an element.
  ///
  /// - Parameters:
  ///   - name: The name of the element.
  ///   - attributes: Names and values; values are escaped.
  ///   - contents: What stands inside.
  /// - Returns: The element.
  public static func element(
    _ name: StaticString, _ attributes: MarkupAttributes = [:],
    _ contents: [Markup] = []
  ) -> Markup {
    let name = name.description
    let start = "<\(name)\(attributes.source)"
    guard !contents.isEmpty || !isVoid(name) else { return Markup(source: start + "/>") }
    return Markup(source: "\(start)>\(contents.map(\.source).joined())</\(name)>")
  }

  /// Creates an element that holds a text.
  public static func element(
    _ name: StaticString, _ attributes: MarkupAttributes = [:], text: String
  ) -> Markup {
    element(name, attributes, [Markup(text: text)])
  }

  /// A style sheet of the program; it must hold no character that means something in markup.
  static func style(_ sheet: StaticString) -> Markup {
    Markup(source: "<style>\(sheet)</style>")
  }

  /// Elements that are written without an end tag; all others would be taken as left open.
  private static func isVoid(_ name: String) -> Bool {
    ["meta", "rect", "line", "polyline", "circle"].contains(name)
  }

  /// A text in which nothing is markup, in elements and in attributes.
  ///
  /// Characters that are not allowed in a page, and those that reverse or hide what stands around them,
  /// become the replacement character.
  public static func escape(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(isHarmless(scalar) ? scalar : "\u{fffd}")
      }
    }
    return result
  }

  private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0: false
    // Marks of direction, separators of lines and paragraphs.
    case 0x61c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069: false
    // What is no character.
    case 0xfdd0...0xfdef: false
    default: scalar.value & 0xfffe != 0xfffe
    }
  }
}

/// Attributes of an element: the names are literals of the program, the values any texts.
public struct MarkupAttributes: Sendable, Hashable, ExpressibleByDictionaryLiteral {
  fileprivate let source: String

  private init(source: String) { self.source = source }

  /// Creates attributes in the order in which they are written.
  public init(dictionaryLiteral attributes: (StaticString, String)...) {
    source = attributes.map { " \($0)=\"\(Markup.escape($1))\"" }.joined()
  }

  /// The attributes of both; a name may be in one only.
  public static func + (left: MarkupAttributes, right: MarkupAttributes) -> MarkupAttributes {
    MarkupAttributes(source: left.source + right.source)
  }
}
