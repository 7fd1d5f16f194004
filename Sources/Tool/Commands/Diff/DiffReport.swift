import Tincture
import TinctureReports

/// A comparison as text and as JSON.
struct DiffReport {
  let base: String
  let models: [String]
  let rank: Int
  let tensors: [TensorComparison]
  let thresholds: [Float]
  let summary: ComparisonSummary
  let layers: [DiffLayer]

  init(
    base: String, models: [String], rank: Int, thresholds: [Float], tensors: [TensorComparison]
  ) {
    self.base = base
    self.models = models
    self.rank = rank
    self.tensors = tensors
    self.thresholds = thresholds
    summary = ComparisonSummary(tensors, modelCount: models.count)
    layers = DiffLayer.all(of: tensors, modelCount: models.count)
  }

  /// Whether singular values were found.
  var hasSpectra: Bool { tensors.contains { !$0.spectra.isEmpty } }

  /// The norm of a task vector as a share of the base's; nil without one.
  func share(_ norm: Double, of base: Double) -> Double? { base > 0 ? norm / base : nil }

  /// A threshold as it was written.
  static func text(_ threshold: Float) -> String {
    threshold == 0 ? "0" : "\(threshold)"
  }

  // MARK: Text

  func text(withTensors: Bool, withLayers: Bool) -> String {
    var parts = [modelTable]
    if !thresholds.isEmpty { parts.append(sparsityTable) }
    if models.count > 1 {
      parts.append(pairs("cosine", summary.cosines) { NumberText.decimal($0, 3) })
      parts.append(pairs("same sign", summary.signs) { NumberText.percent($0) })
      if hasSpectra {
        parts.append(
          pairs("shared directions", summary.alignment) { NumberText.percent($0) })
        parts.append(
          pairs("lies within", summary.containment) { NumberText.percent($0) })
      }
    }
    if withLayers { parts.append(layerTable) }
    if withTensors { parts.append(tensorTable) }
    let elements = tensors.reduce(0) { $0 + $1.shape.elementCount }
    parts.append("\(tensors.count) tensors, \(elements) elements, base \(base)")
    return parts.joined(separator: "\n\n")
  }

  private var modelTable: String {
    var header = ["model", "norm", "of base"]
    if hasSpectra { header += ["effective rank", "stable rank"] }
    var table = Table(header, alignRight: [1, 2, 3, 4])
    for (index, model) in models.enumerated() {
      var row = [
        model, NumberText.significant(summary.norms[index], 4),
        percent(share(summary.norms[index], of: summary.baseNorm)),
      ]
      if hasSpectra {
        row += [
          percent(summary.effectiveRanks[index]),
          summary.stableRanks[index].map { NumberText.decimal($0, 1) } ?? "–",
        ]
      }
      table.add(row)
    }
    return table.text
  }

  private var sparsityTable: String {
    var table = Table(
      ["elements up to"] + thresholds.map { Self.text($0) },
      alignRight: Set(1..<thresholds.count + 1))
    for (index, model) in models.enumerated() {
      table.add([model] + summary.sparsity[index].map { NumberText.percent($0) })
    }
    return table.text
  }

  private var layerTable: String {
    let others = DiffPair.all(of: models)
    var header = ["layer", "model", "norm", "of base"]
    if hasSpectra { header += ["effective rank", "stable rank"] }
    header += thresholds.map { "≤ \(Self.text($0))" }
    var table = Table(header, alignRight: Set(2..<header.count))
    for layer in layers {
      for (index, model) in models.enumerated() {
        let summary = layer.summary
        var row = [
          index == 0 ? layer.name : "", model, NumberText.significant(summary.norms[index], 4),
          percent(share(summary.norms[index], of: summary.baseNorm)),
        ]
        if hasSpectra {
          row += [
            percent(summary.effectiveRanks[index]),
            summary.stableRanks[index].map { NumberText.decimal($0, 1) } ?? "–",
          ]
        }
        row += summary.sparsity[index].map { NumberText.percent($0) }
        table.add(row)
      }
    }
    guard !others.isEmpty else { return table.text }
    var pairs = Table(["layer", "models", "cosine", "same sign"], alignRight: [2, 3])
    for layer in layers {
      for (index, pair) in others.enumerated() {
        let summary = layer.summary
        pairs.add([
          index == 0 ? layer.name : "", pair.name,
          summary.cosines[pair.first][pair.second].map { NumberText.decimal($0, 3) } ?? "–",
          percent(summary.signs[pair.first][pair.second]),
        ])
      }
    }
    return table.text + "\n\n" + pairs.text
  }

  private func pairs(
    _ title: String, _ values: [[Double?]], _ text: (Double) -> String
  ) -> String {
    var table = Table([title] + models, alignRight: Set(1...models.count))
    for (index, model) in models.enumerated() {
      table.add([model] + values[index].map { $0.map(text) ?? "–" })
    }
    return table.text
  }

