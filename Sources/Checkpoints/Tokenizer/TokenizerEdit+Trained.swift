import SystemPackage
import TinctureJSON
import TinctureTensors

extension TokenizerEdit {
  /// `tokenizer.json` with the changes.
  ///
  /// - Throws: `checkpoint` when the file is malformed, and what reading throws.
  func document() throws(TinctureError) -> JSONObject {
    let name = "tokenizer.json"
    guard var document = try TokenizerFile.readObject(name, in: original.directory),
      var model = document["model"]?.objectValue
    else {
      throw TinctureError(
        .missingInput, "The file changed after it had been read.",
        at: .init(file: original.directory.appending(name).string))
    }
    do throws(TinctureError) {
      if cutsTrained { try cut(&model) }
    } catch {
      throw error.located(file: original.directory.appending(name).string)
    }
    // Loaders number added tokens on from the count of the trained ones; where ids have gaps, only
    // the trained vocabulary can state them.
    if vocabulary.hasGaps, var ids = model["vocab"]?.objectValue {
      for (id, token) in placedTokens { ids[token.content] = .integer(id) }
      model["vocab"] = .object(ids)
    }
    document["model"] = .object(model)
    document["added_tokens"] = .array(placedTokens.map { $0.token.entry(id: $0.id) })
    return document
  }

  /// Removes the tokens without a row, and the merges that need or make them.
  private func cut(_ model: inout JSONObject) throws(TinctureError) {
    switch model["vocab"] {
    case .array(let items): model["vocab"] = .array(Array(items.prefix(rows)))
    case .object(let ids): model["vocab"] = .object(cut(ids))
    default: break
    }
    guard let merges = model["merges"]?.arrayValue else { return }
    let gone = Set(removed)
    let prefix = model["continuing_subword_prefix"]?.stringValue ?? ""
    var kept: [JSONValue] = []
    for merge in merges {
      let parts =
        merge.stringValue.map { $0.split(separator: " ", omittingEmptySubsequences: false) }
        ?? merge.arrayValue?.compactMap { $0.stringValue.map { $0[...] } }
      guard let parts, parts.count == 2 else {
        throw TinctureError(
          .checkpoint,
          "The merge \(merge.text(indentation: nil).shortened) must be a pair of tokens.")
      }
      if survives(parts[0], parts[1], gone, prefix) { kept.append(merge) }
    }
    model["merges"] = .array(kept)
  }

  private func cut(_ ids: JSONObject) -> JSONObject {
    JSONObject(
      ids.members.filter { $0.value.intValue ?? 0 < rows }.map { ($0.key, $0.value) })
  }

  private func survives(
    _ left: Substring, _ right: Substring, _ gone: Set<ExactString>, _ prefix: String
  ) -> Bool {
    let tail = !prefix.isEmpty && right.hasPrefix(prefix) ? right.dropFirst(prefix.count) : right
    return [String(left), String(right), String(left) + String(tail)].allSatisfy {
      !gone.contains(ExactString($0))
    }
  }

  /// A file of the trained vocabulary without the tokens that have no row; nil when it only
  /// accompanies `tokenizer.json`.
  func cutFile(_ name: String) throws(TinctureError) -> TokenizerFile? {
    switch (original.format, name) {
    case (.bytePairs, "vocab.json"):
      let ids = try TokenizerFile.readObject(name, in: original.directory)
      return ids.map { TokenizerFile(name: name, json: cut($0)) }
    case (.bytePairs, "merges.txt"):
      let gone = Set(removed)
      let text = try TokenizerFile.readText(name, in: original.directory)
      let lines = text?.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        return parts.count != 2 || survives(parts[0], parts[1], gone, "")
      }
      return lines.map { .init(name: name, contents: Array($0.joined(separator: "\n").utf8)) }
    case (.wordPieces, "vocab.txt"):
      let text = try TokenizerFile.readText(name, in: original.directory)
      let lines = text?.split(omittingEmptySubsequences: false, whereSeparator: \.isLineEnd)
        .prefix(rows)
      return lines.map { lines in
        .init(name: name, contents: Array(lines.map { $0 + "\n" }.joined().utf8))
      }
    default: return nil
    }
  }
}

extension Character {
  /// Whether a line of a text file ends here.
  var isLineEnd: Bool { self == "\n" || self == "\r\n" || self == "\r" }
}
