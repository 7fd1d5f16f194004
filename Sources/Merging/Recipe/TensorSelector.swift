/// A choice of tensors by name and layer; all parts that are given must hold.
///
/// A tensor outside the layers (an embedding, the last norm, the head) is in no range of layers.
public struct TensorSelector: Sendable, Hashable {
  /// A text that the name must contain; `*` is contained in every name.
  public var substring: String?
  /// A pattern that must be found in the name.
  public var pattern: TensorPattern?
  /// Ranges of layers, of which one must hold the tensor's layer.
  public var layers: [Range<Int>]?

  /// The choice of all tensors.
  public static let everything = TensorSelector()

  /// Creates a choice from its parts.
  public init(
    substring: String? = nil, pattern: TensorPattern? = nil, layers: [Range<Int>]? = nil
  ) {
    self.substring = substring
    self.pattern = pattern
    self.layers = layers
  }

  /// Whether every tensor is chosen.
  public var isEverything: Bool {
    (substring == nil || substring == "*") && pattern == nil && layers == nil
  }

  /// Whether a tensor is chosen.
  ///
  /// - Parameters:
  ///   - name: The name of the tensor.
  ///   - layer: The number of its layer, or nil outside the layers.
  /// - Returns: Whether all parts hold.
  /// - Complexity: O(n · m) in the lengths of the name and of the parts.
  public func matches(name: String, layer: Int?) -> Bool {
    if let substring, substring != "*", !Self.bytes(of: name, contain: substring) { return false }
    if let layers {
      guard let layer, layers.contains(where: { $0.contains(layer) }) else { return false }
    }
    return pattern?.isFound(in: name) ?? true
  }

  /// Whether the bytes of one text stand in another; an empty name contains nothing.
  private static func bytes(of name: String, contain part: String) -> Bool {
    let name = Array(name.utf8)
    let part = Array(part.utf8)
    guard !name.isEmpty, part.count <= name.count else { return false }
    return (0...name.count - part.count).contains { start in
      name[start..<start + part.count].elementsEqual(part)
    }
  }
}

extension TensorSelector: CustomStringConvertible {
  /// The parts in words, such as `filter 'mlp', layers 8..<16`.
  public var description: String {
    var parts: [String] = []
    if let substring { parts.append("filter '\(substring)'") }
    if let pattern { parts.append("regex '\(pattern.source)'") }
    if let layers {
      parts.append(
        "layers "
          + layers.map { "\($0.lowerBound)..<\($0.upperBound)" }.joined(
            separator: " "))
    }
    return parts.isEmpty ? "all tensors" : parts.joined(separator: ", ")
  }
}
