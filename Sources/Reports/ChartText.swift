/// Texts and lengths of charts, in pixels.
enum ChartText {
  /// A length without superfluous digits.
  static func length(_ pixels: Double) -> String {
    pixels == pixels.rounded() ? NumberText.decimal(pixels, 0) : NumberText.decimal(pixels, 2)
  }

  /// A share of the width.
  static func share(_ fraction: Double) -> String {
    NumberText.decimal(100 * fraction, 3) + "%"
  }

  /// About how wide a text is at 12 pixels; charts are laid out without knowing the font.
  static func width(_ text: String) -> Double {
    text.unicodeScalars.reduce(0) { $0 + width($1) }
  }

  private static func width(_ scalar: Unicode.Scalar) -> Double { scalar.value < 0x1100 ? 7.4 : 13 }

  /// The text, cut in the middle to a width: beginnings tell families of names apart, ends their members.
  static func cut(_ text: String, to width: Double) -> String {
    guard self.width(text) > width else { return text }
    let scalars = Array(text.unicodeScalars)
    var (head, tail) = (0, scalars.count)
    var room = width - 13
    while head < tail {
      let isHead = head <= scalars.count - tail
      room -= self.width(scalars[isHead ? head : tail - 1])
      guard room >= 0 else { break }
      if isHead { head += 1 } else { tail -= 1 }
    }
    var result = String.UnicodeScalarView(scalars[..<head])
    result.append("…")
    result.append(contentsOf: scalars[tail...])
    return String(result)
  }

  /// An element of text.
  static func label(
    _ text: String, x: String, y: Double, _ more: MarkupAttributes = [:]
  ) -> Markup {
    .element("text", ["x": x, "y": length(y)] + more, text: text)
  }

  /// How a text stands at a place on a line from 0 to 1, so that it does not leave the line.
  static func anchor(_ fraction: Double) -> String {
    fraction < 0.05 ? "start" : fraction > 0.95 ? "end" : "middle"
  }

  /// The frame of a chart; its description is for those who do not see it.
  static func drawing(
    width: String, height: Double, describedAs description: String, _ contents: [Markup]
  ) -> Markup {
    .element(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "width": width, "height": length(height),
        "role": "img", "aria-label": description,
      ], contents)
  }

  /// What each colour stands for.
  static func legend(_ series: [String]) -> Markup {
    guard series.count > 1 else { return Markup([]) }
    let items = series.enumerated().map { index, name in
      Markup.element(
        "span", [:],
        [
          .element("span", ["class": "swatch \(colour(index))"]), Markup(text: name),
        ])
    }
    return .element("p", ["class": "legend"], items)
  }

  /// The class that colours a series; there are ten.
  static func colour(_ index: Int) -> String { "c\(index % 10)" }
}
