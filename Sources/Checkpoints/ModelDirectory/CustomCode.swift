internal import SystemPackage
internal import TinctureJSON
internal import TinctureTensors

/// The Python modules of a model directory that its configuration files refer to.
enum CustomCode {
  private static let largestFile = 16 << 20
  private static let mostFiles = 1_000

  /// The modules named by `auto_map`, and the modules beside them that these import.
  ///
  /// - Parameter directory: The directory of the model.
  /// - Returns: Paths inside the directory, without those that do not exist.
  /// - Throws: `checkpoint`, `missingInput` or `io` when a file cannot be read.
  static func files(in directory: FilePath) throws(TinctureError) -> [String] {
    var pending = try entryPoints(in: directory)
    var found: [String] = []
    var seen: Set<String> = []
    while let path = pending.popLast(), found.count < mostFiles {
      guard seen.insert(path).inserted,
        let status = try SmallFile.status(of: directory.appending(path)), status.type == .regular,
        let source = try SmallFile.contents(of: directory.appending(path), limit: largestFile)
      else { continue }
      found.append(path)
      pending += imports(of: source)
    }
    return found
  }

  /// The modules that `auto_map` of the configuration files names.
  private static func entryPoints(in directory: FilePath) throws(TinctureError) -> [String] {
    var modules: [String] = []
    for name in [
      "config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json",
    ] {
      let path = directory.appending(name)
      guard let bytes = try SmallFile.contents(of: path, limit: largestFile * 8) else { continue }
      let document: JSONValue
      do throws(TinctureError) {
        document = try JSONValue(parsing: bytes)
      } catch {
        throw error.located(file: path.string)
      }
      for (_, value) in document["auto_map"]?.objectValue?.members ?? [] {
        for reference in value.arrayValue ?? [value] {
          if let file = reference.stringValue.flatMap(moduleFile) { modules.append(file) }
        }
      }
    }
    return modules
  }

  /// The file of the class `module.Class`; nil for one of another model, `org/name--module.Class`,
  /// whose words before the dot are no name of Python.
  private static func moduleFile(_ reference: String) -> String? {
    guard let dot = reference.lastIndex(of: ".") else { return nil }
    let module = reference[..<dot]
    return isModule(module) ? module.replacing(".", with: "/") + ".py" : nil
  }

  /// The files of the modules that a source imports from beside it.
  private static func imports(of source: [UInt8]) -> [String] {
    var files: [String] = []
    for line in source.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
      let words = line.split(
        maxSplits: 4, whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == UInt8(ascii: ",") })
      guard words.count >= 4, words[0].elementsEqual("from".utf8),
        words[1].first == UInt8(ascii: "."), words[2].elementsEqual("import".utf8)
      else { continue }
      let module = String(decoding: words[1].dropFirst(), as: UTF8.self)
      if module.isEmpty {
        let names = line.drop { $0 == 0x20 || $0 == 0x09 }.dropFirst("from . import ".count)
        for name in names.split(whereSeparator: { $0 == UInt8(ascii: ",") || $0 == 0x20 }) {
          let name = String(decoding: name, as: UTF8.self)
          if isModule(name[...]) { files.append(name + ".py") }
        }
      } else if isModule(module[...]) {
        let path = module.replacing(".", with: "/")
        files += [path + ".py", path + "/__init__.py"]
      }
    }
    return files
  }

  /// Whether a text is a dotted name of Python, which no path leaves the directory by.
  private static func isModule(_ text: Substring) -> Bool {
    text.utf8.count <= 200
      && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
        !part.isEmpty
          && part.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte)
              || (byte < 0x80 && (0x41...0x5A).contains(byte & 0xDF))
          }
      }
  }
}
