internal import TinctureJSON

extension ModelLayout {
  /// The name under which this checkpoint stores what another checkpoint calls differently.
  ///
  /// The same model is saved with and without the name of its class before its tensors
  /// (`transformer.h.0…` and `h.0…`, `bert.encoder…` and `encoder…`), in two orders of the words
  /// (`model.language_model.layers…` and `language_model.model.layers…`), with the prefix of a wrapper
  /// (`module.`), and with old names of layer norms (`gamma`, `beta`).
  ///
  /// - Parameter name: The name in the other checkpoint.
  /// - Returns: The same name when this checkpoint has it, else the only tensor that can be meant, else
  ///   nil.
  /// - Complexity: O(n) in the length of the name.
  public func counterpart(of name: String) -> String? {
    if names.contains(ExactString(name)) { return name }
    return counterparts[ExactString(Self.essence(of: name))] ?? nil
  }

  /// The names by their essence; nil where two names have the same.
  static func counterparts(of names: [String]) -> [ExactString: String?] {
    var result: [ExactString: String?] = [:]
    result.reserveCapacity(names.count)
    for name in names {
      let key = ExactString(essence(of: name))
      if let existing = result[key] {
        if existing.map({ ExactString($0) }) != ExactString(name) {
          result.updateValue(nil, forKey: key)
        }
      } else {
        result.updateValue(name, forKey: key)
      }
    }
    return result
  }

  /// A name without what differs between the layouts of one model.
  static func essence(of name: String) -> String {
    let parts = TensorNameParts(name).parts
    let start = parts.dropLast().prefix { wrappers.contains($0) }.count
    guard let last = parts.last else { return name }
    var tail = String(last)
    if parts.count >= 2, last == "gamma" || last == "beta",
      parts[parts.count - 2].lowercased().contains("norm")
    {
      tail = last == "gamma" ? "weight" : "bias"
    }
    return (parts[start..<(parts.count - 1)].map(String.init) + [tail]).joined(separator: ".")
  }

  private static let wrappers: Set<Substring> = [
    "_orig_mod", "module", "model", "language_model", "transformer", "bert", "roberta",
    "distilbert", "electra", "albert", "deberta", "mpnet", "vit", "deit", "gpt_neox", "backbone",
  ]
}
