import Testing
import TinctureReports

@Suite("Charts")
struct ChartTests {
  private static let hostile = "</svg><script>x</script>\" onload=\"y\u{202e}&amp;"

  @Test("Charts of hostile names are well-formed and hold no element but their own")
  func hostile() {
    let name = Self.hostile
    let parts: [any ReportPart] = [
      BarChart(
        title: name, series: [name, name], bars: [.init(name, [1, 2], text: name)], unit: .bytes),
      HeatMap(
        title: name, columns: [name], rows: [.init(group: name, name, [0.5])], unit: .fraction,
        absence: name),
      LineChart(title: name, curves: [.init(name, [.init(0, 1), .init(1, 2)])], unit: .number),
    ]
    let known: Set = [
      "root", "svg", "g", "text", "title", "rect", "line", "polyline", "p", "span", "div",
    ]
    for part in parts {
      let page = WellFormed(part)
      #expect(page.elements.allSatisfy { known.contains($0.name) })
      #expect(page.elements.allSatisfy { $0.attributes["onload"] == nil })
      let shown = name.replacing("\u{202e}", with: "\u{fffd}")
      #expect(page.texts.contains { $0.contains(shown) }, "\(page.texts)")
    }
  }

  @Test("Without values a chart says so")
  func empty() {
    let parts: [any ReportPart] = [
      BarChart(title: "", series: [], bars: [], unit: .number),
      HeatMap(title: "", columns: ["a"], rows: [], unit: .number),
      HeatMap(title: "", columns: [], rows: [.init("a", [])], unit: .number),
      LineChart(title: "", curves: [], unit: .number),
      LineChart(
        title: "", curves: [.init("a", [.init(.nan, 1), .init(1, .infinity)])], unit: .number),
    ]
    for part in parts { #expect(WellFormed(part).texts == ["Nothing to show."]) }
  }

  @Test("No length of a chart is other than a number, whatever the values")
  func notFinite() {
    let odd: [Double] = [.nan, .infinity, -.infinity, -1, 0, 1e308, .leastNonzeroMagnitude, -0.0]
    let parts: [any ReportPart] = [
      BarChart(
        title: "t", series: ["a", "b"], bars: odd.map { .init("x", [$0, 1]) } + [.init("y", [])],
        unit: .bytes),
      BarChart(title: "t", series: ["a"], bars: odd.map { .init("x", [$0]) }, unit: .fraction),
      HeatMap(
        title: "t", columns: ["a", "b", "c"], rows: odd.map { .init("x", [$0, nil]) }, unit: .number
      ),
      LineChart(
        title: "t", curves: [.init("c", odd.enumerated().map { .init(Double($0.0), $0.1) })],
        unit: .number),
    ]
    for part in parts {
      for (name, attributes) in WellFormed(part).elements {
        for (key, value) in attributes
        where ["x", "y", "x1", "x2", "y1", "y2", "width", "height", "fill-opacity"].contains(key) {
          let number = Double(value.hasSuffix("%") ? String(value.dropLast()) : value)
          #expect(number?.isFinite == true, "\(name) \(key)=\(value)")
          if key == "width" || key == "height" { #expect(number ?? -1 >= 0) }
        }
        for pair in (attributes["points"] ?? "0,0").split(separator: " ") {
          #expect(pair.split(separator: ",").compactMap { Double($0) }.count == 2)
        }
      }
    }
  }

  @Test("Bars are as long as their parts, on end")
  func bars() {
    let chart = BarChart(
      title: "t", series: ["own", "shared"],
      bars: [.init("a", [30, 10]), .init("b", [80, .nan])], unit: .number)
    let page = WellFormed(chart)
    let rectangles = page.all("rect")
    #expect(rectangles.map { $0["x"] } == ["0.000%", "37.500%", "0.000%"])
    #expect(rectangles.map { $0["width"] } == ["37.500%", "12.500%", "100.000%"])
    for text in ["a, own: 30.0", "a, shared: 10.0", "own", "shared", "40.0", "–"] {
      #expect(page.texts.contains(text), "\(text) in \(page.texts)")
    }
  }

  @Test("Cells are the stronger the larger their number, by sign, and say what they mean")
  func cells() {
    let map = HeatMap(
      title: "t", columns: ["e1", "e2"],
      rows: [.init(group: "g", "0", [0.5, -1]), .init(group: "g", "1", [nil, .nan])],
      unit: .fraction, absence: "equals the base")
    let page = WellFormed(map)
    let cells = page.all("rect").filter { $0["x"] != nil }
    #expect(cells.map { $0["class"] } == ["hot", "cold", "none", "odd"])
    #expect(cells.map { $0["fill-opacity"] } == ["0.525", "1.000", nil, nil])
    for text in [
      "g · 0, e1: 50.0 %", "g · 0, e2: -100.0 %", "g · 1, e1: equals the base",
      "g · 1, e2: not a number",
    ] {
      #expect(page.texts.contains(text), "\(text) in \(page.texts)")
    }
    #expect(page.texts.filter { $0 == "g" }.count == 1)
  }

  @Test("A point that is not finite interrupts its curve, a lone one is a dot")
  func curves() {
    let chart = LineChart(
      title: "t",
      curves: [
        .init("loss", [.init(0, 4), .init(1, 2), .init(2, .nan), .init(3, 0), .init(4, .nan)])
      ],
      unit: .number)
    let lines = WellFormed(chart).all("polyline").map { $0["points"] ?? "" }
    #expect(lines == ["0,0 333.33,500", "1000,1000 1000,1000"])
  }

  @Test("Long names are cut in the middle, and stand in full where they are pointed at")
  func longNames() {
    let name = String(repeating: "abcdefghij", count: 100_000)
    let page = WellFormed(
      BarChart(title: "t", series: ["s"], bars: [.init(name, [1])], unit: .number))
    #expect(page.texts.contains(name))
    let short = page.texts.first { $0.contains("…") }
    #expect(short?.hasPrefix("abc") == true && short?.hasSuffix("hij") == true)
    #expect((short?.count ?? 0) < 40)
  }
}
