internal import TinctureJSON
public import TinctureTensors

extension ModelConfiguration {
  /// Changes the type of the stored tensors, in all places and spellings in which it stands.
  ///
  /// - Parameter dtype: The new type; a type without a name in PyTorch changes nothing.
  /// - Complexity: O(n) in the size of the document.
  public mutating func setDType(_ dtype: DType) {
    guard let name = dtype.torchName else { return }
    let places = dtypePaths
    for path in places {
      let old = document.value(at: path)?.stringValue ?? ""
      document.set(.string(old.hasPrefix("torch.") ? "torch." + name : name), at: path)
    }
    if !places.contains(where: { $0.count == 1 }) {
      let key = document["dtype"] != nil && document["torch_dtype"] == nil ? "dtype" : "torch_dtype"
      document[key] = .string(name)
    }
  }

  /// Changes the number of tokens of the vocabulary, in all places in which it stands.
  ///
  /// - Parameter size: The number of rows of the token embedding.
  /// - Complexity: O(n) in the size of the document.
  public mutating func setVocabularySize(_ size: Int) {
    let places = vocabularyPaths
    for path in places { document.set(.integer(size), at: path) }
    if places.isEmpty {
      document.set(.integer(size), at: (textSections.first ?? []) + ["vocab_size"])
    }
  }

  /// Changes whether the head shares the values of the token embedding, in all places in which it stands.
  ///
  /// Nothing is added when it stands nowhere and is usual for the kind of model.
  ///
  /// - Parameter isTied: Whether the values are shared.
  /// - Complexity: O(n) in the size of the document.
  public mutating func setTiesWordEmbeddings(_ isTied: Bool) {
    let places = (textSections + [[]]).map { $0 + ["tie_word_embeddings"] }
    let existing = places.filter { document.value(at: $0) != nil }
    if existing.isEmpty, tiesWordEmbeddings == isTied { return }
    for path in existing.isEmpty ? places : existing { document.set(.bool(isTied), at: path) }
  }
}
