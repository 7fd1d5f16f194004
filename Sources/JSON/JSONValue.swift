/// A JSON document that keeps the order of its keys and the spelling of its numbers.
///
/// Configuration files, tokenizers and checkpoint headers are read, changed in one or two places and
/// written back; this type changes nothing else about them.
public indirect enum JSONValue: Sendable, Hashable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number, as it was written.
  case number(String)
  /// A text.
  case string(String)
  /// A list.
  case array([JSONValue])
  /// Named values in the order of the file.
  case object(JSONObject)

  /// A whole number.
  public static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

  /// The text, when this is one.
  public var stringValue: String? { if case .string(let text) = self { text } else { nil } }
  /// The truth value, when this is one.
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The whole number, when this is one that fits.
  public var intValue: Int? { if case .number(let text) = self { Int(text) } else { nil } }
  /// The number, when this is one.
  public var doubleValue: Double? { if case .number(let text) = self { Double(text) } else { nil } }
  /// The list, when this is one.
  public var arrayValue: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
  /// The named values, when this is an object.
  public var objectValue: JSONObject? { if case .object(let object) = self { object } else { nil } }

  /// The value under a key; nil when this is no object or has no such key.
  public subscript(key: String) -> JSONValue? { objectValue?[key] }
}

/// Named JSON values in the order in which they were written.
public struct JSONObject: Sendable, Hashable {
  /// The names, in order.
  public private(set) var keys: [String] = []
  private var values: [ExactString: JSONValue] = [:]

  /// Creates an object without members.
  public init() {}

  /// Creates an object from members in order; a later member of the same name replaces an earlier.
  public init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  /// The value under a key.
  ///
  /// Setting a new key appends it, setting nil removes it.
  ///
  /// - Complexity: O(1) to read and append, O(n) to remove.
  public subscript(key: String) -> JSONValue? {
    get { values[ExactString(key)] }
    set {
      if let newValue {
        if values.updateValue(newValue, forKey: ExactString(key)) == nil { keys.append(key) }
      } else if values.removeValue(forKey: ExactString(key)) != nil {
        keys.removeAll { ExactString($0) == ExactString(key) }
      }
    }
  }

  /// The members in order.
  public var members: [(key: String, value: JSONValue)] {
    keys.compactMap { key in values[ExactString(key)].map { (key, $0) } }
  }

  /// The number of members.
  public var count: Int { keys.count }

  mutating func reserve(_ count: Int) {
    keys.reserveCapacity(count)
    values.reserveCapacity(count)
  }
}

/// A text that equals another only when their bytes are equal.
///
/// `String` compares by canonical equivalence, so two different tokens of a vocabulary, one with a
/// composed and one with a decomposed letter, would be the same key.
public struct ExactString: Sendable, Hashable {
  /// The text.
  public let text: String

  /// Wraps a text.
  public init(_ text: String) { self.text = text }

  /// Compares byte by byte.
  public static func == (left: ExactString, right: ExactString) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  /// Feeds the bytes to the hasher.
  public func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(text.utf8.count)
  }
}
