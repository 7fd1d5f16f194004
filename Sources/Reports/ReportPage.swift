/// A page of its own: no scripts, nothing fetched from elsewhere, light or dark as the reader has it.
///
/// The same values always give the same bytes.
public struct ReportPage: Sendable {
  /// What the page is about.
  public let title: String
  /// What is said first, below the title.
  public let introduction: String
  /// The sections in order.
  public var sections: [ReportSection]

  /// Creates a page.
  public init(title: String, introduction: String, sections: [ReportSection] = []) {
    self.title = title
    self.introduction = introduction
    self.sections = sections
  }

  /// The page as HTML that is well-formed XML, too.
  public var html: String {
    let head = Markup.element(
      "head", [:],
      [
        .element("meta", ["charset": "utf-8"]),
        .element(
          "meta",
          [
            "http-equiv": "Content-Security-Policy",
            "content": "default-src 'none'; style-src 'unsafe-inline'",
          ]),
        .element(
          "meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]),
        .element("meta", ["name": "color-scheme", "content": "light dark"]),
        .element("title", text: title), .style(ReportStyle.sheet),
      ])
    let body = Markup.element(
      "body", [:],
      [
        .element(
          "main", [:],
          [.element("h1", text: title), .element("p", text: introduction)]
            + sections.map(\.markup))
      ])
    let page = Markup.element(
      "html", ["lang": "en", "xmlns": "http://www.w3.org/1999/xhtml"], [head, body])
    return "<!DOCTYPE html>\n\(page.source)\n"
  }
}

/// A part of a page under a heading.
public struct ReportSection: ReportPart {
  /// The heading.
  public let heading: String
  /// How to read what follows; nothing when empty.
  public let note: String
  /// Charts, tables and facts.
  public let parts: [any ReportPart]
  /// Whether the parts are hidden until the reader asks for them.
  public let isFolded: Bool

  /// Creates a section.
  public init(
    _ heading: String, note: String = "", isFolded: Bool = false, _ parts: [any ReportPart]
  ) {
    self.heading = heading
    self.note = note
    self.isFolded = isFolded
    self.parts = parts
  }

  /// The section.
  public var markup: Markup {
    var pieces = [Markup.element("h2", text: heading)]
    if !note.isEmpty { pieces.append(.element("p", ["class": "note"], text: note)) }
    let contents = parts.map(\.markup)
    pieces +=
      isFolded
      ? [.element("details", [:], [.element("summary", text: "Show all")] + contents)] : contents
    return .element("section", [:], pieces)
  }
}
