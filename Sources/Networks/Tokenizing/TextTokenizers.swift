public import SystemPackage
internal import TinctureCheckpoints
public import TinctureTensors

/// Tokenizers by what a model's directory holds.
public enum TextTokenizers {
  /// Opens the tokenizer of a model: of byte pairs, or of word pieces.
  ///
  /// - Parameters:
  ///   - directory: The directory of the model.
  ///   - lengthLimit: How many tokens a text may have; nil takes the model's own limit where it is set.
  /// - Returns: The tokenizer.
  /// - Throws: `missingInput` when there is no vocabulary, `checkpoint` when it is malformed or of another
  ///   kind.
  public static func open(
    _ directory: FilePath, lengthLimit: Int? = nil
  ) throws(TinctureError) -> any TextTokenizer {
    switch try Tokenizer.read(directory: directory)?.format {
    case .document(model: "BPE"), .bytePairs:
      try BytePairTokenizer(reading: directory, lengthLimit: lengthLimit)
    default: try WordPieceTokenizer(reading: directory, lengthLimit: lengthLimit)
    }
  }
}
