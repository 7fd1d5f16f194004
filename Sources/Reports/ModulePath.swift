/// The name of a tensor, taken apart at the number of its layer.
///
/// `visual.blocks.3.mlp.c_fc.weight` is tensor `mlp.c_fc.weight` of layer 3 of the stack `visual.blocks`.
public struct ModulePath: Sendable, Hashable {
  /// What comes before the number; without a number, the name without its last component.
  public let module: String
  /// The number of the layer, when there is one.
  public let layer: Int?
  /// What comes after the number, with further numbers as `*`; without a number, the last component.
  public let kind: String

  /// Takes a name apart.
  public init(_ name: String) {
    let words = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let place = words.firstIndex { Self.number($0) != nil }
    if let place, place + 1 < words.count {
      module = words[..<place].joined(separator: ".")
      layer = Self.number(words[place])
      kind = words[(place + 1)...].map { Self.number($0) == nil ? $0 : "*" }
        .joined(separator: ".")
    } else {
      module = words.dropLast().joined(separator: ".")
      layer = nil
      kind = words.last ?? ""
    }
  }

  private static func number(_ word: String) -> Int? {
    guard !word.isEmpty, word.utf8.count < 10 else { return nil }
    return word.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(word) : nil
  }
}
