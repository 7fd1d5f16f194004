import Tincture
import TinctureReports

/// A comparison as a page: models, pairs of them as heat maps, layers, and every tensor.
struct DiffPage {
  private let report: DiffReport

  init(_ report: DiffReport) { self.report = report }

  var page: ReportPage {
    let count = report.models.count
    var page = ReportPage(
      title: "What \(count) model\(count == 1 ? "" : "s") learned beyond \(report.base)",
      introduction: "A task vector is a model less its base. \(report.tensors.count) tensors with"
        + " \(report.tensors.reduce(0) { $0 + $1.shape.elementCount }) elements.")
    page.sections = [ReportSection("Models", note: modelNote, [models])]
    if count > 1 {
      page.sections += [
        ReportSection(
          "Cosines between task vectors", note: "Over all tensors together.",
          [pairs("Cosine between the task vectors of two models", report.summary.cosines, .number)]),
        ReportSection(
          "Signs that agree",
          note:
            "Of the elements that both models changed, the share that moved in the same direction;"
            + " half of them by chance.",
          [
            pairs(
              "Share of elements of the same sign in two task vectors", report.summary.signs,
              .fraction)
          ]),
      ]
      if report.hasSpectra {
        page.sections.append(
          ReportSection(
            "Directions that are shared",
            note:
              "How much of the first \(report.rank) singular directions of one task vector lies in"
              + " those of another, left and right together: the mean over the matrices.",
            [
              pairs(
                "Share of leading singular directions that two task vectors have in common",
                report.summary.alignment, .fraction)
            ]))
      }
    }
    page.sections += byLayer
    page.sections.append(
      ReportSection("Tensors", note: tensorNote, isFolded: true, [tensors]))
    return page
  }

  private var modelNote: String {
    "The norm of the task vector, also as a share of the base's norm."
      + (report.hasSpectra
        ? " Effective rank is the mean over the matrices of the share of singular directions in use, stable"
          + " rank the mean of ‖τ‖² / σ₁²." : "")
  }

  private var models: ReportTable {
    var columns: [ReportTable.Column] = [
      .init("model"), .init("norm", isNumeric: true), .init("of base", isNumeric: true),
    ]
    if report.hasSpectra {
      columns += [.init("effective rank", isNumeric: true), .init("stable rank", isNumeric: true)]
    }
    var table = ReportTable(columns)
    let summary = report.summary
    for (index, model) in report.models.enumerated() {
      var row: [ReportCell] = [
        ReportCell(model), .decimal(summary.norms[index], 3),
        .percent(report.share(summary.norms[index], of: summary.baseNorm)),
      ]
      if report.hasSpectra {
        row += [.percent(summary.effectiveRanks[index]), .decimal(summary.stableRanks[index], 1)]
      }
      table.add(row)
    }
    return table
  }

  private func pairs(_ title: String, _ values: [[Double?]], _ unit: ReportUnit) -> HeatMap {
    HeatMap(
      title: title, columns: report.models,
      rows: zip(report.models, values).map { HeatMap.Row($0, $1) }, unit: unit,
      absence: "nothing was changed")
  }

  // MARK: By layer

  private struct Line: Hashable, Comparable {
    let group: String
    let layer: Int
    let label: String

    static func < (left: Line, right: Line) -> Bool {
      (left.group, left.layer, left.label) < (right.group, right.layer, right.label)
    }
  }

  private var byLayer: [ReportSection] {
    var groups: [Line: [TensorComparison]] = [:]
    for tensor in report.tensors {
      let path = ModulePath(tensor.name)
      let line =
        path.layer.map { Line(group: path.module, layer: $0, label: "\($0)") }
        ?? Line(group: path.module, layer: 0, label: path.kind)
      groups[line, default: []].append(tensor)
    }
    let lines = groups.keys.sorted()
    func map(
      _ title: String, _ unit: ReportUnit, _ value: ([TensorComparison], Int) -> Double?
    ) -> HeatMap {
      HeatMap(
        title: title, columns: report.models,
        rows: lines.map { line in
          HeatMap.Row(
            group: line.group, line.label,
            report.models.indices.map { value(groups[line] ?? [], $0) })
        }, unit: unit, absence: "no matrix")
    }
    var sections = [
      ReportSection(
        "Change by layer",
        note: "The norm of the task vector as a share of the base's, in per cent.",
        [
          map("Norm of the task vector by layer and model", .fraction) { tensors, model in
            let square = tensors.reduce(0) { $0 + $1.products[model][model] }
            let base = tensors.reduce(0) { $0 + $1.baseSquare }
            return report.share(square.squareRoot(), of: base.squareRoot())
          }
        ])
    ]
    if report.hasSpectra {
      sections.append(
        ReportSection(
          "Effective rank by layer",
          note:
            "The mean over the matrices of a layer of the share of directions in use, in per cent.",
          [
            map("Effective rank by layer and model", .fraction) { tensors, model in
              let shares = tensors.filter { !$0.spectra.isEmpty }.map {
                $0.spectra[model].effectiveRank / Double(max(1, $0.spectra[model].count))
              }
              return shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
            }
          ]))
    }
    return sections
  }

  // MARK: By tensor

  private var tensorNote: String {
    report.hasSpectra
      ? "Of matrices also the largest singular value, effective and stable rank, and how many singular"
        + " values hold 90 and 99 per cent of the squared norm." : ""
  }

  private var tensors: ReportTable {
    var columns: [ReportTable.Column] = [
      .init("tensor"), .init("shape"), .init("model"), .init("norm", isNumeric: true),
      .init("of base", isNumeric: true),
    ]
    if report.hasSpectra {
      columns += ["largest", "effective", "stable", "90 %", "99 %"].map {
        .init($0, isNumeric: true)
      }
    }
    var table = ReportTable(columns)
    for tensor in report.tensors {
      for (index, model) in report.models.enumerated() {
        let norm = tensor.norm(index)
        var row: [ReportCell] = [
          ReportCell(tensor.name), ReportCell(tensor.shape.description), ReportCell(model),
          .decimal(norm, 4), .percent(report.share(norm, of: tensor.baseSquare.squareRoot())),
        ]
        if report.hasSpectra {
          let spectrum = tensor.spectra.isEmpty ? nil : tensor.spectra[index]
          row += [
            .decimal(spectrum?.largest, 4), .decimal(spectrum?.effectiveRank, 1),
            .decimal(spectrum?.stableRank, 1), spectrum.map { ReportCell.count($0.rank90) } ?? "–",
            spectrum.map { ReportCell.count($0.rank99) } ?? "–",
          ]
        }
        table.add(row)
      }
    }
    return table
  }
}
