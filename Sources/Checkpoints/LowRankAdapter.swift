internal import SystemPackage
internal import TinctureJSON
internal import TinctureSafetensors
public import TinctureTensors

/// A LoRA adapter in PEFT's layout: which weights it changes, by which factors, how strongly.
///
/// Source: Hu et al., arXiv:2106.09685; rank-stabilised scaling: Kalajdzievski, arXiv:2312.03732.
public struct LowRankAdapter: Sendable {
  /// The change of one weight.
  public struct Change: Sendable {
    /// The factor A, `rank × in`.
    public let down: Checkpoint.Entry
    /// The factor B, `out × rank`.
    public let up: Checkpoint.Entry
    /// One length for each row, where the adapter is a DoRA.
    public let magnitude: Checkpoint.Entry?
    /// What B A is multiplied by.
    public let scale: Double
    /// Whether the product must be transposed to fit the weight.
    public let isTransposed: Bool
  }

  /// The changed weights by name, in the order of the adapter's file.
  public let changes: [(weight: String, change: Change)]
  /// Tensors that replace those of the base, by name.
  public let replacements: [(name: String, entry: Checkpoint.Entry)]

  /// Reads an adapter.
  ///
  /// - Parameter checkpoint: The adapter's weights, with `adapter_config.json` beside them.
  /// - Throws: `missingInput` without a configuration, `checkpoint` for what is no LoRA adapter.
  public init(_ checkpoint: Checkpoint) throws(TinctureError) {
    guard let directory = checkpoint.directory else {
      throw TinctureError(
        .missingInput, "An adapter is a directory with adapter_config.json and its weights.",
        at: .init(file: checkpoint.path.string))
    }
    let path = directory.appending("adapter_config.json")
    let settings: JSONValue
    do throws(TinctureError) {
      settings = try JSONValue(parsing: InputFile(opening: path).contents())
    } catch { throw error.located(file: path.string) }
    func failure(_ message: String, tensor: String? = nil) -> TinctureError {
      TinctureError(.checkpoint, message, at: .init(file: path.string, tensor: tensor))
    }
    let kind = settings["peft_type"]?.stringValue ?? "LORA"
    guard kind == "LORA" else {
      throw failure("The adapter is of type \(kind); only LORA adapters can be folded.")
    }
    var parts: [(weight: String, part: String, entry: Checkpoint.Entry)] = []
    var replacements: [(name: String, entry: Checkpoint.Entry)] = []
    for name in checkpoint.names {
      guard let entry = checkpoint[name] else { continue }
      let plain = Self.withoutPrefix(name)
      if let found = Self.parts.first(where: { plain.hasSuffix($0.suffix) }) {
        parts.append((String(plain.dropLast(found.suffix.count)) + ".weight", found.part, entry))
      } else if let marker = plain.firstRange(of: ".modules_to_save.") {
        let rest = plain[marker.upperBound...].drop { $0 != "." }.dropFirst()
        let tail = rest.isEmpty ? String(plain[marker.upperBound...]) : String(rest)
        replacements.append((plain[..<marker.lowerBound] + "." + tail, entry))
      } else {
        replacements.append((plain, entry))
      }
    }
    var order: [String] = []
    var found: [String: [String: Checkpoint.Entry]] = [:]
    for part in parts {
      if found[part.weight] == nil { order.append(part.weight) }
      found[part.weight, default: [:]][part.part] = part.entry
    }
    var changes: [(weight: String, change: Change)] = []
    for weight in order {
      guard let down = found[weight]?["A"], let up = found[weight]?["B"] else {
        throw failure("The adapter holds only one of the two factors.", tensor: weight)
      }
      let isEmbedding = found[weight]?["embedding"] != nil || Self.isEmbedding(down)
      let module = String(weight.dropLast(".weight".count))
      changes.append(
        (
          weight,
          Change(
            down: down, up: up, magnitude: found[weight]?["M"],
            scale: try Self.scale(settings, module: module, rank: down, failure: failure),
            isTransposed: isEmbedding || (settings["fan_in_fan_out"]?.boolValue ?? false)
          )
        ))
    }
    self.changes = changes
    self.replacements = replacements
  }

  private static let parts: [(suffix: String, part: String)] = [
    (".lora_A.weight", "A"), (".lora_B.weight", "B"), (".lora_A.default.weight", "A"),
    (".lora_B.default.weight", "B"), (".lora_embedding_A", "A"), (".lora_embedding_B", "B"),
    (".lora_embedding_A.default", "A"), (".lora_embedding_B.default", "B"),
    (".lora_magnitude_vector", "M"), (".lora_magnitude_vector.weight", "M"),
    (".lora_magnitude_vector.default.weight", "M"),
  ]

  private static func isEmbedding(_ entry: Checkpoint.Entry) -> Bool {
    entry.tensor.name.contains("lora_embedding_")
  }

  private static func withoutPrefix(_ name: String) -> String {
    for prefix in ["base_model.model.", "base_model."] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count))
    }
    return name
  }

  // alpha / rank, or alpha / sqrt(rank) when rank-stabilised; patterns name modules by their ending.
  private static func scale(
    _ settings: JSONValue, module: String, rank entry: Checkpoint.Entry,
    failure: (String, String?) -> TinctureError
  ) throws(TinctureError) -> Double {
    func setting(_ key: String, _ pattern: String) -> Double? {
      for (name, value) in settings[pattern]?.objectValue?.members ?? []
      where module == name || module.hasSuffix("." + name) {
        return value.doubleValue
      }
      return settings[key]?.doubleValue
    }
    let rank = Double(entry.tensor.shape.extents.first ?? 0)
    guard rank > 0 else { throw failure("The adapter's factor has no rows.", module) }
    let alpha = setting("lora_alpha", "alpha_pattern") ?? 8
    let stabilised = settings["use_rslora"]?.boolValue ?? false
    return stabilised ? alpha / rank.squareRoot() : alpha / rank
  }
}
