import SystemPackage
import TinctureJSON
public import TinctureTensors

/// A chat template: the Jinja text that turns a conversation into a prompt.
public struct ChatTemplate: Sendable, Hashable {
  /// The Jinja text.
  public let text: String

  /// Wraps a Jinja text.
  public init(_ text: String) { self.text = text }

  /// Finds the template that a recipe asks for.
  ///
  /// `auto` is the template that most models have; of equally frequent ones, the first in the order
  /// of the recipe. The name of a built-in template is that template. Anything else is taken as Jinja
  /// text; it must have at least 20 characters and a brace.
  ///
  /// - Parameters:
  ///   - value: What the recipe says under `chat_template`.
  ///   - tokenizers: The tokenizers of the models in the order of the recipe.
  /// - Returns: The template, or nil for `auto` when no model has one.
  /// - Throws: `recipe` when the value is neither `auto`, nor a known name, nor Jinja text.
  /// - Complexity: O(n) in the length of all templates.
  public static func resolve(_ value: String, among tokenizers: [Tokenizer?])
    throws(TinctureError) -> ChatTemplate?
  {
    if value == "auto" { return mostCommon(in: tokenizers.compactMap { $0?.chatTemplate }) }
    if let builtin = builtins.first(where: { $0.name == value }) {
      return ChatTemplate(builtin.text)
    }
    if value.unicodeScalars.count >= 20, value.utf8.contains(UInt8(ascii: "{")) {
      return ChatTemplate(value)
    }
    let nearest = builtins.map(\.name).min { distance($0, value) < distance($1, value) }
    let isClose = nearest.map { distance($0, value) <= 3 } ?? false
    throw TinctureError(
      .recipe,
      "The chat template \(ExactString(value).quoted) is neither auto, nor a built-in name "
        + "(\(builtins.map(\.name).joined(separator: ", "))), nor a Jinja text of at least 20 "
        + "characters with a brace."
        + (isClose ? " Did you mean \(nearest ?? "")?" : ""))
  }

  private static func mostCommon(in templates: [String]) -> ChatTemplate? {
    var counts: [ExactString: Int] = [:]
    var order: [ExactString] = []
    for template in templates {
      let text = template.trimmed
      guard !text.isEmpty else { continue }
      let key = ExactString(text)
      if counts[key] == nil { order.append(key) }
      counts[key, default: 0] += 1
    }
    var best: ExactString?
    for candidate in order where counts[candidate] ?? 0 > best.flatMap({ counts[$0] }) ?? 0 {
      best = candidate
    }
    return best.map { ChatTemplate($0.text) }
  }

  /// The number of single-letter changes between two words.
  private static func distance(_ word: String, _ other: String) -> Int {
    let (left, right) = (Array(word.utf8), Array(other.lowercased().utf8.prefix(24)))
    var row = Array(0...right.count)
    for (i, letter) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, candidate) in right.enumerated() {
        let change = diagonal + (letter == candidate ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(change, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }

  /// The template that the files of a model hold.
  static func stored(in directory: FilePath, configuration: JSONObject?) throws(TinctureError)
    -> String?
  {
    if let text = try TokenizerFile.readText("chat_template.jinja", in: directory) { return text }
    if let text = configuration?["chat_template"].flatMap(defaultText) { return text }
    let object = try TokenizerFile.readObject("chat_template.json", in: directory)
    return object?["chat_template"].flatMap(defaultText)
  }

  /// The template itself, or the one named `default` in a list of several.
  private static func defaultText(_ value: JSONValue) -> String? {
    if let text = value.stringValue { return text }
    let entry = value.arrayValue?.first { $0["name"]?.stringValue == "default" }
    return entry?["template"]?.stringValue ?? value["default"]?.stringValue
  }
}

extension String {
  /// The text without white space at its ends.
  fileprivate var trimmed: String {
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }
}
