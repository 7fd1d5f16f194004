import Testing
import TinctureMerging
import TinctureTensors

@Suite("Regular expressions over tensor names")
struct TensorPatternTests {
  @Test(
    "Expressions find what they describe and nothing else",
    arguments: [
      ("mlp", "model.mlp.up", true), ("^mlp", "model.mlp", false), ("mlp$", "model.mlp", true),
      (#"layers\.(0|31)\."#, "model.layers.31.x", true),
      (#"layers\.(0|31)\."#, "model.layers.310.x", false),
      (#"^model\.layers\.\d+\.mlp"#, "model.layers.12.mlp.up", true),
      (#"\bq_proj\b"#, "a.q_proj.b", true), (#"\bq_proj\b"#, "a.xq_proj", false),
      ("[a-c]{2,3}$", "xxab", true), ("^[^a-c]+$", "xyz", true), ("^[^a-c]+$", "xbz", false),
      ("^a{2}$", "aaa", false), ("^a{2,}$", "aaa", true), ("^a?b+?c*$", "bbcc", true),
      ("", "x", true), ("^$", "", true), ("^$", "x", false), ("(|a)b", "b", true),
      ("^(a|ab)(c|bcd)$", "abcd", true), (#"^[\w.]+$"#, "a_1.b", true), (#"[\D]"#, "123", false),
      ("[a-]", "-", true), ("^(?:ab){2}$", "abab", true), ("é", "é", true),
      (#"\Bb"#, "ab", true), ("^(){3}(a*)*$", "aaa", true),
    ])
  func find(pattern: String, name: String, expected: Bool) throws {
    #expect(try TensorPattern(pattern).isFound(in: name) == expected)
  }

  @Test(
    "Malformed expressions are refused in words",
    arguments: ["(", ")", "[a", "*a", "a{3,2}", #"\"#, "[z-a]", String(repeating: "a", count: 600)])
  func refused(pattern: String) {
    let error = #expect(throws: TinctureError.self) { try TensorPattern(pattern) }
    #expect(error?.code == .recipe)
    #expect(error?.message.contains("regular expression") == true, "\(error?.message ?? "")")
  }

  @Test("Random expressions are compiled or refused, and never crash")
  func random() {
    var random = SplitMix(state: 7)
    let alphabet = Array(#"()[]{}|*+?\ab-^$.,:dwB0129"#)
    var compiled = 0
    for _ in 0..<5000 {
      let letters = (0...random.below(20)).map { _ in alphabet[random.below(alphabet.count)] }
      do {
        _ = try TensorPattern(String(letters)).isFound(in: "model.layers.10.a-b")
        compiled += 1
      } catch {
        #expect(error.code == .recipe)
      }
    }
    #expect(compiled > 100)
  }
}
