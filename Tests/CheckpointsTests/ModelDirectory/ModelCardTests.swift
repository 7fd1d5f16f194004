import Testing
import TinctureCheckpoints

@Suite("Model cards")
struct ModelCardTests {
  static let card = ModelCard(
    title: "Harbour", method: "TIES", methodLink: "https://arxiv.org/abs/2306.01708",
    base: .init("org/base", hubIdentifier: "org/base", byteCount: 13_476_838_400),
    models: [
      .init(
        "org/first@main", hubIdentifier: "org/first",
        revision: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"),
      .init("./second|x", byteCount: 999),
      .init("org/first", hubIdentifier: "org/first"),
    ],
    recipe: "merge_method: ties\n", toolVersion: "1.0.0", license: "apache-2.0")

  @Test("A card says what was merged, from what and how")
  func text() {
    #expect(
      Self.card.text == """
        ---
        base_model:
        - org/base
        - org/first
        library_name: transformers
        license: apache-2.0
        tags:
        - merge
        - tincture
        ---
        # Harbour

        This model is a merge of trained models, made by tincture 1.0.0.

        ## How it was made

        Method: [TIES](https://arxiv.org/abs/2306.01708), starting from [org/base](https://huggingface.co/org/base).

        | Model | Part | Revision | Weights |
        | --- | --- | --- | ---: |
        | [org/base](https://huggingface.co/org/base) | base | – | 13.4 GB |
        | [org/first](https://huggingface.co/org/first) as `org/first@main` | merged | `1a2b3c4d5e6f` | – |
        | `./second\\|x` | merged | – | 999 bytes |
        | [org/first](https://huggingface.co/org/first) | merged | – | – |

        ## Recipe

        ```yaml
        merge_method: ties
        ```

        """)
  }

  @Test("The same inputs give the same bytes")
  func deterministic() {
    #expect(Self.card.text == Self.card.text)
  }

  @Test("Local models are not named as models of the hub")
  func localOnly() {
    let card = ModelCard(
      title: "x", method: "Linear", models: [.init("/data/a")], recipe: "", toolVersion: "1")
    #expect(!card.text.contains("base_model"))
    #expect(!card.text.contains("license"))
    #expect(!card.text.contains("huggingface.co"))
  }

  @Test("Fences in the recipe do not end its block")
  func fences() {
    var card = Self.card
    card.recipe = "# ````\nmerge_method: ties"
    #expect(card.text.contains("\n`````yaml\n# ````\nmerge_method: ties\n`````\n"))
  }

  @Test(
    "Values that YAML would read as something else are quoted",
    arguments: [
      ("apache-2.0", "apache-2.0"), ("no", "\"no\""), ("1.0", "\"1.0\""), ("a: b", "\"a: b\""),
      ("a\n---\nb", #""a\n---\nb""#), ("\"x\"", #""\"x\"""#), ("", "\"\""), ("Null", "\"Null\""),
      ("\u{7}\u{85}é", #""\u0007\u0085é""#),
    ])
  func quoting(license: String, expected: String) {
    var card = Self.card
    card.license = license
    #expect(card.text.contains("\nlicense: \(expected)\ntags:"))
  }

  @Test("Names cannot break out of their line or cell")
  func hostileNames() {
    var card = Self.card
    card.title = "a\n# b <script>"
    card.models = [.init("`x`\n|y|", hubIdentifier: "no hub](http://x)")]
    #expect(card.text.contains("\n# a # b \\<script\\>\n"))
    #expect(card.text.contains("| `` `x` \\|y\\| `` | merged |"))
  }

  @Test(
    "Sizes are rounded down to a tenth",
    arguments: [
      (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (999_999, "999.9 kB"),
      (1_000_000, "1.0 MB"), (Int.max, "9.2 EB"),
    ])
  func sizes(count: Int, text: String) {
    var card = Self.card
    card.base?.byteCount = count
    #expect(card.text.contains("| base | – | \(text) |"))
  }

  @Test(
    "The licence of an input is read from its card",
    arguments: [
      ("---\nlicense: mit\n---\n", "mit"),
      ("---\r\ntags:\r\n- x\r\nlicense: \"mit\"\r\n---", "mit"),
      ("# x\nlicense: mit", nil), ("---\ntags: x\n---\nlicense: mit", nil), ("", nil),
      ("---\nlicense:\n- mit\n---", nil), ("---\nlicense: [mit]\n---", nil),
    ] as [(String, String?)])
  func license(text: String, expected: String?) {
    #expect(ModelCard.license(inCard: text) == expected)
  }
}
