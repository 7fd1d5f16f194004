import TinctureJSON
import TinctureTensors

/// Reads the settings of a network from a `config.json`, and refuses what they cannot mean.
///
/// A setting that is `null` is absent. Numbers of things are whole and positive.
struct ConfigurationReader {
  private let object: JSONObject
  private let prefix: String

  /// Reads an object.
  ///
  /// - Throws: `checkpoint` when the value is none.
  init(_ value: JSONValue) throws(TinctureError) {
    guard let object = value.objectValue else {
      throw TinctureError(.checkpoint, "A network's configuration must be a JSON object.")
    }
    self.init(object, prefix: "")
  }

  private init(_ object: JSONObject, prefix: String) {
    self.object = object
    self.prefix = prefix
  }

  /// The names of the settings that are not `null`.
  var keys: [String] { object.members.filter { $0.value != .null }.map(\.key) }

  /// A setting, when it is there and not `null`.
  func value(_ key: String) -> JSONValue? {
    guard let value = object[key], value != .null else { return nil }
    return value
  }

  /// Whether a setting is written, be it as `null`.
  func has(_ key: String) -> Bool { object[key] != nil }

  /// How many of something; nil when the setting is absent or `null`.
  func optionalCount(_ key: String) throws(TinctureError) -> Int? {
    value(key) == nil ? nil : try count(key)
  }

  /// How many of something, or a size: positive.
  func count(_ key: String, or fallback: Int? = nil) throws(TinctureError) -> Int {
    guard let value = value(key) else { return try absent(key, fallback) }
    guard let number = value.intValue, number > 0, number <= 1 << 31 else {
      throw refusal(key, "must be a whole number above zero")
    }
    return number
  }

  /// How many blocks: few enough that their parameters can be listed.
  func depth(_ key: String, or fallback: Int? = nil) throws(TinctureError) -> Int {
    let depth = try count(key, or: fallback)
    guard depth <= 10_000 else { throw refusal(key, "must be at most 10000") }
    return depth
  }

  /// An id of a token, or another whole number that is not negative.
  func index(_ key: String, or fallback: Int? = nil) throws(TinctureError) -> Int {
    guard let value = value(key) else { return try absent(key, fallback) }
    guard let number = value.intValue, number >= 0, number <= 1 << 31 else {
      throw refusal(key, "must be a whole number that is not negative")
    }
    return number
  }

  /// A number above zero.
  func number(_ key: String, or fallback: Double? = nil) throws(TinctureError) -> Double {
    guard let value = value(key) else { return try absent(key, fallback) }
    guard let number = value.doubleValue, number.isFinite, number > 0 else {
      throw refusal(key, "must be a number above zero")
    }
    return number
  }

  /// A truth value.
  func flag(_ key: String, or fallback: Bool? = nil) throws(TinctureError) -> Bool {
    guard let value = value(key) else { return try absent(key, fallback) }
    guard let flag = value.boolValue else { throw refusal(key, "must be true or false") }
    return flag
  }

  /// A text.
  func text(_ key: String, or fallback: String? = nil) throws(TinctureError) -> String {
    guard let value = value(key) else { return try absent(key, fallback) }
    guard let text = value.stringValue else { throw refusal(key, "must be a text") }
    return text
  }

  /// A list of counts.
  func counts(_ key: String) throws(TinctureError) -> [Int]? {
    guard let value = value(key) else { return nil }
    guard let items = value.arrayValue else { throw refusal(key, "must be a list of numbers") }
    var counts: [Int] = []
    for item in items {
      guard let count = item.intValue, count > 0, count <= 10_000 else {
        throw refusal(key, "must be a list of whole numbers from 1 to 10000")
      }
      counts.append(count)
    }
    return counts
  }