  private var tensorTable: String {
    var header = ["tensor", "model", "norm", "of base"]
    if hasSpectra { header += ["largest", "effective", "stable", "numerical", "90 %", "99 %"] }
    var table = Table(header, alignRight: Set(2..<header.count))
    for tensor in tensors {
      for (index, model) in models.enumerated() {
        let norm = tensor.norm(index)
        var row = [
          index == 0 ? tensor.name : "", model, NumberText.significant(norm, 4),
          percent(share(norm, of: tensor.baseSquare.squareRoot())),
        ]
        if hasSpectra {
          if tensor.spectra.isEmpty {
            row += ["–", "–", "–", "–", "–", "–"]
          } else {
            let spectrum = tensor.spectra[index]
            row += [
              NumberText.significant(spectrum.largest, 3),
              NumberText.decimal(spectrum.effectiveRank, 1),
              NumberText.decimal(spectrum.stableRank, 1), "\(spectrum.numericalRank)",
              "\(spectrum.rank90)", "\(spectrum.rank99)",
            ]
          }
        }
        table.add(row)
      }
    }
    return table.text
  }

  private func percent(_ value: Double?) -> String {
    value.map { NumberText.percent($0, 2) } ?? "–"
  }

  // MARK: JSON

  var json: JSONValue {
    let own = models.enumerated().map { index, model in
      JSONValue.object(
        JSONObject([
          ("model", .string(model)), ("norm", Self.number(summary.norms[index])),
          ("share_of_base", Self.number(share(summary.norms[index], of: summary.baseNorm))),
          ("effective_rank_share", Self.number(summary.effectiveRanks[index])),
          ("stable_rank", Self.number(summary.stableRanks[index])),
          ("sparsity", .array(summary.sparsity[index].map { Self.number($0) })),
        ]))
    }
    return .object(
      JSONObject([
        ("base", .string(base)), ("base_norm", Self.number(summary.baseNorm)),
        ("thresholds", .array(thresholds.map { .number("\($0)") })),
        ("models", .array(own)), ("cosines", Self.numbers(summary.cosines)),
        ("sign_agreement", Self.numbers(summary.signs)),
        ("alignment_rank", .integer(rank)), ("alignment", Self.numbers(summary.alignment)),
        ("containment", Self.numbers(summary.containment)),
        ("layers", .array(layers.map { json($0) })),
        ("tensors", .array(tensors.map { json($0) })),
      ]))
  }

  private func json(_ layer: DiffLayer) -> JSONValue {
    let summary = layer.summary
    func list(_ values: [Double?]) -> JSONValue { .array(values.map { Self.number($0) }) }
    return .object(
      JSONObject([
        ("name", .string(layer.name)), ("layer", layer.layer.map { .integer($0) } ?? .null),
        ("base_norm", Self.number(summary.baseNorm)), ("norms", list(summary.norms)),
        ("cosines", Self.numbers(summary.cosines)),
        ("sign_agreement", Self.numbers(summary.signs)),
        ("sparsity", Self.numbers(summary.sparsity)),
        ("effective_rank_share", list(summary.effectiveRanks)),
        ("stable_rank", list(summary.stableRanks)),
        ("alignment", Self.numbers(summary.alignment)),
        ("containment", Self.numbers(summary.containment)),
      ]))
  }

  private func json(_ tensor: TensorComparison) -> JSONValue {
    let range = models.indices
    var object = JSONObject([
      ("name", .string(tensor.name)),
      ("shape", .array(tensor.shape.extents.map { .integer($0) })),
      ("layer", tensor.layer.map { .integer($0) } ?? .null),
      ("base_norm", Self.number(tensor.baseSquare.squareRoot())),
      ("norms", .array(range.map { Self.number(tensor.norm($0)) })),
      ("products", Self.numbers(tensor.products)),
      ("sign_agreement", Self.numbers(tensor.signs.map { $0.map(\.agreement) })),
      (
        "sparsity",
        .array(
          tensor.smallCounts.map { counts in
            .array(
              counts.map { Self.number(Double($0) / Double(max(1, tensor.shape.elementCount))) })
          })
      ),
    ])
    if !tensor.spectra.isEmpty {
      object["spectra"] = .array(tensor.spectra.map(\.json))
      object["alignment"] = Self.numbers(tensor.alignment)
      object["containment"] = Self.numbers(tensor.containment)
    }
    return .object(object)
  }

  private static func numbers(_ values: [[Double?]]) -> JSONValue {
    .array(values.map { .array($0.map { number($0) }) })
  }

  static func number(_ value: Double?) -> JSONValue {
    guard let value, value.isFinite else { return .null }
    return .number("\(value)")
  }
}

extension SpectrumSummary {
  /// The figures for programs.
  var json: JSONValue {
    .object(
      JSONObject([
        ("count", .integer(count)), ("largest", DiffReport.number(largest)),
        ("norm", DiffReport.number(norm)),
        ("effective_rank", DiffReport.number(effectiveRank)),
        ("stable_rank", DiffReport.number(stableRank)),
        ("numerical_rank", .integer(numericalRank)), ("rank_90", .integer(rank90)),
        ("rank_99", .integer(rank99)),
        (
          "decay",
          .array(
            decay.map { .array([.integer($0.index), DiffReport.number($0.share)]) })
        ),
      ]))
  }
}
