import Testing
import TinctureReports

@Suite("Pages")
struct ReportPageTests {
  private func page() -> ReportPage {
    var table = ReportTable([.init("tensor"), .init("size", isNumeric: true)])
    table.add(["<b>", .bytes(12_345)])
    table.add([ReportCell("plain"), .percent(nil)])
    var facts = ReportFacts()
    facts.add("base", ReportCell("a & b"))
    facts.add("fraction", .percent(0.125))
    return ReportPage(
      title: "A <title>", introduction: "One & two.",
      sections: [
        ReportSection("Facts", note: "A note.", [facts]),
        ReportSection("All", isFolded: true, [table]),
      ])
  }

  @Test("A page is well-formed, and holds its texts and the numbers behind them")
  func wellFormed() {
    let html = page().html
    #expect(html.hasPrefix("<!DOCTYPE html>\n<html"))
    let read = WellFormed(html)
    for text in ["A <title>", "One & two.", "A note.", "<b>", "12.3 kB", "a & b", "12.5 %", "–"] {
      #expect(read.texts.contains(text), "\(text)")
    }
    #expect(read.all("data").map { $0["value"] } == ["0.125", "12345"])
    #expect(read.all("td").map { $0["class"] } == [nil, "number", nil, "number"])
    #expect(read.all("details").count == 1)
  }

  @Test("A page needs nothing from elsewhere and runs nothing")
  func selfContained() {
    let html = page().html
    let read = WellFormed(html)
    for (name, attributes) in read.elements {
      #expect(!["script", "link", "img", "iframe", "object", "use"].contains(name))
      for key in ["src", "href", "xlink:href", "style"] { #expect(attributes[key] == nil) }
      #expect(!attributes.keys.contains { $0.hasPrefix("on") })
    }
    #expect(!html.contains("url(") && !html.contains("@import"))
    let policy = read.all("meta").first { $0["http-equiv"] == "Content-Security-Policy" }
    #expect(policy?["content"]?.hasPrefix("default-src 'none'") == true)
  }

  @Test("The same values give the same bytes")
  func deterministic() { #expect(page().html == page().html) }
}

@Suite("Progress in words")
struct ProgressMeterTests {
  private let start = ContinuousClock.now

  @Test("Share, bytes, rate and time left")
  func text() {
    var meter = ProgressMeter(total: 4_000_000, at: start)
    meter.advance(by: 1_000_000)
    #expect(meter.text(at: start + .seconds(2)) == "25 %  1.0 MB of 4.0 MB  500.0 kB/s  6 s left")
    #expect(!meter.isComplete)
    meter.advance(by: 3_000_000)
    #expect(meter.isComplete)
    #expect(meter.text(at: start + .seconds(4)) == "100 %  4.0 MB of 4.0 MB  1.0 MB/s  0 s left")
  }

  @Test("Every ten per cent is told once, and nothing before patience ends")
  func milestones() {
    func shares(_ patience: Duration, every step: Duration) -> [String] {
      var meter = ProgressMeter(total: 40, at: start)
      return (1...40).compactMap { count in
        meter.advance(by: 1)
        let text = meter.milestone(at: start + step * count, patience: patience)
        return text.map { String($0.prefix { $0 != " " }) }
      }
    }
    #expect(
      shares(.zero, every: .milliseconds(1))
        == ["10", "20", "30", "40", "50", "60", "70", "80", "90", "100"])
    #expect(shares(.seconds(1), every: .milliseconds(20)) == [])
    #expect(shares(.seconds(1), every: .milliseconds(50)) == ["50", "60", "70", "80", "90", "100"])
  }

  @Test("Nothing to do is done, and large numbers are no trouble")
  func extremes() {
    var meter = ProgressMeter(total: 0, at: start)
    #expect(meter.isComplete)
    #expect(meter.milestone(at: start)?.hasPrefix("100 %") == true)
    meter = ProgressMeter(total: .max, at: start)
    meter.advance(by: .max / 2)
    #expect(meter.text(at: start + .nanoseconds(1)).hasPrefix("50 %"))
    #expect(meter.milestone(at: start) != nil)
  }

  @Test("After a restart the rate counts from there")
  func restart() {
    var meter = ProgressMeter(total: 100, at: start)
    meter.advance(by: 50)
    meter.restart(at: start + .seconds(10))
    #expect(meter.text(at: start + .seconds(11)) == "50 %  50 B of 100 B  0 B/s  – left")
    meter.advance(by: 25)
    #expect(meter.text(at: start + .seconds(11)) == "75 %  75 B of 100 B  25 B/s  1 s left")
  }
}
