import Tincture

/// What each layer of a written adapter keeps, as text and as JSON.
struct AdapterTable {
  /// What the layers are compared with.
  enum Reference {
    /// The difference between two models, or an adapter before.
    case change
    /// The weighted sum of several changes.
    case sum
  }

  let report: AdapterReport
  let output: String
  let reference: Reference

  init(_ report: AdapterReport, output: String, reference: Reference) {
    self.report = report
    self.output = output
    self.reference = reference
  }

  var text: String {
    let what = reference == .sum ? "off the sum" : "lost"
    var table = Table(
      ["layer", "out × in", "rank", "norm", "energy kept", what], alignRight: [2, 3, 4, 5])
    for loss in report.layers {
      table.add([
        loss.layer.name, "\(loss.layer.outputs) × \(loss.layer.inputCount)",
        loss.rank == 0 ? "–" : String(loss.rank), Self.number(loss.norm),
        reference == .sum ? "–" : Self.percent(loss.energy), Self.percent(loss.relativeError),
      ])
    }
    return table.text
  }

  var line: String {
    let written = report.layers.filter { $0.rank > 0 }
    let ranks = written.map(\.rank)
    let span =
      ranks.min() == ranks.max() ? "\(ranks.max() ?? 0)" : "\(ranks.min() ?? 0)–\(ranks.max() ?? 0)"
    let tail =
      reference == .sum
      ? "\(Self.percent((1 - report.energy).squareRoot())) off the sum"
      : "\(Self.percent(report.energy)) of the energy kept"
    return
      "\(output): \(ByteSize.text(report.byteCount)), \(written.count) layers of rank \(span), \(tail)"
  }

  var notes: [String] {
    var notes = report.notes
    if !report.unsaved.isEmpty {
      notes.append(
        "\(report.unsaved.count) tensors differ and are not in the adapter; --save-others stores them"
          + " whole, --factor-vocabulary factors embeddings and heads: "
          + report.unsaved.prefix(20).joined(separator: ", ")
          + (report.unsaved.count > 20 ? " and \(report.unsaved.count - 20) more." : "."))
    }
    let left = report.layers.filter { $0.rank == 0 && $0.norm > 0 }
    if !left.isEmpty {
      notes.append("\(left.count) layers that differ got no rank; see the table.")
    }
    return notes
  }

  private static func percent(_ share: Double) -> String {
    guard share.isFinite else { return "–" }
    return ByteSize.decimal(100 * share, 2) + " %"
  }

  private static func number(_ value: Double) -> String {
    value != 0 && (value < 1e-3 || value >= 1e6) ? String(Float(value)) : ByteSize.decimal(value, 4)
  }

  var json: JSONValue {
    func number(_ value: Double) -> JSONValue {
      value.isFinite ? .number(String(value)) : .null
    }
    func names(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
    return .object(
      JSONObject([
        ("output", .string(output)), ("output_bytes", .integer(report.byteCount)),
        (
          reference == .sum ? "distance_from_sum" : "energy",
          number(reference == .sum ? max(0, 1 - report.energy).squareRoot() : report.energy)
        ),
        (
          "layers",
          .array(
            report.layers.map { loss in
              .object(
                JSONObject([
                  ("name", .string(loss.layer.name)), ("out", .integer(loss.layer.outputs)),
                  ("in", .integer(loss.layer.inputCount)), ("rank", .integer(loss.rank)),
                  ("norm", number(loss.norm)), ("error", number(loss.error)),
                ]))
            })
        ),
        ("saved", names(report.saved)), ("unsaved", names(report.unsaved)),
        ("notes", names(report.notes)),
      ]))
  }
}