  /// A list of texts.
  func texts(_ key: String) throws(TinctureError) -> [String]? {
    guard let value = value(key) else { return nil }
    guard let items = value.arrayValue else { throw refusal(key, "must be a list of texts") }
    var texts: [String] = []
    for item in items {
      guard let text = item.stringValue else { throw refusal(key, "must be a list of texts") }
      texts.append(text)
    }
    return texts
  }

  /// The function of a perceptron, by the names of transformers.
  func activation(_ key: String, or fallback: Activation) throws(TinctureError) -> Activation {
    guard value(key) != nil else { return fallback }
    let name = try text(key)
    guard let activation = Activation(configurationName: name) else {
      throw refusal(key, "must be one of " + Activation.configurationNames.joined(separator: ", "))
    }
    return activation
  }

  /// Settings within the settings.
  ///
  /// - Parameters:
  ///   - key: Their name.
  ///   - overlay: The name of further settings, which win over them.
  /// - Returns: The settings, or nil when there are none.
  /// - Throws: `checkpoint` when they are no object.
  func section(_ key: String, overlay: String? = nil) throws(TinctureError) -> ConfigurationReader?
  {
    guard let value = value(key) else { return nil }
    guard var section = value.objectValue else { throw refusal(key, "must be an object") }
    if let overlay, let others = self.value(overlay) {
      guard let others = others.objectValue else { throw refusal(overlay, "must be an object") }
      for (key, value) in others.members { section[key] = value }
    }
    return ConfigurationReader(section, prefix: prefix + key + ".")
  }

  /// A list of settings.
  func sections(_ key: String) throws(TinctureError) -> [ConfigurationReader] {
    guard let items = value(key)?.arrayValue else { throw refusal(key, "must be a list") }
    var sections: [ConfigurationReader] = []
    for (index, item) in items.enumerated() {
      guard let section = item.objectValue else { throw refusal(key, "must be a list of objects") }
      sections.append(ConfigurationReader(section, prefix: "\(prefix)\(key).\(index)."))
    }
    return sections
  }

  /// Makes sure that a setting, where it is there, has the one value that a network can compute.
  func expect(_ key: String, _ expected: JSONValue) throws(TinctureError) {
    guard let value = value(key), value != expected else { return }
    if let number = value.doubleValue, number == expected.doubleValue { return }
    throw refusal(key, "is supported only as \(expected.text(indentation: nil))")
  }

  /// Makes sure that all settings are known.
  func expect(only known: Set<String>) throws(TinctureError) {
    guard let key = keys.first(where: { !known.contains($0) }) else { return }
    throw refusal(key, "is a setting that this network does not know")
  }

  /// Makes sure that one number divides another.
  func expect(_ key: String, divides number: Int, _ what: String) throws(TinctureError) {
    let divisor = try count(key)
    guard number % divisor == 0 else { throw refusal(key, "must divide \(what), \(number)") }
  }

  /// A failure about a setting.
  func refusal(_ key: String, _ sentence: String) -> TinctureError {
    let value = object[key]?.text(indentation: nil) ?? "absent"
    let shown = value.unicodeScalars.count <= 80 ? value : value.prefix(77) + "…"
    return TinctureError(
      .checkpoint, "The configuration's \"\(prefix)\(key)\" \(sentence); it is \(shown).")
  }

  private func absent<T>(_ key: String, _ fallback: T?) throws(TinctureError) -> T {
    guard let fallback else {
      throw TinctureError(
        .checkpoint, "The configuration has no \"\(prefix)\(key)\", which the network needs.")
    }
    return fallback
  }
}

extension Activation {
  /// The names that transformers has for the functions.
  static let configurationNames = [
    "gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish",
  ]

  /// Reads a name of transformers; nil when it is none of the known ones.
  init?(configurationName name: String) {
    switch name {
    case "gelu": self = .gelu
    case "gelu_fast", "gelu_new", "gelu_pytorch_tanh": self = .geluTanh
    case "quick_gelu": self = .quickGelu
    case "relu": self = .relu
    case "silu", "swish": self = .silu
    default: return nil
    }
  }
}
