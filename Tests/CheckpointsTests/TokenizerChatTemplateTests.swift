import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureTensors

@Suite("Chat templates")
struct TokenizerChatTemplateTests {
  let fixture = TokenizerModels()
  private let document = bytePairDocument([("a", 0)])

  private func add(_ files: [(String, String)]) throws {
    try fixture.add("M", files: [("tokenizer.json", document)] + files)
  }

  private var tokenizers: [Tokenizer?] { fixture.models.map(\.tokenizer) }

  private func configuration(_ template: String) -> (String, String) {
    (
      "tokenizer_config.json",
      JSONValue.object(JSONObject([("chat_template", .string(template))])).text()
    )
  }

  @Test("`auto` takes the most common template, and the first of equally common ones")
  func automatic() throws {
    for template in ["{{ one }}", "{{ two }}\n", " {{ two }}"] {
      try add([configuration(template)])
    }
    #expect(try ChatTemplate.resolve("auto", among: tokenizers)?.text == "{{ two }}")
    #expect(
      try ChatTemplate.resolve("auto", among: Array(tokenizers.prefix(2)))?.text == "{{ one }}")
    #expect(try ChatTemplate.resolve("auto", among: [nil]) == nil)
  }

  @Test(
    "A template is found in every place where models keep it",
    arguments: [
      ("chat_template.jinja", "{{ x }}"),
      ("chat_template.json", #"{"chat_template": "{{ x }}"}"#),
      ("tokenizer_config.json", #"{"chat_template": "{{ x }}"}"#),
      (
        "tokenizer_config.json",
        #"{"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "{{ x }}"}]}"#
      ),
    ])
  func places(file: String, text: String) throws {
    try add([(file, text)])
    #expect(tokenizers[0]?.chatTemplate == "{{ x }}")
  }

  @Test("Built-in templates are found by name")
  func builtins() throws {
    #expect(
      ChatTemplate.builtins.map(\.name) == ["alpaca", "chatml", "exaone", "llama3", "mistral"])
    for builtin in ChatTemplate.builtins {
      let template = try ChatTemplate.resolve(builtin.name, among: [])
      #expect(template?.text == builtin.text)
      #expect(!builtin.text.contains("\\\\"))
    }
  }

  @Test("A Jinja text is taken as it is")
  func literal() throws {
    let text = "{% for m in messages %}{{ m }}{% endfor %}"
    #expect(try ChatTemplate.resolve(text, among: [])?.text == text)
  }

  @Test(
    "Anything else is refused, with the nearest name",
    arguments: [
      ("chatlm", "Did you mean chatml?"), ("llama-3", "Did you mean llama3?"), ("{{ x }}", "Jinja"),
      ("a long text without any brace", "Jinja"), ("", "Jinja"),
    ])
  func refused(value: String, mention: String) throws {
    let error = try #require(throws: TinctureError.self) {
      try ChatTemplate.resolve(value, among: [])
    }
    #expect(error.code == .recipe)
    #expect(error.message.contains(mention), "\(error.message)")
  }

  @Test("A chosen template goes to the configuration, and to other files where the donor has them")
  func written() throws {
    try add([])
    try add([configuration("old"), ("chat_template.jinja", "old")])
    let template = ChatTemplate("{{ new }}")
    for source in [0, 1] {
      let plan = try fixture.plan(.model(source), chatTemplate: template)
      let configuration = try plan.files.json("tokenizer_config.json")
      #expect(configuration?["chat_template"]?.stringValue == "{{ new }}")
      #expect(plan.files.text("chat_template.jinja") == (source == 1 ? "{{ new }}" : nil))
      #expect(plan.files.text("tokenizer.json") == document)
    }
  }
}
