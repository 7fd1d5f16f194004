extension JSONValue {
  /// The document as text.
  ///
  /// - Parameter indentation: Spaces per level; nil writes everything on one line without spaces.
  /// - Returns: The text.
  /// - Complexity: O(n).
  public func text(indentation: Int? = 2) -> String {
    var output = ""
    write(to: &output, indentation: indentation, level: 0)
    return output
  }

  private func write(to output: inout String, indentation: Int?, level: Int) {
    switch self {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .number(let text): output += text
    case .string(let text): Self.writeString(text, to: &output)
    case .array(let items):
      Self.writeList("[", "]", items, to: &output, indentation: indentation, level: level) {
        $0.write(to: &$1, indentation: indentation, level: level + 1)
      }
    case .object(let object):
      Self.writeList(
        "{", "}", object.members, to: &output, indentation: indentation, level: level
      ) { member, output in
        Self.writeString(member.key, to: &output)
        output += indentation == nil ? ":" : ": "
        member.value.write(to: &output, indentation: indentation, level: level + 1)
      }
    }
  }

  private static func writeList<Item>(
    _ open: String, _ close: String, _ items: [Item], to output: inout String, indentation: Int?,
    level: Int, _ body: (Item, inout String) -> Void
  ) {
    output += open
    let lead = indentation.map { "\n" + String(repeating: " ", count: $0 * (level + 1)) } ?? ""
    for (index, item) in items.enumerated() {
      if index > 0 { output += "," }
      output += lead
      body(item, &output)
    }
    if let indentation, !items.isEmpty {
      output += "\n" + String(repeating: " ", count: indentation * level)
    }
    output += close
  }

  private static func writeString(_ text: String, to output: inout String) {
    output += "\""
    defer { output += "\"" }
    let isPlain = text.utf8.allSatisfy {
      $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
    }
    guard !isPlain else {
      output += text
      return
    }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case "\u{08}": output += "\\b"
      case "\u{0C}": output += "\\f"
      case _ where scalar.value < 0x20:
        let code = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - code.count) + code
      default: output.unicodeScalars.append(scalar)
      }
    }
  }
}
