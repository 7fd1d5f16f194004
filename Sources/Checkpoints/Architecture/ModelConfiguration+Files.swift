public import SystemPackage
internal import TinctureJSON
public import TinctureTensors

extension ModelConfiguration {
  /// The name of the file in a model directory.
  public static let fileName = "config.json"

  private static let largestFile = 64 << 20

  /// Parses a configuration.
  ///
  /// - Parameters:
  ///   - bytes: The text in UTF-8.
  ///   - file: The file that it comes from, for error messages.
  /// - Throws: `checkpoint` with the byte offset when the text is no JSON object.
  /// - Complexity: O(n).
  public init(parsing bytes: [UInt8], file: String? = nil) throws(TinctureError) {
    let value: JSONValue
    do throws(TinctureError) {
      value = try JSONValue(parsing: bytes)
    } catch {
      throw error.located(file: file)
    }
    guard let object = value.objectValue else {
      throw TinctureError(
        .checkpoint, "A model configuration must be a JSON object; save the model again.",
        at: .init(file: file, byteOffset: 0))
    }
    self.init(object, style: Style(of: bytes))
  }

  /// Reads the configuration of a model.
  ///
  /// - Parameter directory: The directory of the model.
  /// - Returns: The configuration, or nil when the directory has none.
  /// - Throws: `checkpoint` with the file and the byte offset when the file is malformed, `missingInput`
  ///   or `io` when it cannot be read.
  /// - Complexity: O(n) in the size of the file.
  public static func read(directory: FilePath) throws(TinctureError) -> ModelConfiguration? {
    let path = directory.appending(fileName)
    guard let bytes = try SmallFile.contents(of: path, limit: largestFile) else { return nil }
    return try ModelConfiguration(parsing: bytes, file: path.string)
  }

  /// The text of the file, laid out as the one that was read.
  ///
  /// - Complexity: O(n).
  public var text: String {
    var text = JSONValue.object(document).text(indentation: style.indentation)
    if style.isASCII { text = Self.escapingNonASCII(text) }
    return style.endsWithNewline ? text + "\n" : text
  }

  private static func escapingNonASCII(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
    var output = ""
    for scalar in text.unicodeScalars {
      if scalar.isASCII {
        output.unicodeScalars.append(scalar)
      } else {
        for unit in String(Character(scalar)).utf16 {
          let code = String(unit, radix: 16)
          output += "\\u" + String(repeating: "0", count: 4 - code.count) + code
        }
      }
    }
    return output
  }
}

extension ModelConfiguration.Style {
  /// The layout of a text, told by its first lines and its last byte.
  init(of bytes: [UInt8]) {
    self.init()
    endsWithNewline = bytes.last == UInt8(ascii: "\n")
    isASCII = bytes.allSatisfy { $0 < 0x80 }
    guard let brace = bytes.firstIndex(of: UInt8(ascii: "{")) else { return }
    let tail = bytes[(brace + 1)...].drop { $0 == UInt8(ascii: "\r") }
    guard tail.first == UInt8(ascii: "\n") else {
      indentation = bytes.count > brace + 1 && bytes[brace + 1] == UInt8(ascii: "}") ? 2 : nil
      return
    }
    let spaces = tail.dropFirst().prefix { $0 == UInt8(ascii: " ") }.count
    indentation = (1...8).contains(spaces) ? spaces : 2
  }
}
