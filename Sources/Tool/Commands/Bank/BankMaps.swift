import Tincture
import TinctureReports

/// Where a bank's bits and losses are, by layer, by kind of tensor and by tensor.
struct BankMaps {
  /// What is known about some tensors of one owner together.
  private struct Tally {
    var bytes = 0
    var elements = 0
    var error = 0.0
    var norm = 0.0

    mutating func add(_ record: VectorRecord, bytes: Int) {
      self.bytes += bytes
      elements += record.content == .absent ? 0 : record.shape.elementCount
      error += record.squaredError
      norm += record.squaredNorm
    }

    /// The relative error; zero for what is stored as it is.
    var relativeError: Double { norm > 0 ? (error / norm).squareRoot() : error > 0 ? .nan : 0 }
  }

  /// Tensors that are shown in one line.
  private struct Line: Hashable, Comparable {
    let group: String
    let layer: Int
    let label: String

    static func < (left: Line, right: Line) -> Bool {
      (left.group, left.layer, left.label) < (right.group, right.layer, right.label)
    }
  }

  private let bank: ExpertBank
  private let experts: [String]

  init(_ bank: ExpertBank, _ experts: [String]) {
    self.bank = bank
    self.experts = experts
  }

  var sections: [ReportSection] {
    let paths = Dictionary(
      uniqueKeysWithValues: bank.manifest.records.keys.map { ($0, ModulePath($0)) })
    let kinds = tallies { name in
      let path = paths[name] ?? ModulePath(name)
      let group = path.layer == nil ? path.module : "\(path.module).*"
      return Line(group: group, layer: 0, label: path.kind)
    }
    let layers = tallies { name in
      let path = paths[name] ?? ModulePath(name)
      guard let layer = path.layer else {
        return Line(group: path.module, layer: 0, label: path.kind)
      }
      return Line(group: path.module, layer: layer, label: "\(layer)")
    }
    let hasLayers = paths.values.contains { $0.layer != nil }
    var sections: [ReportSection] = []
    if hasLayers {
      sections.append(
        ReportSection(
          "Error by layer",
          note: "The relative error of all tensors of a layer together, in per cent.",
          [map("Relative error by layer and expert", layers)]))
    }
    sections.append(
      ReportSection(
        "Error by tensor",
        note: "The relative error of a tensor"
          + (hasLayers ? " in all layers together" : "") + ", in per cent.",
        [map("Relative error by tensor and expert", kinds)]))
    sections.append(
      ReportSection(
        "Bits for each weight",
        note: "The mean over the experts that store the tensor"
          + (hasLayers ? " and over all layers." : "."), [bits(kinds)]))
    return sections
  }

  private func tallies(_ line: (String) -> Line) -> [Line: [VectorOwner: Tally]] {
    var result: [Line: [VectorOwner: Tally]] = [:]
    for name in bank.manifest.records.keys.sorted() {
      let line = line(name)
      for (owner, record) in bank.manifest.records[name] ?? [:] {
        result[line, default: [:]][owner, default: Tally()]
          .add(record, bytes: bank.byteCount(name, of: owner))
      }
    }
    return result
  }

  private func map(_ title: String, _ tallies: [Line: [VectorOwner: Tally]]) -> HeatMap {
    HeatMap(
      title: title, columns: experts,
      rows: tallies.keys.sorted().map { line in
        let owners = tallies[line] ?? [:]
        return .init(
          group: line.group, line.label, experts.map { owners[.expert($0)]?.relativeError })
      }, unit: .fraction, absence: "equals the base")
  }

  private func bits(_ tallies: [Line: [VectorOwner: Tally]]) -> BarChart {
    let isSharing = tallies.values.contains { $0[.shared] != nil }
    let bars = tallies.keys.sorted().map { line in
      let owners = tallies[line] ?? [:]
      let own = experts.compactMap { owners[.expert($0)] }
      let elements = Double(max(1, own.reduce(0) { $0 + $1.elements }))
      var parts = [8 * Double(own.reduce(0) { $0 + $1.bytes }) / elements]
      if isSharing { parts.append(8 * Double(owners[.shared]?.bytes ?? 0) / elements) }
      let label = line.group.isEmpty ? line.label : "\(line.group).\(line.label)"
      return BarChart.Bar(label, parts, text: NumberText.decimal(parts.reduce(0, +), 2))
    }
    return BarChart(
      title: "Bits for each weight by tensor", series: isSharing ? ["own", "shared"] : ["own"],
      bars: bars, unit: .number)
  }

  /// Every stored vector.
  var tensors: ReportTable {
    var table = ReportTable([
      .init("tensor"), .init("owner"), .init("stored as"), .init("shape"),
      .init("size", isNumeric: true), .init("bits/weight", isNumeric: true),
      .init("error", isNumeric: true),
    ])
    for (tensor, owners) in bank.manifest.records.sorted(by: { $0.key < $1.key }) {
      for (owner, record) in owners.sorted(by: { $0.key < $1.key }) {
        let bytes = bank.byteCount(tensor, of: owner)
        var tally = Tally()
        tally.add(record, bytes: bytes)
        let elements = Double(max(1, record.shape.elementCount))
        table.add([
          ReportCell(tensor), ReportCell(BankSummary.name(owner)),
          ReportCell(BankSummary.text(record)), ReportCell(record.shape.description),
          .bytes(bytes), .decimal(8 * Double(bytes) / elements, 2),
          .percent(record.squaredNorm > 0 ? tally.relativeError : nil),
        ])
      }
    }
    return table
  }
}
