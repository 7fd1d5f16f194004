import Tincture
import TinctureReports

/// Distributions of weights as text, as JSON and as a page.
struct DistributionView {
  let model: WeightDistribution
  let tensors: [String: WeightDistribution]

  /// The headings of what `cells` gives.
  static let header = ["mean", "deviation", "least", "largest", "distribution"]

  init(_ found: (model: WeightDistribution, tensors: [WeightDistribution])) {
    model = found.model
    tensors = Dictionary(found.tensors.map { ($0.name, $0) }) { first, _ in first }
  }

  /// The figures of a tensor for a table; dashes where it has none.
  func cells(_ tensor: String) -> [String] {
    guard let found = tensors[tensor], found.moments.count > 0 else {
      return ["–", "–", "–", "–", ""]
    }
    let moments = found.moments
    return [
      moments.mean, moments.deviation, Double(moments.smallest), Double(moments.largest),
    ].map { NumberText.significant($0, 3) } + [Self.sparkline(found.histogram)]
  }

  /// The histogram of the model, a line for each interval.
  var text: String {
    let (moments, histogram) = (model.moments, model.histogram)
    guard moments.count > 0 else { return "no elements" }
    var lines = [
      "\(moments.count) elements, mean \(NumberText.significant(moments.mean, 4)), deviation"
        + " \(NumberText.significant(moments.deviation, 4)),"
        + " \(NumberText.percent(Double(moments.zeros) / Double(moments.count), 2)) zero"
    ]
    if moments.nonFinite > 0 { lines.append("\(moments.nonFinite) elements are not finite") }
    var rows: [(label: String, count: Int)] = []
    if histogram.below > 0 {
      rows.append(
        ("from \(NumberText.significant(Double(moments.smallest), 3))", histogram.below))
    }
    for bin in histogram.counts.indices {
      rows.append((NumberText.significant(histogram.edge(bin), 3), histogram.counts[bin]))
    }
    if histogram.above > 0 {
      rows.append(("to \(NumberText.significant(Double(moments.largest), 3))", histogram.above))
    }
    let most = rows.map(\.count).max() ?? 0
    var table = Table(["from", "share", ""], alignRight: [0, 1])
    for row in rows {
      table.add([
        row.label, NumberText.percent(Double(row.count) / Double(moments.count), 2),
        Self.bar(row.count, of: most),
      ])
    }
    return (lines + [table.text]).joined(separator: "\n")
  }

  /// A bar of up to 40 letters, in eighths.
  private static func bar(_ count: Int, of most: Int) -> String {
    guard most > 0, count > 0 else { return "" }
    let eighths = max(1, Int((320 * Double(count) / Double(most)).rounded()))
    let rest = eighths % 8 == 0 ? "" : String("▏▎▍▌▋▊▉"[eighths % 8 - 1])
    return String(repeating: "█", count: eighths / 8) + rest
  }

  /// One letter for each interval.
  private static func sparkline(_ histogram: WeightDistribution.Histogram) -> String {
    let most = histogram.counts.max() ?? 0
    return String(
      histogram.counts.map { count in
        guard most > 0, count > 0 else { return " " }
        return "▁▂▃▄▅▆▇█"[min(7, Int(8 * Double(count) / Double(most)))]
      })
  }

  /// The distributions as a page: the model's, and a line of cells for every tensor.
  func page(of name: String, tensors names: [String]) -> ReportPage {
    let histogram = model.histogram
    let total = Double(max(1, model.moments.count))
    var page = ReportPage(
      title: "The weights of \(name)",
      introduction: "\(model.moments.count) elements with the mean"
        + " \(NumberText.significant(model.moments.mean, 4)) and the deviation"
        + " \(NumberText.significant(model.moments.deviation, 4)).")
    page.sections = [
      ReportSection(
        "The whole model",
        note: "Elements by size, four deviations to both sides of the mean; \(histogram.below) lie"
          + " below and \(histogram.above) above.",
        [
          BarChart(
            title: "Share of elements by size", series: ["elements"],
            bars: histogram.counts.indices.map { bin in
              let share = Double(histogram.counts[bin]) / total
              return BarChart.Bar(
                "from \(NumberText.significant(histogram.edge(bin), 3))", [share],
                text: NumberText.percent(share, 2))
            }, unit: .fraction)
        ]),
      ReportSection(
        "Tensors",
        note:
          "Each line is a tensor; its cells go from four deviations below its mean to four above, or as"
          + " far as it has elements. Numbers are per cent of its elements.",
        [
          HeatMap(
            title: "Share of elements by tensor and interval",
            columns: histogram.counts.indices.map { "\($0 + 1)" },
            rows: names.compactMap { row($0) }, unit: .fraction)
        ]),
    ]
    return page
  }

  private func row(_ tensor: String) -> HeatMap.Row? {
    guard let found = tensors[tensor], found.moments.count > 0 else { return nil }
    let path = ModulePath(tensor)
    let group = path.layer.map { "\(path.module).\($0)" } ?? path.module
    return HeatMap.Row(
      group: group, path.kind,
      found.histogram.counts.map { Double($0) / Double(found.moments.count) })
  }
}

extension String {
  /// The character at a place.
  fileprivate subscript(place: Int) -> Character { self[index(startIndex, offsetBy: place)] }
}

extension WeightDistribution {
  /// The figures for programs.
  var json: JSONValue {
    func number(_ value: Double) -> JSONValue {
      value.isFinite ? .number("\(value)") : .null
    }
    return .object(
      JSONObject([
        ("count", .integer(moments.count)), ("zeros", .integer(moments.zeros)),
        ("not_finite", .integer(moments.nonFinite)), ("mean", number(moments.mean)),
        ("deviation", number(moments.deviation)),
        ("smallest", number(Double(moments.smallest))),
        ("largest", number(Double(moments.largest))),
        (
          "edges",
          .array((0...histogram.counts.count).map { number(histogram.edge($0)) })
        ),
        ("counts", .array(histogram.counts.map { .integer($0) })),
        ("below", .integer(histogram.below)), ("above", .integer(histogram.above)),
      ]))
  }
}
