package import SystemPackage
package import TinctureJSON
import TinctureSafetensors
package import TinctureTensors

/// A file of a tokenizer, to be written beside the model.
public struct TokenizerFile: Sendable, Hashable {
  /// The name of the file in the model's directory.
  public let name: String
  /// The bytes of the file.
  public let contents: [UInt8]

  /// Names bytes.
  public init(name: String, contents: [UInt8]) {
    self.name = name
    self.contents = contents
  }

  init(name: String, json: JSONObject) {
    self.init(name: name, contents: Array((JSONValue.object(json).text() + "\n").utf8))
  }

  /// The files that belong to a tokenizer, in the order in which they are written.
  static let names = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model",
    "sentencepiece.bpe.model", "chat_template.jinja", "chat_template.json",
  ]

  /// The names of files that hold a SentencePiece model, in the order in which they are tried.
  static let pieceModelNames = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"]

  private static let largestSize = 1 << 30

  /// Reads a file of a directory; nil when there is none of that name.
  ///
  /// - Throws: `missingInput` or `io` when the file is there but cannot be read, `checkpoint` when
  ///   it is too large for a tokenizer.
  static func read(_ name: String, in directory: FilePath) throws(TinctureError) -> [UInt8]? {
    let path = directory.appending(name)
    do {
      // A named pipe would block when it is opened for good; it cannot be sought.
      let probe = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
      try probe.closeAfter { _ = try probe.seek(offset: 0, from: .end) }
    } catch Errno.noSuchFileOrDirectory {
      return nil
    } catch {
      throw TinctureError(
        .missingInput, "The file cannot be opened: \(error).", at: .init(file: path.string))
    }
    let file = try InputFile(opening: path)
    guard file.size <= largestSize else {
      throw TinctureError(
        .checkpoint, "The file is larger than 1 GiB; this is no file of a tokenizer.",
        at: .init(file: path.string))
    }
    return try file.contents()
  }

  /// Reads a JSON object of a directory; nil when there is no file of that name.
  ///
  /// - Throws: `checkpoint` with the byte offset when the file is no JSON object, and what `read`
  ///   throws.
  package static func readObject(_ name: String, in directory: FilePath) throws(TinctureError)
    -> JSONObject?
  {
    guard let contents = try read(name, in: directory) else { return nil }
    let path = directory.appending(name).string
    do throws(TinctureError) {
      guard let object = try JSONValue(parsing: contents).objectValue else {
        throw TinctureError(.checkpoint, "The file must hold a JSON object.")
      }
      return object
    } catch {
      throw error.located(file: path)
    }
  }

  /// Reads a text file of a directory; nil when there is no file of that name.
  ///
  /// - Throws: `checkpoint` when the file is not UTF-8, and what `read` throws.
  package static func readText(_ name: String, in directory: FilePath) throws(TinctureError)
    -> String?
  {
    guard let contents = try read(name, in: directory) else { return nil }
    guard let text = String(validating: contents, as: UTF8.self) else {
      throw TinctureError(
        .checkpoint, "The file is not valid UTF-8.",
        at: .init(file: directory.appending(name).string))
    }
    return text
  }
}
