import Testing
import TinctureReports

@Suite("Axes")
struct AxisScaleTests {
  @Test(
    "Marks are round numbers that enclose the values",
    arguments: [
      ([0, 7], [0, 2, 4, 6, 8]), ([0.3], [0, 0.1, 0.2, 0.3]),
      ([0, 100], [0, 20, 40, 60, 80, 100]),
      ([-1, 1], [-1, -0.5, 0, 0.5, 1]), ([0, 0.0012], [0, 0.0005, 0.001, 0.0015]),
      ([12_000_000], [0, 5e6, 1e7, 1.5e7]),
    ] as [([Double], [Double])])
  func marks(values: [Double], wanted: [Double]) {
    let axis = AxisScale(covering: values)
    #expect(axis.marks.count == wanted.count, "\(axis.marks)")
    for (mark, value) in zip(axis.marks, wanted) {
      #expect((mark - value).magnitude <= 1e-9 * max(1, value.magnitude), "\(axis.marks)")
    }
  }

  @Test(
    "Whatever the values, an axis has two to seven marks in order, and covers what is finite",
    arguments: [
      [], [.nan], [.infinity, -.infinity], [0], [5], [-5], [1e300, -1e300],
      [.greatestFiniteMagnitude],
      [.leastNonzeroMagnitude], [.leastNonzeroMagnitude, 8 * .leastNonzeroMagnitude],
      [1, 1 + 1e-15], [3.7, .nan, 9.2],
    ] as [[Double]], [true, false])
  func robust(values: [Double], startsAtZero: Bool) {
    let axis = AxisScale(covering: values, startsAtZero: startsAtZero)
    #expect((2...7).contains(axis.marks.count), "\(axis.marks)")
    #expect(axis.low.isFinite && axis.high.isFinite && axis.low < axis.high)
    #expect(zip(axis.marks, axis.marks.dropFirst()).allSatisfy { $0 < $1 })
    for value in values {
      #expect((0...1).contains(axis.fraction(value)))
      if value.isFinite, value.magnitude < 1e299 {
        #expect(axis.low <= value && value <= axis.high)
      }
    }
    #expect(axis.marks.allSatisfy { !axis.text($0, .number).isEmpty })
  }

  @Test("Without zero an axis stays near the values")
  func near() {
    let axis = AxisScale(covering: [100, 104], startsAtZero: false)
    #expect(axis.low == 100 && axis.high == 104)
  }

  @Test("Marks have no more digits than they need")
  func text() {
    let axis = AxisScale(covering: [0.3])
    #expect(axis.marks.map { axis.text($0, .number) } == ["0.0", "0.1", "0.2", "0.3"])
    #expect(axis.marks.map { axis.text($0, .fraction) } == ["0 %", "10 %", "20 %", "30 %"])
    let bytes = AxisScale(covering: [3_000_000])
    #expect(bytes.marks.last.map { bytes.text($0, .bytes) } == "3.0 MB")
  }
}
