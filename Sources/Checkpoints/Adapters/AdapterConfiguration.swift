internal import SystemPackage
public import TinctureJSON
internal import TinctureSafetensors
public import TinctureTensors

/// The `adapter_config.json` of a LoRA adapter in PEFT's layout.
///
/// Keys that change nothing about the weights are kept as they were written.
public struct AdapterConfiguration: Sendable, Hashable {
  /// The name of the file.
  public static let fileName = "adapter_config.json"

  /// All keys, in the order of the file.
  public let document: JSONObject
  /// The rank of layers that no pattern names.
  public let rank: Int
  /// The α of layers that no pattern names.
  public let alpha: Double
  /// Whether the scale is α / √rank instead of α / rank.
  public let isRankStabilised: Bool
  /// Whether rows of the changed weights have lengths of their own (DoRA).
  public let hasMagnitudes: Bool
  /// Whether weights are stored as `in × out`.
  public let isTransposed: Bool
  private let rankPattern: [(pattern: String, value: Double)]
  private let alphaPattern: [(pattern: String, value: Double)]

  /// The model that the adapter was made for, as the file names it.
  public var baseModel: String? { document["base_model_name_or_path"]?.stringValue }

  /// Reads a configuration.
  ///
  /// - Parameters:
  ///   - document: The contents.
  ///   - file: The file, for messages.
  /// - Throws: `checkpoint` for a missing or wrong key, and for kinds of adapters that are no sum of the
  ///   weights and a product of two factors.
  public init(_ document: JSONValue, file: String) throws(TinctureError) {
    func failure(_ message: String) -> TinctureError {
      TinctureError(.checkpoint, message, at: .init(file: file))
    }
    guard let object = document.objectValue else { throw failure("This is no JSON object.") }
    self.document = object
    guard let kind = object["peft_type"]?.stringValue else {
      throw failure("The key peft_type is missing; a LoRA adapter has \"peft_type\": \"LORA\".")
    }
    guard kind == "LORA" else {
      throw failure("The adapter is of type \(kind); only LORA adapters can be read.")
    }
    guard let rank = object["r"]?.intValue, rank > 0 else {
      throw failure("The key r, the rank, is missing or no whole number above 0.")
    }
    guard let alpha = object["lora_alpha"]?.doubleValue, alpha.isFinite else {
      throw failure(
        "The key lora_alpha is missing or no number; without it the strength is unknown.")
    }
    self.rank = rank
    self.alpha = alpha
    func flag(_ key: String) throws(TinctureError) -> Bool {
      guard let value = object[key], value != .null else { return false }
      guard let flag = value.boolValue else { throw failure("The key \(key) is no true or false.") }
      return flag
    }
    isRankStabilised = try flag("use_rslora")
    hasMagnitudes = try flag("use_dora")
    isTransposed = try flag("fan_in_fan_out")
    func pattern(_ key: String) throws(TinctureError) -> [(pattern: String, value: Double)] {
      guard let value = object[key], value != .null else { return [] }
      guard let members = value.objectValue?.members else {
        throw failure("The key \(key) is no object of numbers by module.")
      }
      var result: [(pattern: String, value: Double)] = []
      for (name, value) in members {
        guard let number = value.doubleValue, number.isFinite else {
          throw failure("\(key) has no number for \(name).")
        }
        result.append((name, number))
      }
      return result
    }
    rankPattern = try pattern("rank_pattern")
    alphaPattern = try pattern("alpha_pattern")
    for (key, meaning) in Self.refused {
      guard let value = object[key], value != .null, value != .bool(false) else { continue }
      if value.arrayValue?.isEmpty ?? false || value.objectValue?.count == 0 { continue }
      throw failure("The adapter has \(key): \(meaning), which is no sum of weights and B A.")
    }
    if let start = object["init_lora_weights"]?.stringValue?.lowercased(),
      let method = Self.residual.first(where: { start.hasPrefix($0) })
    {
      throw failure(
        "The adapter was started by \(method), which also changed the base; convert it first with "
          + "PEFT's save_pretrained(path_initial_model_for_weight_conversion=…).")
    }
  }

  /// Reads the file of a directory; nil when there is none.
  static func read(_ directory: FilePath) throws(TinctureError) -> AdapterConfiguration? {
    let path = directory.appending(fileName)
    guard FileKind(of: path) == .file else { return nil }
    do throws(TinctureError) {
      return try AdapterConfiguration(
        JSONValue(parsing: InputFile(opening: path).contents()), file: path.string)
    } catch { throw error.located(file: path.string) }
  }

  private static let refused = [
    ("alora_invocation_tokens", "it acts on some tokens only"),
    ("layer_replication", "it repeats layers"),
    ("target_parameters", "it changes parameters by expert"),
    ("use_qalora", "it pools inputs"), ("use_bdlora", "its factors are block-diagonal"),
    ("arrow_config", "it routes between adapters"),
    ("trainable_token_indices", "it replaces single rows of the vocabulary"),
  ]

  /// Ways to start that subtract from the base what the factors hold at first.
  private static let residual = ["pissa", "olora", "corda", "loftq", "lora_ga"]

  /// The rank that the configuration gives to a module.
  func rank(of module: String) -> Int {
    Self.value(rankPattern, module).map { Int(exactly: $0) ?? -1 } ?? rank
  }

  /// What B A is multiplied by: α / rank, or α / √rank when rank-stabilised.
  ///
  /// - Parameters:
  ///   - module: The module; patterns are regular expressions for the end of its name, the first that
  ///     fits counts.
  ///   - rank: The number of rows of its factor A.
  /// - Returns: The scale.
  public func scale(of module: String, rank: Int) -> Double {
    let alpha = Self.value(alphaPattern, module) ?? alpha
    return isRankStabilised ? alpha / Double(rank).squareRoot() : alpha / Double(rank)
  }

  private static func value(_ pattern: [(pattern: String, value: Double)], _ module: String)
    -> Double?
  {
    for (expression, value) in pattern {
      if module == expression || module.hasSuffix("." + expression) { return value }
      guard expression.utf8.count <= 512,
        expression.contains(where: { "^*+?[](){}|\\".contains($0) }),
        let regex = try? Regex("(.*\\.)?(\(expression))")
      else { continue }
      if (try? regex.wholeMatch(in: module)) != nil { return value }
    }
    return nil
  }

  /// Compares what the files say.
  public static func == (left: AdapterConfiguration, right: AdapterConfiguration) -> Bool {
    left.document == right.document
  }

  /// Feeds the contents to the hasher.
  public func hash(into hasher: inout Hasher) { hasher.combine(document) }
}
