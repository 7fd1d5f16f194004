import Tincture
import TinctureReports

/// A comparison as a page: models, pairs of them as heat maps, layers, and every tensor.
struct DiffPage {
  private let report: DiffReport
  /// The names of the models in charts.
  private let names: [String]

  init(_ report: DiffReport) {
    self.report = report
    names = Self.shortened(report.models)
  }

  /// Names without folders and endings, where they still tell the models apart.
  private static func shortened(_ names: [String]) -> [String] {
    let short = names.map { name -> String in
      let last = name.split(separator: "/").last.map(String.init) ?? name
      return last.hasSuffix(".safetensors") ? String(last.dropLast(12)) : last
    }
    return Set(short).count == names.count && !short.contains("") ? short : names
  }

  var page: ReportPage {
    let count = report.models.count
    var page = ReportPage(
      title: "What \(count) model\(count == 1 ? "" : "s") learned beyond \(report.base)",
      introduction: "A task vector is a model less its base. \(report.tensors.count) tensors with"
        + " \(report.tensors.reduce(0) { $0 + $1.shape.elementCount }) elements.")
    page.sections = [ReportSection("Models", note: modelNote, [models])]
    if !report.thresholds.isEmpty {
      page.sections.append(
        ReportSection(
          "Small elements",
          note: "The share of elements of a task vector that are at most as large as a threshold.",
          [
            HeatMap(
              title: "Share of small elements by model and threshold",
              columns: report.thresholds.map { DiffReport.text($0) },
              rows: zip(names, report.summary.sparsity).map { HeatMap.Row($0, $1) },
              unit: .fraction)
          ]))
    }
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
        page.sections.append(
          ReportSection(
            "One within another",
            note:
              "How much of a row's task vector lies in the span of the left singular directions of a"
              + " column's that hold all but 5 per cent of its norm (the subspace alignment ratio): the"
              + " mean over the matrices.",
            [
              pairs(
                "Share of one task vector in the span of another", report.summary.containment,
                .fraction)
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
      title: title, columns: names,
      rows: zip(names, values).map { HeatMap.Row($0, $1) }, unit: unit,
      absence: "nothing was changed")
  }

  // MARK: By layer

  private var byLayer: [ReportSection] {
    func map(
      _ title: String, _ columns: [String], _ unit: ReportUnit, absence: String = "no matrix",
      _ value: (ComparisonSummary, Int) -> Double?
    ) -> HeatMap {
      HeatMap(
        title: title, columns: columns,
        rows: report.layers.map { layer in
          HeatMap.Row(
            group: layer.group, layer.label, columns.indices.map { value(layer.summary, $0) })
        }, unit: unit, absence: absence)
    }
    var sections = [
      ReportSection(
        "Change by layer",
        note: "The norm of the task vector as a share of the base's, in per cent.",
        [
          map("Norm of the task vector by layer and model", names, .fraction) {
            report.share($0.norms[$1], of: $0.baseNorm)
          }
        ])
    ]
    let pairs = DiffPair.all(of: names)
    if !pairs.isEmpty {
      let labels = pairs.map(\.name)
      sections += [
        ReportSection(
          "Cosines by layer",
          [
            map("Cosine by layer and pair", labels, .number, absence: "nothing was changed") {
              $0.cosines[pairs[$1].first][pairs[$1].second]
            }
          ]),
        ReportSection(
          "Signs that agree by layer", note: "In per cent of the elements that both changed.",
          [
            map("Sign agreement by layer and pair", labels, .fraction, absence: "nothing changed") {
              $0.signs[pairs[$1].first][pairs[$1].second]
            }
          ]),
      ]
    }
    if let threshold = middleThreshold {
      sections.append(
        ReportSection(
          "Small elements by layer",
          note: "The share of elements of the task vector up to"
            + " \(DiffReport.text(report.thresholds[threshold])), in per cent.",
          [
            map("Small elements by layer and model", names, .fraction) {
              $0.sparsity[$1].indices.contains(threshold) ? $0.sparsity[$1][threshold] : nil
            }
          ]))
    }
    guard report.hasSpectra else { return sections }
    sections += [
      ReportSection(
        "Effective rank by layer",
        note:
          "The mean over the matrices of a layer of the share of directions in use, in per cent.",
        [
          map("Effective rank by layer and model", names, .fraction) {
            $0.effectiveRanks[$1]
          }
        ]),
      ReportSection(
        "Stable rank by layer", note: "The mean over the matrices of a layer of ‖τ‖² / σ₁².",
        [map("Stable rank by layer and model", names, .number) { $0.stableRanks[$1] }]),
    ]
    guard !pairs.isEmpty else { return sections }
    sections.append(
      ReportSection(
        "Directions that are shared by layer", note: "As above, for the matrices of each layer.",
        [
          map("Shared directions by layer and pair", pairs.map(\.name), .fraction) {
            $0.alignment[pairs[$1].first][pairs[$1].second]
          }
        ]))
    return sections
  }

  /// The threshold at which models differ most, for the one map that shows it.
  private var middleThreshold: Int? {
    report.thresholds.indices.max { a, b in spread(a) < spread(b) }
  }

  private func spread(_ threshold: Int) -> Double {
    let shares = report.layers.flatMap { layer in
      layer.summary.sparsity.map { $0.indices.contains(threshold) ? $0[threshold] : 0 }
    }
    return (shares.max() ?? 0) - (shares.min() ?? 0)
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
    columns += report.thresholds.map {
      .init("≤ \(DiffReport.text($0))", isNumeric: true)
    }
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
        row += tensor.smallCounts[index].map {
          ReportCell.percent(Double($0) / Double(max(1, tensor.shape.elementCount)))
        }
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
