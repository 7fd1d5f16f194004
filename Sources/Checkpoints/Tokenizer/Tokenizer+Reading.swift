public import SystemPackage
import TinctureJSON
public import TinctureTensors

extension Tokenizer {
  /// Reads the tokenizer of a model.
  ///
  /// The trained vocabulary comes from the first of these that is there: `tokenizer.json`,
  /// `vocab.json` with `merges.txt`, `vocab.txt`, a SentencePiece model such as `tokenizer.model`.
  /// Added tokens come from `tokenizer.json`, then `tokenizer_config.json`, then
  /// `added_tokens.json`; special tokens that are named but in no vocabulary are added last. An added
  /// token outside the trained vocabulary gets the id that loaders of these files give it, the next
  /// free one, whatever id is written.
  ///
  /// - Parameter directory: The directory of the model.
  /// - Returns: The tokenizer, or nil when the directory holds no vocabulary.
  /// - Throws: `checkpoint` with the file, and the byte offset when it is known, when a file is
  ///   malformed; `missingInput` or `io` when a file cannot be read.
  /// - Complexity: O(n log n) in the size of the files.
  public static func read(directory: FilePath) throws(TinctureError) -> Tokenizer? {
    guard let (format, fileName, trained) = try trainedVocabulary(in: directory) else {
      return nil
    }
    var placement: AddedTokenPlacement
    do {
      placement = AddedTokenPlacement(after: try Vocabulary(trained.entries))
      try placement.place(trained.added, from: fileName)
    } catch {
      throw error.located(file: directory.appending(fileName).string)
    }
    let configuration = try TokenizerFile.readObject("tokenizer_config.json", in: directory)
    let specialTokensMap = try TokenizerFile.readObject("special_tokens_map.json", in: directory)
    try placement.placeSideTokens(
      configuration: configuration, specialTokensMap: specialTokensMap, in: directory)
    let template = try ChatTemplate.stored(in: directory, configuration: configuration)
    let (vocabulary, addedTokens) = try placement.finish(directory.appending(fileName).string)

    var fileNames: [String] = []
    for name in TokenizerFile.names {
      let path = directory.appending(name)
      if let file = try? FileDescriptor.open(
        path, .readOnly, options: [.closeOnExec, .nonBlocking])
      {
        try? file.close()
        fileNames.append(name)
      }
    }
    return Tokenizer(
      directory: directory, format: format, vocabulary: vocabulary, addedTokens: addedTokens,
      configuration: configuration, specialTokensMap: specialTokensMap, chatTemplate: template,
      notes: placement.notes, fileNames: fileNames, trainedIDLimit: placement.trainedIDLimit)
  }

  private static func trainedVocabulary(in directory: FilePath) throws(TinctureError)
    -> (format: Format, fileName: String, trained: TrainedVocabulary)?
  {
    if let document = try TokenizerFile.readObject("tokenizer.json", in: directory) {
      do {
        let model = try TrainedVocabulary.modelName(of: document)
        return (
          .document(model: model), "tokenizer.json",
          try TrainedVocabulary(document: document, model: model)
        )
      } catch {
        throw error.located(file: directory.appending("tokenizer.json").string)
      }
    }
    if let vocabulary = try TokenizerFile.readObject("vocab.json", in: directory) {
      do {
        return (.bytePairs, "vocab.json", try TrainedVocabulary(ids: vocabulary))
      } catch {
        throw error.located(file: directory.appending("vocab.json").string)
      }
    }
    if let text = try TokenizerFile.readText("vocab.txt", in: directory) {
      return (.wordPieces, "vocab.txt", TrainedVocabulary(lines: text))
    }
    for name in TokenizerFile.pieceModelNames {
      guard let contents = try TokenizerFile.read(name, in: directory) else { continue }
      do {
        let pieces = try SentencePieceModel(parsing: contents).pieces
        return (.sentencePiece(fileName: name), name, TrainedVocabulary(pieces: pieces))
      } catch {
        throw error.located(file: directory.appending(name).string)
      }
    }
    return nil
  }
}
