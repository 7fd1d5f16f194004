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
      ("[]x]", "]", true), ("[a-]", "-", true), ("^(?:ab){2}$", "abab", true), ("é", "é", true),
      (#"\Bb"#, "ab", true), ("^(){3}(a*)*$", "aaa", true),
    ])
  func find(pattern: String, name: String, expected: Bool) throws {
    #expect(try TensorPattern(pattern).isFound(in: name) == expected)
  }

  @Test(
    "Malformed expressions and those that are not available are refused in words",
    arguments: [
      ("(", "without its ')'"), (")", "without its '('"), ("[a", "without its ']'"),
      ("*a", "nothing to repeat"), ("a**", "repeats a repetition"), ("a{3,2}", "in order"),
      ("a{", "number after '{'"), ("a{1", "needs a '}'"), ("a{9999}", "at most 256"),
      (#"\"#, #"ends with a '\'"#), (#"\1"#, "not available"), ("(?=a)", "only '(?:'"),
      ("(?<!a)", "only '(?:'"), ("[z-a]", "not in order"), ("a++", "possessive"),
      ("^*", "repeats an assertion"), ("((a{200}){200}){200}", "too large"),
      ("(((){256}){256}){256}", "too large"),
      (String(repeating: "(", count: 400), "deeper than 32"),
      (String(repeating: "a", count: 600), "at most 512"),
    ])
  func refused(pattern: String, fragment: String) {
    let error = #expect(throws: TinctureError.self) { try TensorPattern(pattern) }
    #expect(error?.message.contains(fragment) == true, "\(error?.message ?? "")")
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

  @Test("Expressions that ruin backtracking matchers stay fast", .timeLimit(.minutes(1)))
  func linear() throws {
    let name = String(repeating: "a", count: 2000)
    #expect(try !TensorPattern("^(a+)+$").isFound(in: name + "b"))
    #expect(try !TensorPattern("(a|a|aa)*c").isFound(in: name))
    #expect(try TensorPattern("(.*)*(.*)*$").isFound(in: name))
  }
}
