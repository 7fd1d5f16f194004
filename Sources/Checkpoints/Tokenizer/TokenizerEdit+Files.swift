import SystemPackage
import TinctureJSON
import TinctureTensors

extension TokenizerEdit {
  /// The files of the changed tokenizer, and what the user should know about them.
  ///
  /// Files that need no change are copied byte for byte.
  ///
  /// - Throws: `checkpoint` when the format cannot hold the change, and what reading throws.
  func files(chatTemplate: ChatTemplate?) throws(TinctureError)
    -> (files: [TokenizerFile], notes: [String])
  {
    try checkFormat()
    var files: [TokenizerFile] = []
    var notes: [String] = []
    var vacant: [String] = []
    var leftOut: [String] = []
    var names = original.fileNames
    for (name, isNeeded) in [
      ("tokenizer_config.json", chatTemplate != nil),
      ("added_tokens.json", !isDocument && !appended.isEmpty),
    ] where isNeeded && !names.contains(name) {
      names.append(name)
    }
    for name in names {
      switch name {
      case "tokenizer_config.json":
        let (json, roles) = configuration(chatTemplate)
        vacant += roles
        files.append(try written(name, json))
      case "special_tokens_map.json":
        let (json, roles) = specialTokensMap()
        vacant += roles.filter { !vacant.contains($0) }
        files.append(try written(name, json))
      case "chat_template.jinja":
        if let chatTemplate {
          files.append(.init(name: name, contents: Array(chatTemplate.text.utf8)))
        } else {
          files.append(try written(name, nil))
        }
      case "chat_template.json":
        var json = chatTemplate == nil ? nil : try object(name)
        json?["chat_template"] = chatTemplate.map { .string($0.text) }
        files.append(try written(name, json))
      case "tokenizer.json" where isChanged:
        files.append(.init(name: name, json: try document()))
      case "added_tokens.json" where isChanged:
        files.append(try addedTokensFile())
      case "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model",
        "sentencepiece.bpe.model":
        if !cutsTrained {
          files.append(try written(name, nil))
        } else if let file = try cutFile(name) {
          files.append(file)
        } else {
          leftOut.append(name)
        }
      default: files.append(try written(name, nil))
      }
    }
    if !vacant.isEmpty {
      notes.append(
        "\(model): \(vacant.joined(separator: ", ")) named tokens that have no row in the embedding; "
          + "the output does not set them.")
    }
    if !leftOut.isEmpty {
      notes.append(
        "\(model): \(leftOut.joined(separator: ", ")) would disagree with the shortened "
          + "tokenizer.json and are left out.")
    }
    return (files, notes)
  }

  private var isDocument: Bool {
    if case .document = original.format { true } else { false }
  }

  private func checkFormat() throws(TinctureError) {
    let needsDocument: Bool
    switch original.format {
    case .document: return
    case .sentencePiece:
      needsDocument =
        cutsTrained || !appended.isEmpty || addedTokens.count > original.addedTokens.count
    case .bytePairs, .wordPieces: needsDocument = isChanged && vocabulary.hasGaps
    }
    guard !needsDocument else {
      throw TinctureError(
        .checkpoint,
        "The tokenizer must be changed, which its files do not allow; a tokenizer.json is needed "
          + "(loading and saving the tokenizer with transformers writes one).",
        at: .init(file: original.directory.string, model: model))
    }
  }

  /// A file with new contents, or a copy when there are none.
  private func written(_ name: String, _ json: JSONObject?) throws(TinctureError)
    -> TokenizerFile
  {
    if let json { return TokenizerFile(name: name, json: json) }
    return TokenizerFile(name: name, contents: try contents(name))
  }

  private func contents(_ name: String) throws(TinctureError) -> [UInt8] {
    guard let contents = try TokenizerFile.read(name, in: original.directory) else {
      throw disappeared(name)
    }
    return contents
  }

  private func disappeared(_ name: String) -> TinctureError {
    TinctureError(
      .missingInput, "The file disappeared after it had been read.",
      at: .init(file: original.directory.appending(name).string))
  }

  private func object(_ name: String) throws(TinctureError) -> JSONObject {
    guard let object = try TokenizerFile.readObject(name, in: original.directory) else {
      throw disappeared(name)
    }
    return object
  }

  /// `tokenizer_config.json` when it changes, and the roles that lose their token.
  private func configuration(_ chatTemplate: ChatTemplate?) -> (JSONObject?, [String]) {
    guard isChanged || chatTemplate != nil else { return (nil, []) }
    var (object, vacant) = SpecialTokens.removing(
      missing, from: original.configuration ?? JSONObject())
    if isChanged {
      object["added_tokens_decoder"] = .object(
        JSONObject(placedTokens.map { (String($0.id), $0.token.decoderEntry) }))
    }
    if let chatTemplate { object["chat_template"] = .string(chatTemplate.text) }
    return (object, vacant)
  }

  /// `special_tokens_map.json` when it changes, and the roles that lose their token.
  private func specialTokensMap() -> (JSONObject?, [String]) {
    guard !removed.isEmpty, let map = original.specialTokensMap else { return (nil, []) }
    return SpecialTokens.removing(missing, from: map)
  }

  /// `added_tokens.json`: what was in it and still exists, then the appended tokens.
  private func addedTokensFile() throws(TinctureError) -> TokenizerFile {
    let name = "added_tokens.json"
    var object = JSONObject()
    let known = original.fileNames.contains(name) ? try self.object(name).keys : []
    for token in known + appended.map(\.content) {
      if let id = vocabulary.id(of: token) { object[token] = .integer(id) }
    }
    return TokenizerFile(name: name, json: object)
  }
}
