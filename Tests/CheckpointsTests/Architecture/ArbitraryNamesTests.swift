import Testing
import TinctureCheckpoints

@Suite("Layout of names that nobody chose")
struct ArbitraryNamesTests {
  private static let words = [
    "layers", "model", "encoder", "decoder", "", "0", "1", "12", "visual", "experts", "weight",
    "bias", "lm_head", "embed_tokens", "h", "é", "merger", "language_model", "shared", "00", "-1",
    "layer1", "norm", "attn",
  ]

  /// A few names of random words; the same seed gives the same names.
  private func names(seed: UInt64) -> [String] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    return (0..<next(12)).map { _ in
      (0..<next(7)).map { _ in Self.words[next(Self.words.count)] }.joined(separator: ".")
    }
  }

  @Test("Every name has one consistent place, whatever the names are and in any order")
  func places() {
    for seed in 0..<1_000 {
      let names = names(seed: UInt64(seed))
      let layout = ModelLayout(names: names)
      let reversed = ModelLayout(names: names.reversed())
      #expect(layout.stacks == reversed.stacks)
      #expect(layout.moduleNames == reversed.moduleNames)
      for name in names {
        let position = layout.position(of: name)
        #expect(layout.moduleNames.contains(position.module))
        #expect((0...1).contains(layout.depth(of: name)))
        #expect(layout.counterpart(of: name) == name)
        if let stack = position.stack, let layer = position.layer {
          #expect("\(stack).\(layer).\(position.suffix)" == name)
        }
        if let source = layout.tiedSource(of: name) {
          #expect(names.contains(source) && source != name)
        }
      }
    }
  }
}
