/// Curves over a common horizontal axis.
///
/// A point that is not finite interrupts its curve.
public struct LineChart: ReportPart, Hashable {
  /// A place on a curve.
  public struct Point: Sendable, Hashable {
    /// Where it lies along the horizontal axis.
    public let x: Double
    /// Where it lies along the vertical axis.
    public let y: Double

    /// Creates a place.
    public init(_ x: Double, _ y: Double) {
      self.x = x
      self.y = y
    }

    var isFinite: Bool { x.isFinite && y.isFinite }
  }

  /// One curve.
  public struct Curve: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// Its places in the order in which they are joined.
    public let points: [Point]

    /// Describes a curve.
    public init(_ name: String, _ points: [Point]) {
      self.name = name
      self.points = points
    }
  }

  /// What the chart shows.
  public let title: String
  /// The curves.
  public let curves: [Curve]
  /// What the vertical axis means.
  public let unit: ReportUnit
  /// Whether the vertical axis begins at zero.
  public let startsAtZero: Bool

  /// Describes a chart.
  public init(title: String, curves: [Curve], unit: ReportUnit, startsAtZero: Bool = false) {
    self.title = title
    self.curves = curves
    self.unit = unit
    self.startsAtZero = startsAtZero
  }

  private static let top = 18.0
  private static let height = 200.0

  /// The chart.
  public var markup: Markup {
    let points = curves.flatMap(\.points).filter(\.isFinite)
    guard !points.isEmpty else {
      return .element("p", ["class": "note"], text: "Nothing to show.")
    }
    let across = AxisScale(covering: points.map(\.x), startsAtZero: false, intervals: 4)
    let upwards = AxisScale(covering: points.map(\.y), startsAtZero: startsAtZero, intervals: 4)
    var pieces: [Markup] = []
    for mark in upwards.marks {
      let y = Self.top + (1 - upwards.fraction(mark)) * Self.height
      let text = ChartText.length(y)
      pieces.append(
        .element(
          "line",
          ["class": "grid", "x1": "0", "x2": "100%", "y1": text, "y2": text]))
      pieces.append(
        ChartText.label(upwards.text(mark, unit), x: "0", y: y - 3, ["class": "mark"]))
    }
    for mark in across.marks {
      let fraction = across.fraction(mark)
      pieces.append(
        ChartText.label(
          across.text(mark, .number), x: ChartText.share(fraction), y: Self.top + Self.height + 16,
          ["class": "mark", "text-anchor": ChartText.anchor(fraction)]))
    }
    pieces.append(plot(across, upwards))
    return Markup([
      ChartText.legend(curves.map(\.name)),
      ChartText.drawing(
        width: "100%", height: Self.top + Self.height + 22, describedAs: title, pieces),
    ])
  }

  /// The curves in a square of a thousand units that is stretched to the width that there is.
  private func plot(_ across: AxisScale, _ upwards: AxisScale) -> Markup {
    func place(_ point: Point) -> String {
      let x = ChartText.length(1000 * across.fraction(point.x))
      let y = ChartText.length(1000 * (1 - upwards.fraction(point.y)))
      return "\(x),\(y)"
    }
    var lines: [Markup] = []
    for (index, curve) in curves.enumerated() {
      for run in curve.points.split(whereSeparator: { !$0.isFinite }) {
        // A single place is drawn as a dot: a line to itself with round ends.
        let places = (run.count == 1 ? Array(run) + Array(run) : Array(run)).map(place)
        lines.append(
          .element(
            "polyline",
            [
              "class": "curve \(ChartText.colour(index))",
              "points": places.joined(separator: " "),
              "vector-effect": "non-scaling-stroke",
            ], [.element("title", text: curve.name)]))
      }
    }
    return .element(
      "svg",
      [
        "x": "0", "y": ChartText.length(Self.top), "width": "100%",
        "height": ChartText.length(Self.height), "viewBox": "0 0 1000 1000",
        "preserveAspectRatio": "none", "overflow": "visible",
      ], lines)
  }
}
