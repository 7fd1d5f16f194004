/// Horizontal bars, each made of one part or of several on end.
///
/// Bars take the width that there is, while texts keep their size, so the chart can be read on a phone.
public struct BarChart: ReportPart, Hashable {
  /// One bar.
  public struct Bar: Sendable, Hashable {
    /// What stands above it.
    public let label: String
    /// The lengths of its parts, one for each series; none is drawn for what is negative or not finite.
    public let parts: [Double]
    /// The value in words; nil shows the sum of the parts.
    public let text: String?

    /// Describes a bar.
    public init(_ label: String, _ parts: [Double], text: String? = nil) {
      self.label = label
      self.parts = parts
      self.text = text
    }

    var length: Double { parts.reduce(0) { $0 + BarChart.drawn($1) } }
  }

  /// What the chart shows.
  public let title: String
  /// The names of the parts; shown when there are several.
  public let series: [String]
  /// The bars from top to bottom.
  public let bars: [Bar]
  /// What the lengths mean.
  public let unit: ReportUnit

  /// Describes a chart.
  public init(title: String, series: [String], bars: [Bar], unit: ReportUnit) {
    self.title = title
    self.series = series
    self.bars = bars
    self.unit = unit
  }

  private static let rowHeight = 34.0

  static func drawn(_ value: Double) -> Double { value.isFinite && value > 0 ? value : 0 }

  /// The chart.
  public var markup: Markup {
    guard !bars.isEmpty else { return .element("p", ["class": "note"], text: "Nothing to show.") }
    let axis = AxisScale(covering: bars.map(\.length), intervals: 4)
    let bottom = Double(bars.count) * Self.rowHeight + 4
    var pieces: [Markup] = []
    for mark in axis.marks {
      let fraction = axis.fraction(mark)
      let x = ChartText.share(fraction)
      pieces.append(
        .element(
          "line",
          [
            "class": "grid", "x1": x, "x2": x, "y1": "0",
            "y2": ChartText.length(bottom),
          ]))
      pieces.append(
        ChartText.label(
          axis.text(mark, unit), x: x, y: bottom + 14,
          ["class": "mark", "text-anchor": ChartText.anchor(fraction)]))
    }
    for (index, bar) in bars.enumerated() {
      pieces += row(bar, axis, top: Double(index) * Self.rowHeight)
    }
    return Markup([
      ChartText.legend(series),
      ChartText.drawing(width: "100%", height: bottom + 20, describedAs: title, pieces),
    ])
  }

  private func row(_ bar: Bar, _ axis: AxisScale, top: Double) -> [Markup] {
    let sum = bar.parts.reduce(0, +)
    let text = bar.text ?? unit.text(sum)
    var pieces = [
      Markup.element(
        "text", ["x": "0", "y": ChartText.length(top + 14)],
        [
          .element("title", text: bar.label), Markup(text: ChartText.cut(bar.label, to: 230)),
        ]),
      ChartText.label(
        text, x: "100%", y: top + 14, ["class": "value", "text-anchor": "end"]),
    ]
    var start = 0.0
    for (index, part) in bar.parts.enumerated() where Self.drawn(part) > 0 {
      let end = start + part
      let name = series.indices.contains(index) ? ", \(series[index])" : ""
      pieces.append(
        .element(
          "rect",
          [
            "class": ChartText.colour(index), "x": ChartText.share(axis.fraction(start)),
            "width": ChartText.share(axis.fraction(end) - axis.fraction(start)),
            "y": ChartText.length(top + 19), "height": "11",
          ], [.element("title", text: "\(bar.label)\(name): \(unit.text(part))")]))
      start = end
    }
    return pieces
  }
}
