/// A grid of cells with numbers, the more intense the larger their number; negative numbers have a colour of their own.
public struct HeatMap: ReportPart, Hashable {
  /// One line of cells.
  public struct Row: Sendable, Hashable {
    /// The heading that it belongs to; a heading is shown where it changes.
    public let group: String
    /// What stands before the cells.
    public let label: String
    /// The numbers, one for each column; nil where there is none.
    public let values: [Double?]

    /// Describes a line.
    public init(group: String = "", _ label: String, _ values: [Double?]) {
      self.group = group
      self.label = label
      self.values = values
    }
  }

  /// What the chart shows.
  public let title: String
  /// The names above the cells.
  public let columns: [String]
  /// The lines from top to bottom.
  public let rows: [Row]
  /// What the numbers mean.
  public let unit: ReportUnit
  /// What it means that a cell has no number.
  public let absence: String

  /// Describes a chart.
  public init(
    title: String, columns: [String], rows: [Row], unit: ReportUnit, absence: String = "nothing"
  ) {
    self.title = title
    self.columns = columns
    self.rows = rows
    self.unit = unit
    self.absence = absence
  }

  private static let cellWidth = 34.0
  private static let cellHeight = 19.0
  private static let headingHeight = 22.0

  /// The magnitude of the most intense cell.
  private var top: Double {
    rows.flatMap(\.values).reduce(0) { largest, value in
      guard let value, value.isFinite else { return largest }
      return max(largest, value.magnitude)
    }
  }

  /// The chart.
  public var markup: Markup {
    guard !rows.isEmpty, !columns.isEmpty else {
      return .element("p", ["class": "note"], text: "Nothing to show.")
    }
    let labels = min(180, max(24, rows.map { ChartText.width($0.label) }.max() ?? 0)) + 8
    let names = min(130, columns.map { ChartText.width($0) }.max() ?? 0) + 8
    let top = self.top
    var pieces: [Markup] = []
    for (index, column) in columns.enumerated() {
      let x = labels + (Double(index) + 0.5) * Self.cellWidth + 4
      pieces.append(
        .element(
          "text",
          [
            "transform":
              "translate(\(ChartText.length(x)) \(ChartText.length(names - 4))) rotate(-90)"
          ],
          [.element("title", text: column), Markup(text: ChartText.cut(column, to: 130))]))
    }
    var y = names
    var group = ""
    var widest = labels + Double(columns.count) * Self.cellWidth
    for row in rows {
      if row.group != group {
        group = row.group
        let shown = ChartText.cut(group, to: 300)
        pieces.append(ChartText.label(shown, x: "0", y: y + 16, ["class": "heading"]))
        widest = max(widest, ChartText.width(shown) + 4)
        y += Self.headingHeight
      }
      pieces += line(row, labels: labels, y: y, top: top)
      y += Self.cellHeight
    }
    let width = ChartText.length(widest + 4)
    let drawing = ChartText.drawing(width: width, height: y + 4, describedAs: title, pieces)
    return Markup([scale(top), .element("div", ["class": "scroll"], [drawing])])
  }

  private func line(_ row: Row, labels: Double, y: Double, top: Double) -> [Markup] {
    var pieces = [
      Markup.element(
        "text",
        [
          "x": ChartText.length(labels - 6), "y": ChartText.length(y + 14),
          "text-anchor": "end",
        ],
        [
          .element("title", text: row.label), Markup(text: ChartText.cut(row.label, to: 180)),
        ])
    ]
    for (index, column) in columns.enumerated() {
      let value = row.values.indices.contains(index) ? row.values[index] : nil
      let place = row.group.isEmpty ? row.label : "\(row.group) · \(row.label)"
      let meaning = value.map { $0.isNaN ? "not a number" : unit.text($0) } ?? absence
      pieces.append(
        .element(
          "rect",
          Self.look(value, top) + [
            "x": ChartText.length(labels + Double(index) * Self.cellWidth),
            "y": ChartText.length(y), "width": ChartText.length(Self.cellWidth - 1),
            "height": ChartText.length(Self.cellHeight - 1),
          ], [.element("title", text: "\(place), \(column): \(meaning)")]))
      guard let value, value.isFinite, value != 0 else { continue }
      let isStrong = Self.strength(value, top) > 0.55
      pieces.append(
        ChartText.label(
          unit.shortText(value),
          x: ChartText.length(labels + (Double(index) + 0.5) * Self.cellWidth), y: y + 14,
          ["class": isStrong ? "cell strong" : "cell", "text-anchor": "middle"]))
    }
    return pieces
  }

  private static func strength(_ value: Double, _ top: Double) -> Double {
    top > 0 ? value.magnitude / top : 0
  }

  private static func look(_ value: Double?, _ top: Double) -> MarkupAttributes {
    guard let value else { return ["class": "none"] }
    guard value.isFinite else { return ["class": "odd"] }
    return [
      "class": value < 0 ? "cold" : "hot",
      "fill-opacity": NumberText.decimal(0.05 + 0.95 * strength(value, top), 3),
    ]
  }

  /// What the intensities mean.
  private func scale(_ top: Double) -> Markup {
    let isSigned = rows.contains { $0.values.contains { ($0 ?? 0) < 0 } }
    let steps = isSigned ? [-1, -0.5, 0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]
    var items = steps.map { step in
      let look = Self.look(step * top, top)
      return Markup.element(
        "span", [:],
        [
          .element(
            "svg",
            [
              "xmlns": "http://www.w3.org/2000/svg", "class": "swatch", "width": "14",
              "height": "14",
            ], [.element("rect", look + ["width": "14", "height": "14"])]),
          Markup(text: unit.text(step * top)),
        ])
    }
    if rows.contains(where: { $0.values.contains { $0 == nil } }) {
      items.append(
        .element("span", [:], [.element("span", ["class": "swatch none"]), Markup(text: absence)]))
    }
    return .element("p", ["class": "legend"], items)
  }
}
