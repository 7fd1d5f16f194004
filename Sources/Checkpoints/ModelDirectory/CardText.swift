/// Texts inside Markdown.
package enum Markdown {
  /// A text on one line with nothing that Markdown would take for markup.
  package static func escaped(_ text: String) -> String {
    var output = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", "`", "*", "_", "[", "]", "<", ">", "#", "|", "~", "!":
        // Underscores and marks inside words are harmless and common in names.
        if scalar != "_" && scalar != "#" && scalar != "!" { output.unicodeScalars.append("\\") }
        output.unicodeScalars.append(scalar)
      case _ where scalar.properties.generalCategory == .control: output += " "
      default: output.unicodeScalars.append(scalar)
      }
    }
    return output
  }

  /// An address between parentheses.
  static func address(_ text: String) -> String {
    var output = ""
    for byte in text.utf8 {
      switch byte {
      case 0x21...0x7E
      where byte != UInt8(ascii: "(") && byte != UInt8(ascii: ")") && byte != UInt8(ascii: "<")
        && byte != UInt8(ascii: ">") && byte != UInt8(ascii: "\\"):
        output.unicodeScalars.append(UnicodeScalar(byte))
      default:
        let code = String(byte, radix: 16, uppercase: true)
        output += "%" + (code.utf8.count == 1 ? "0" : "") + code
      }
    }
    return output
  }

  /// A text as code, with more back ticks around it than inside.
  ///
  /// - Parameters:
  ///   - text: The text; it becomes one line.
  ///   - inTable: Whether it stands in a cell, where a bar must not end the cell.
  /// - Returns: The code span.
  package static func code(_ text: String, inTable: Bool = false) -> String {
    var line = ""
    for scalar in text.unicodeScalars {
      if scalar == "|", inTable { line += "\\" }
      line.unicodeScalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
    }
    let ticks = String(repeating: "`", count: longestRun(of: "`", in: line) + 1)
    let space = line.hasPrefix("`") || line.hasSuffix("`") || line.isEmpty ? " " : ""
    return ticks + space + line + space + ticks
  }

  /// The fence of a block of code, longer than any inside.
  package static func fence(around text: String) -> String {
    String(repeating: "`", count: max(longestRun(of: "`", in: text) + 1, 3))
  }

  private static func longestRun(of mark: Unicode.Scalar, in text: String) -> Int {
    var longest = 0
    var run = 0
    for scalar in text.unicodeScalars {
      run = scalar == mark ? run + 1 : 0
      longest = max(longest, run)
    }
    return longest
  }
}

/// Texts inside YAML.
package enum YAMLText {
  /// A text as a value, quoted unless it can only be read as a text.
  package static func scalar(_ text: String) -> String {
    isPlain(text) ? text : quoted(text)
  }

  /// Whether a text without quotes is read as itself: words that start with a letter and mean nothing.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.utf8.first, (0x41...0x5A).contains(first & 0xDF), first < 0x80 else {
      return false
    }
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
    return !words.contains(text.lowercased())
      && text.utf8.allSatisfy { byte in
        byte < 0x80 && (0x41...0x5A).contains(byte & 0xDF) || (0x30...0x39).contains(byte)
          || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
          || byte == UInt8(ascii: "/")
      }
  }

  private static func quoted(_ text: String) -> String {
    var output = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\t": output += "\\t"
      case _
      where scalar.properties.generalCategory == .control
        || scalar.value == 0x2028 || scalar.value == 0x2029 || scalar.value == 0xFEFF:
        let code = String(scalar.value, radix: 16, uppercase: true)
        output += "\\u" + String(repeating: "0", count: 4 - code.utf8.count) + code
      default: output.unicodeScalars.append(scalar)
      }
    }
    return output + "\""
  }
}

/// Sizes for people.
enum ByteSize {
  /// A size in decimal units with one digit after the point, like `13.5 GB`.
  static func text(_ count: Int) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
    var unit = 0
    var divisor = 1
    while unit < units.count - 1, count / divisor >= 1_000 {
      divisor *= 1_000
      unit += 1
    }
    if unit == 0 { return "\(count) bytes" }
    // Tenths, rounded down, so that no size looks larger than it is.
    let tenths = count / (divisor / 10)
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }
}
