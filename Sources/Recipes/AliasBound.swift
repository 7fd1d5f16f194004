/// An upper bound on how far the aliases of a YAML text can expand, from its characters alone.
///
/// Aliases multiply: with k anchors and m aliases a text can stand for (m / k) ** k values. Some of
/// the work of the YAML library on mapping keys grows with that number, so the bound comes before
/// it. It counts whatever looks like an anchor or an alias of one, and so never too little.
struct AliasBound {
  private let canReachKeys: Bool
  private let anchorCount: Int
  private let aliasCount: Int
  private let byteCount: Int

  /// Counts what looks like anchors and aliases.
  ///
  /// - Complexity: O(n).
  init(_ text: String) {
    let bytes = Array(text.utf8)
    let anchors = Self.names(after: UInt8(ascii: "&"), in: bytes)
    let known = Set(anchors)
    anchorCount = anchors.count
    aliasCount =
      known.isEmpty
      ? 0 : Self.names(after: UInt8(ascii: "*"), in: bytes).count { known.contains($0) }
    byteCount = bytes.count
    canReachKeys = Self.canHoldCollectionsInKeys(bytes)
  }

  /// Whether the work on keys stays below some thousand million bytes.
  var isSafe: Bool {
    guard canReachKeys else { return true }
    let limit = Double(16 << 30) / Double(max(byteCount, 1))
    var largest = 1.0
    for levels in stride(from: 1, through: min(anchorCount, aliasCount), by: 1) {
      var product = 1.0
      let width = Double(aliasCount) / Double(levels)
      for _ in 0..<levels where product <= limit { product *= width }
      largest = max(largest, product)
      guard largest <= limit else { return false }
      guard width > 2 else { break }
    }
    return largest <= limit
  }

  private static func names(after mark: UInt8, in bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var names: [ArraySlice<UInt8>] = []
    for start in bytes.indices where bytes[start] == mark {
      let name = bytes[(start + 1)...].prefix(while: isNameByte)
      if !name.isEmpty { names.append(name) }
    }
    return names
  }

  /// Whether a key can be more than a plain word: after `?`, inside `{}`, or ending in `]` or an
  /// alias before its colon.
  private static func canHoldCollectionsInKeys(_ bytes: [UInt8]) -> Bool {
    if bytes.contains(UInt8(ascii: "?")) || bytes.contains(UInt8(ascii: "{")) { return true }
    return bytes.indices.contains { colon in
      guard bytes[colon] == UInt8(ascii: ":") else { return false }
      let before = bytes[..<colon].reversed().drop { $0 == 0x20 || $0 == 0x09 }
      return before.first == UInt8(ascii: "]")
        || before.drop(while: isNameByte).first == UInt8(ascii: "*")
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
  }
}
