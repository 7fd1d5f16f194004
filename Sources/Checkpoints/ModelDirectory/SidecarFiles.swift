public import SystemPackage
public import TinctureTensors

/// A file of a model directory that belongs beside the weights of a merged model.
public struct SidecarFile: Sendable, Hashable {
  /// What the file is for.
  public enum Category: String, Sendable, Hashable, CaseIterable {
    /// The defaults of text generation.
    case generation
    /// The tokenizer; replaced as a whole when the merge makes a new one.
    case tokenizer
    /// The chat templates that stand in files of their own.
    case chatTemplate
    /// The preparation of images, sound and video.
    case processor
    /// The Python modules that the configuration refers to.
    case code
    /// The licence and its notices.
    case legal
    /// The pooling and the other stages of a sentence embedder.
    case sentenceEmbedding
  }

  /// The path inside the directory, with `/` between folders.
  public let path: String
  /// The size in bytes.
  public let size: Int
  /// What the file is for.
  public let category: Category
}

/// The files that travel with a model apart from its weights and its `config.json`.
///
/// Weights, the model card, hidden files and everything that is not known to be needed stay behind.
public enum SidecarFiles {
  /// The files of a directory that belong beside a merged model.
  ///
  /// Links are followed, as the cache of the hub consists of them; whoever copies the files copies their
  /// contents.
  ///
  /// - Parameter directory: The directory of the model.
  /// - Returns: The files in the order of the bytes of their paths; none when there is no directory.
  /// - Throws: `missingInput`, `checkpoint` or `io` when the directory or a file that names others cannot
  ///   be read.
  /// - Complexity: O(n log n) in the number of files.
  public static func list(in directory: FilePath) throws(TinctureError) -> [SidecarFile] {
    var files: [SidecarFile] = []
    func add(_ path: String, _ category: SidecarFile.Category) throws(TinctureError) {
      let full = directory.appending(path)
      guard let status = try SmallFile.status(of: full), status.type == .regular else { return }
      files.append(SidecarFile(path: path, size: status.size, category: category))
    }
    for name in try FolderListing.names(in: directory) ?? [] {
      if let category = category(ofFile: name) {
        try add(name, category)
      } else if name == "additional_chat_templates" {
        for inner in try FolderListing.names(in: directory.appending(name)) ?? []
        where inner.hasSuffix(".jinja") {
          try add(name + "/" + inner, .chatTemplate)
        }
      } else if isEmbedderStage(name) {
        for inner in embedderStageFiles { try add(name + "/" + inner, .sentenceEmbedding) }
      }
    }
    for path in try CustomCode.files(in: directory) { try add(path, .code) }
    return files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  /// What a file at the top of a directory is for; nil when it stays behind.
  static func category(ofFile name: String) -> SidecarFile.Category? {
    switch name {
    case "generation_config.json": return .generation
    case "chat_template.jinja", "chat_template.json": return .chatTemplate
    case "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
      "image_processor_config.json", "feature_extractor_config.json":
      return .processor
    case "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json":
      return .sentenceEmbedding
    default: break
    }
    if tokenizerFiles.contains(name) || name.hasSuffix(".tiktoken")
      || name.hasPrefix("tokenizer.model.v")
    {
      return .tokenizer
    }
    let upper = name.uppercased()
    let isText = ["", "TXT", "MD", "RST", "PDF"].contains { suffix in
      legalNames.contains { upper.hasPrefix($0) && isEnding(upper, suffix) }
    }
    return isText ? .legal : nil
  }

  private static func isEnding(_ name: String, _ suffix: String) -> Bool {
    guard let dot = name.lastIndex(of: ".") else { return suffix.isEmpty }
    return !suffix.isEmpty && name[name.index(after: dot)...] == suffix
  }

  /// Whether a folder holds a stage of a sentence embedder, like `1_Pooling`.
  private static func isEmbedderStage(_ name: String) -> Bool {
    let parts = name.split(separator: "_", maxSplits: 1)
    guard parts.count == 2, let number = parts.first, let kind = parts.last else { return false }
    return TensorNameParts.number(number) != nil
      && kind.utf8.allSatisfy { byte in
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte & 0xDF) && byte < 0x80
      }
  }

  private static let embedderStageFiles = ["config.json"]
  private static let legalNames = ["LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "COPYING"]
  private static let tokenizerFiles: Set<String> = [
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
    "sentencepiece.bpe.model", "sentencepiece.model", "source.spm", "target.spm", "bpe.codes",
    "dict.txt", "tekken.json", "normalizer.json",
  ]
}
