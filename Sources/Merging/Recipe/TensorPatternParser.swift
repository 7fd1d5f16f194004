import TinctureTensors

/// The structure of a regular expression over tensor names.
indirect enum TensorPatternNode {
  case consume(TensorPattern.CharacterChoice)
  case require(TensorPattern.Assertion)
  case sequence([TensorPatternNode])
  case choice([TensorPatternNode])
  case repetition(TensorPatternNode, ClosedRange<Int>?, atLeast: Int)
}

/// Reads a regular expression over tensor names.
struct TensorPatternParser {
  private let source: String
  private let scalars: [Unicode.Scalar]
  private var position = 0
  private var depth = 0

  static let lengthLimit = 512
  static let depthLimit = 32
  static let repetitionLimit = 256

  init(_ source: String) {
    self.source = source
    scalars = Array(source.unicodeScalars.prefix(Self.lengthLimit + 1))
  }

  mutating func parse() throws(TinctureError) -> TensorPatternNode {
    guard scalars.count <= Self.lengthLimit else {
      throw TinctureError(
        .recipe, "A regular expression may have at most \(Self.lengthLimit) characters.")
    }
    let node = try parseChoice()
    guard current == nil else { throw failure("has a ')' without its '('") }
    return node
  }

  private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  private func failure(_ problem: String) -> TinctureError {
    TinctureError(
      .recipe, "The regular expression '\(source)' \(problem) (character \(position + 1)).")
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard current == scalar else { return false }
    position += 1
    return true
  }

  private mutating func parseChoice() throws(TinctureError) -> TensorPatternNode {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else {
      throw failure("nests groups deeper than \(Self.depthLimit) levels")
    }
    var branches = [try parseSequence()]
    while take("|") { branches.append(try parseSequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func parseSequence() throws(TinctureError) -> TensorPatternNode {
    var items: [TensorPatternNode] = []
    while let scalar = current, scalar != "|", scalar != ")" {
      var item = try parseItem()
      var isRepeated = false
      while let (low, high) = try parseQuantifier() {
        guard !isRepeated else { throw failure("repeats a repetition") }
        if case .require = item { throw failure("repeats an assertion") }
        isRepeated = true
        item = .repetition(item, high.map { low...$0 }, atLeast: low)
        if take("+") { throw failure("uses a possessive repetition, which is not available") }
        _ = take("?")
      }
      items.append(item)
    }
    return .sequence(items)
  }

  private mutating func parseItem() throws(TinctureError) -> TensorPatternNode {
    guard let scalar = current else { return .sequence([]) }
    position += 1
    switch scalar {
    case ".": return .consume(.any)
    case "^": return .require(.start)
    case "$": return .require(.end)
    case "[": return .consume(try parseClass())
    case "\\": return try parseEscape()
    case "*", "+", "?":
      position -= 1
      throw failure("has nothing to repeat before '\(scalar)'")
    case "(":
      if take("?"), !take(":") {
        throw failure("uses '(?', of which only '(?:' is available")
      }
      let node = try parseChoice()
      guard take(")") else { throw failure("has a '(' without its ')'") }
      return node
    default: return .consume(.init(ranges: [scalar.value...scalar.value]))
    }
  }

  private mutating func parseQuantifier() throws(TinctureError) -> (low: Int, high: Int?)? {
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    if take("?") { return (0, 1) }
    guard current == "{" else { return nil }
    position += 1
    guard let low = parseNumber() else { throw failure("needs a number after '{'") }
    var high: Int? = low
    if take(",") { high = parseNumber() }
    guard take("}") else { throw failure("needs a '}' after its '{'") }
    guard low <= high ?? low, max(low, high ?? 0) <= Self.repetitionLimit else {
      throw failure("needs a repetition in order and of at most \(Self.repetitionLimit)")
    }
    return (low, high)
  }

  private mutating func parseNumber() -> Int? {
    let start = position
    var value = 0
    while let scalar = current, ("0"..."9").contains(scalar) {
      value = min(value * 10 + Int(scalar.value - 0x30), 1_000_000)
      position += 1
    }
    return position > start ? value : nil
  }

  private mutating func parseEscape() throws(TinctureError) -> TensorPatternNode {
    switch current {
    case "b":
      position += 1
      return .require(.wordBoundary)
    case "B":
      position += 1
      return .require(.noWordBoundary)
    default: return .consume(try parseEscapedCharacter())
    }
  }

  private mutating func parseEscapedCharacter() throws(TinctureError)
    -> TensorPattern.CharacterChoice
  {
    guard let scalar = current else { throw failure("ends with a '\\'") }
    position += 1
    switch scalar {
    case "d": return .digit
    case "D": return .digit.inverted
    case "w": return .word
    case "W": return .word.inverted
    case "s": return .space
    case "S": return .space.inverted
    case "t": return .init(ranges: [0x09...0x09])
    case "n": return .init(ranges: [0x0A...0x0A])
    case "a"..."z", "A"..."Z", "0"..."9":
      position -= 1
      throw failure("uses '\\\(scalar)', which is not available")
    default: return .init(ranges: [scalar.value...scalar.value])
    }
  }

  private mutating func parseClass() throws(TinctureError) -> TensorPattern.CharacterChoice {
    let isNegated = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while let scalar = current, scalar != "]" || ranges.isEmpty {
      position += 1
      var choice = TensorPattern.CharacterChoice(ranges: [scalar.value...scalar.value])
      if scalar == "\\" { choice = try parseEscapedCharacter() }
      let isRange = current == "-" && position + 1 < scalars.count && scalars[position + 1] != "]"
      guard isRange else {
        ranges += choice.positiveRanges
        continue
      }
      position += 1
      var upper = TensorPattern.CharacterChoice(
        ranges: [scalars[position].value...scalars[position].value])
      position += 1
      if upper.ranges[0].lowerBound == 0x5C { upper = try parseEscapedCharacter() }
      guard let low = choice.single, let high = upper.single, low <= high else {
        throw failure("has a range of characters that is not in order")
      }
      ranges.append(low...high)
    }
    guard take("]") else { throw failure("has a '[' without its ']'") }
    return .init(ranges: ranges, isNegated: isNegated)
  }
}

extension TensorPattern.CharacterChoice {
  /// The character, when the set holds exactly one.
  var single: UInt32? {
    guard !isNegated, ranges.count == 1, ranges[0].count == 1 else { return nil }
    return ranges[0].lowerBound
  }
}
