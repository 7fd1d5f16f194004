/// What stands in a cell of a table or behind a word of a list of facts.
public struct ReportCell: ReportPart, Hashable, ExpressibleByStringLiteral {
  /// What is shown.
  public let text: String
  /// The number behind the text with all its digits, for programs that read the page.
  public let value: String?

  /// Creates a cell that shows a text.
  public init(_ text: String, exactly value: String? = nil) {
    self.text = text
    self.value = value
  }

  /// Creates a cell that shows a literal.
  public init(stringLiteral text: String) { self.init(text) }

  /// A number of bytes.
  public static func bytes(_ count: Int) -> ReportCell {
    ReportCell(NumberText.bytes(count), exactly: String(count))
  }

  /// A whole number.
  public static func count(_ count: Int) -> ReportCell {
    ReportCell(String(count), exactly: String(count))
  }

  /// A number with digits after the point; a dash when there is none.
  public static func decimal(_ value: Double?, _ digits: Int) -> ReportCell {
    ReportCell(value.map { NumberText.decimal($0, digits) } ?? "–", exactly: value.map { "\($0)" })
  }

  /// A fraction in per cent; a dash when there is none.
  public static func percent(_ value: Double?) -> ReportCell {
    ReportCell(value.map { NumberText.percent($0) } ?? "–", exactly: value.map { "\($0)" })
  }

  /// The text, with the number behind it.
  public var markup: Markup {
    guard let value else { return Markup(text: text) }
    return .element("data", ["value": value], text: text)
  }
}

/// A table.
public struct ReportTable: ReportPart, Hashable {
  /// A column.
  public struct Column: Sendable, Hashable {
    /// What stands above it.
    public let title: String
    /// Whether it holds numbers, which are set to the right.
    public let isNumeric: Bool

    /// Describes a column.
    public init(_ title: String, isNumeric: Bool = false) {
      self.title = title
      self.isNumeric = isNumeric
    }
  }

  /// The columns.
  public let columns: [Column]
  /// The cells, row by row.
  public private(set) var rows: [[ReportCell]] = []

  /// Creates a table without rows.
  public init(_ columns: [Column]) { self.columns = columns }

  /// Adds a row, which must have a cell for each column.
  public mutating func add(_ row: [ReportCell]) {
    precondition(row.count == columns.count, "A row has \(row.count) of \(columns.count) cells.")
    rows.append(row)
  }

  /// The table in a frame that scrolls sideways where it is too wide.
  public var markup: Markup {
    let titles = columns.map { column in
      Markup.element("th", ["scope": "col"] + Self.look(column), text: column.title)
    }
    let lines = rows.map { row in
      Markup.element(
        "tr", [:],
        zip(columns, row).map { column, cell in
          .element("td", Self.look(column), [cell.markup])
        })
    }
    return .element(
      "div", ["class": "scroll"],
      [
        .element(
          "table", [:],
          [.element("thead", [:], [.element("tr", [:], titles)]), .element("tbody", [:], lines)])
      ])
  }

  private static func look(_ column: Column) -> MarkupAttributes {
    column.isNumeric ? ["class": "number"] : [:]
  }
}

/// Words and what is to be said about each.
public struct ReportFacts: ReportPart, Hashable {
  /// The words with what belongs to them, in order.
  public private(set) var facts: [Fact] = []

  /// A word and what belongs to it.
  public struct Fact: Sendable, Hashable {
    /// The word.
    public let word: String
    /// What belongs to it.
    public let meaning: ReportCell
  }

  /// Creates a list without facts.
  public init() {}

  /// Adds a fact.
  public mutating func add(_ word: String, _ meaning: ReportCell) {
    facts.append(Fact(word: word, meaning: meaning))
  }

  /// The list.
  public var markup: Markup {
    .element(
      "dl", [:],
      facts.map {
        Markup([.element("dt", text: $0.word), .element("dd", [:], [$0.meaning.markup])])
      })
  }
}
