/// A tensor name cut at its dots, with the numbers in it.
struct TensorNameParts {
  /// The components; a name with very many dots keeps its tail in the last one.
  let parts: [Substring]
  /// The positions of the components that are numbers, from the outside, at most eight.
  let numbers: [(position: Int, value: Int)]
  private let name: String

  init(_ name: String) {
    self.name = name
    parts = name.utf8.split(
      separator: UInt8(ascii: "."), maxSplits: 64, omittingEmptySubsequences: false
    )
    .map { Substring($0) }
    var numbers: [(position: Int, value: Int)] = []
    for (position, part) in parts.enumerated() where numbers.count < 8 {
      if let value = Self.number(part) { numbers.append((position, value)) }
    }
    self.numbers = numbers
  }

  /// The value of a component that is a number as a program writes it: no sign, no leading zero.
  static func number(_ part: Substring) -> Int? {
    guard let first = part.utf8.first, (1...18).contains(part.utf8.count),
      part.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      first != UInt8(ascii: "0") || part.utf8.count == 1
    else { return nil }
    return Int(part)
  }

  /// The text before a component, without the dot.
  func container(before position: Int) -> String {
    guard position > 0 else { return "" }
    return String(name[..<parts[position - 1].endIndex])
  }

  /// The text after a component, without the dot.
  func rest(after position: Int) -> String {
    guard position + 1 < parts.count else { return "" }
    return String(name[parts[position + 1].startIndex...])
  }

  /// Whether the name ends with these components.
  func hasSuffix(_ suffix: String...) -> Bool {
    parts.count >= suffix.count && zip(parts.suffix(suffix.count), suffix).allSatisfy { $0 == $1 }
  }
}
