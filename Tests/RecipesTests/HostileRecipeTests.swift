import Testing
import TinctureMerging
import TinctureRecipes
import TinctureTensors

@Suite("Hostile recipes", .timeLimit(.minutes(25)))
struct HostileRecipeTests {
  private func refusal(_ text: String) -> TinctureError? {
    #expect(throws: TinctureError.self) { try parseOne(text) }
  }

  /// Lists of lists of aliases: `levels` anchors of ten aliases each.
  private func bomb(levels: Int) -> String {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...levels {
      let items = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(items)]\n"
    }
    return text
  }

  @Test("Aliases that multiply are refused, as values and as keys", arguments: [3, 7, 40])
  func aliases(levels: Int) {
    #expect(refusal(bomb(levels: levels) + "merge_method: m\n") != nil)
    #expect(refusal(bomb(levels: levels) + "? *a\(levels)\n: 1\n") != nil)
    #expect(refusal(bomb(levels: levels) + "b: {*a\(levels), *a\(levels)}\n") != nil)
    #expect(refusal(bomb(levels: levels) + "b: {[*a\(levels)]: 1}\n") != nil)
  }

  @Test("Many aliases of one anchor are fine")
  func manyAliases() throws {
    let slices = (0..<200).map { layer in
      "  - sources: [{model: a, layer_range: [\(layer), \(layer + 1)]}]\n"
        + (layer < 6
          ? "    parameters: &p\(layer) {weight: 1}\n" : "    parameters: *p\(layer % 6)\n")
    }
    let block = "merge_method: m\nslices:\n" + slices.joined()
    #expect(throws: Never.self) {
      try parseOne(
        block.replacing("{weight: 1}", with: "\n      weight: 1")
          .replacing("[{model: a, layer_range:", with: "\n    - model: a\n      layer_range:")
          .replacing("]}]", with: "]"))
    }
  }

  @Test(
    "Deep nesting is refused instead of exhausting the stack", arguments: ["[", "{a: ", "- ", "? "])
  func nesting(opening: String) {
    for depth in [100, 900, 100_000] {
      #expect(refusal("merge_method: " + String(repeating: opening, count: depth)) != nil)
      #expect(refusal("a:\n  " + String(repeating: opening, count: depth)) != nil)
    }
    let closed = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
    #expect(refusal("a: " + closed)?.message.contains("deeper than 64") == true)
  }

  @Test("A text of more than four million bytes is refused unread")
  func size() {
    let text = "merge_method: " + String(repeating: "x", count: 5 << 20)
    #expect(refusal(text)?.message.contains("at most 4194304") == true)
  }

  @Test("Bytes that are not UTF-8 are refused")
  func encoding() {
    let error = #expect(throws: TinctureError.self) {
      try RecipeParser.parse(bytes: [0x61, 0xFF], file: "x")
    }
    #expect(error?.message.contains("UTF-8") == true)
  }

  @Test("Thousands of small changes to good recipes neither crash nor hang the reader")
  func mutations() throws {
    var random = SplitMix(state: 2024)
    let seeds = try Fixture.names.map { Array(try Fixture.text($0).utf8) }
    let pieces = [
      "[", "]", "{", "}", ": ", "- ", "\n", "\n  ", "\t", "&a ", "*a", "<<: ", "!!str ", "!x ",
      "? ", "'", "\"", "#", "|\n", ">\n", "---\n", "...\n", "~", "null", "-1", "1e999", "0x",
      "\u{85}", "\u{2028}", "\u{FEFF}", "é", "\0", "%YAML 9.9\n", "99999999999999999999", "@", "+",
    ].map { Array($0.utf8) }
    var accepted = 0
    for round in 0..<4000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0...random.below(3) {
        let place = random.below(bytes.count + 1)
        switch random.below(5) {
        case 0: bytes.insert(contentsOf: pieces[random.below(pieces.count)], at: place)
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(8)))
        case 2 where place < bytes.count: bytes[place] = UInt8(random.below(128))
        case 3: bytes.removeSubrange(place...)
        default:
          let end = min(bytes.count, place + random.below(40))
          bytes.insert(contentsOf: bytes[place..<end], at: random.below(bytes.count + 1))
        }
      }
      do {
        let recipes = try RecipeParser.parse(bytes: bytes, file: "x", exists: { _ in false })
        accepted += recipes.isEmpty ? 0 : 1
      } catch {
        #expect(error.code == .recipe)
        #expect(!error.message.isEmpty)
      }
    }
    #expect(accepted > 400)
    #expect(accepted < 3600)
  }
}

/// A small generator with a fixed seed.
struct SplitMix {
  var state: UInt64

  mutating func below(_ bound: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((z ^ (z >> 31)) % UInt64(max(bound, 1)))
  }
}
