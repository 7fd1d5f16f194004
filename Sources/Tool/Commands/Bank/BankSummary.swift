import SystemPackage
import Tincture

/// Sizes and losses of a bank.
struct BankSummary {
  /// One expert.
  struct Expert {
    let name: String
    let codec: BankCodec
    let source: String
    /// Bytes of its own parts.
    let bytes: Int
    /// Elements of all its tensors.
    let elements: Int
    /// Bytes of all its tensors in their own types.
    let sourceBytes: Int
    let squaredError: Double
    let squaredNorm: Double

    /// ‖τ − τ̂‖ / ‖τ‖.
    var relativeError: Double {
      squaredNorm > 0 ? (squaredError / squaredNorm).squareRoot() : 0
    }
  }

  let bank: ExpertBank
  let fileBytes: Int
  let sharedBytes: Int
  let experts: [Expert]

  init(_ bank: ExpertBank) {
    self.bank = bank
    fileBytes = bank.file.size
    let names = bank.manifest.records.keys.sorted()
    sharedBytes = names.reduce(0) { $0 + bank.byteCount($1, of: .shared) }
    experts = bank.manifest.experts.map { expert in
      let owner = VectorOwner.expert(expert.name)
      var result = (bytes: 0, elements: 0, sourceBytes: 0, error: 0.0, norm: 0.0)
      for name in names {
        guard let record = bank.manifest.records[name]?[owner] else { continue }
        result.bytes += bank.byteCount(name, of: owner)
        guard record.content != .absent else { continue }
        result.elements += record.shape.elementCount
        result.sourceBytes += record.shape.byteCount(of: record.dtype) ?? 0
        result.error += record.squaredError
        result.norm += record.squaredNorm
      }
      return Expert(
        name: expert.name, codec: expert.codec, source: expert.source, bytes: result.bytes,
        elements: result.elements, sourceBytes: result.sourceBytes,
        squaredError: result.error, squaredNorm: result.norm)
    }
  }

  /// The size of the file relative to single-precision experts, of the tensors that differ from the base.
  var fractionOfSingle: Double {
    let elements = experts.reduce(0) { $0 + $1.elements }
    return elements > 0 ? Double(fileBytes) / (4 * Double(elements)) : 0
  }

  /// The size of the file relative to the experts in their own types.
  var fractionOfSource: Double {
    let bytes = experts.reduce(0) { $0 + $1.sourceBytes }
    return bytes > 0 ? Double(fileBytes) / Double(bytes) : 0
  }

  /// Prints one line, or the sizes as JSON.
  static func report(_ path: FilePath, _ bytes: Int, _ display: DisplayOptions)
    throws(TinctureError)
  {
    let summary = BankSummary(try ExpertBank(opening: path))
    if display.json {
      Console.result(summary.json.text())
    } else {
      Console.result(
        "\(path): \(ByteSize.text(bytes)), \(summary.experts.count) expert\(summary.experts.count == 1 ? "" : "s"), "
          + "\(percent(summary.fractionOfSingle)) of them in single precision")
    }
  }

  static func percent(_ fraction: Double) -> String {
    ByteSize.decimal(100 * fraction, 1) + " %"
  }

  /// A number, or null for what JSON has no spelling of.
  private static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(String(value)) : .null
  }

  var json: JSONValue {
    .object(
      JSONObject([
        ("path", .string(bank.file.path.string)), ("bytes", .integer(fileBytes)),
        ("shared_bytes", .integer(sharedBytes)),
        ("fraction_of_single_precision", Self.number(fractionOfSingle)),
        ("fraction_of_source", Self.number(fractionOfSource)),
        ("base", .string(bank.manifest.base.location)),
        (
          "experts",
          .array(
            experts.map {
              .object(
                JSONObject([
                  ("name", .string($0.name)), ("codec", .string($0.codec.text)),
                  ("source", .string($0.source)), ("bytes", .integer($0.bytes)),
                  ("elements", .integer($0.elements)),
                  ("source_bytes", .integer($0.sourceBytes)),
                  ("relative_error", Self.number($0.relativeError)),
                ]))
            })
        ),
      ]))
  }
}

extension BankSummary {
  /// Whose vector it is, in words.
  static func name(_ owner: VectorOwner) -> String {
    switch owner {
    case .shared: "(shared)"
    case .expert(let name): name
    }
  }

  /// How a vector is stored, in words.
  static func text(_ record: VectorRecord) -> String {
    switch record.content {
    case .elements: record.dtype.rawValue
    case .constant(let value): "constant \(value)"
    case .affine(let bits, _): "\(bits) bits"
    case .lowRank(let rank): "rank \(rank)"
    case .mask(let scale): "mask, times \(scale)"
    case .sparse(let layout): "\(layout.kept) elements of \(layout.values.bits) bits"
    case .binary(let layout): "signs of \(layout.planes) bits"
    case .absent: "absent"
    }
  }
}
