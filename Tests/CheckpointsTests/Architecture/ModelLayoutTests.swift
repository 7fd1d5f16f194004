import Testing
import TinctureCheckpoints
import TinctureJSON

@Suite("Layout of models")
struct ModelLayoutTests {
  @Test("The stacks and modules of published families are found", arguments: FamilyNames.all)
  func stacks(family: FamilyNames) {
    let layout = ModelLayout(names: family.names)
    let stacks = layout.stacks.map { "\($0.prefix) \($0.module) \($0.layerCount)" }
    #expect(stacks == family.stacks)
    #expect(layout.moduleNames == family.modules)
  }

  @Test("Every tensor is before, in or after the layers", arguments: FamilyNames.all)
  func zones(family: FamilyNames) {
    let layout = ModelLayout(names: family.names)
    for name in family.before { #expect(layout.position(of: name).zone == .before, "\(name)") }
    for name in family.after { #expect(layout.position(of: name).zone == .after, "\(name)") }
    for name in family.names {
      let position = layout.position(of: name)
      guard let layer = position.layer, let stack = position.stack else {
        #expect(position.suffix == name)
        continue
      }
      #expect("\(stack).\(layer).\(position.suffix)" == name)
      #expect(layout.name(name, inLayer: layer) == name)
      #expect(!family.before.contains(name) && !family.after.contains(name))
    }
  }

  @Test("Embeddings and heads are found, and nothing else", arguments: FamilyNames.all)
  func embeddings(family: FamilyNames) {
    let layout = ModelLayout(names: family.names)
    #expect(family.names.filter(layout.isEmbedding) == family.embeddings)
  }

  @Test("Buffers are found, and nothing else", arguments: FamilyNames.all)
  func buffers(family: FamilyNames) {
    let layout = ModelLayout(names: family.names)
    #expect(family.names.filter(layout.isBuffer) == family.buffers)
    for name in family.buffers { #expect(layout.isOptional(name)) }
  }

  @Test("A head that is not stored is tied to the embedding", arguments: FamilyNames.all)
  func tied(family: FamilyNames) {
    let layout = ModelLayout(names: family.names)
    for (name, source) in family.tied {
      #expect(layout.tiedSource(of: name) == source)
      #expect(layout.isOptional(name))
    }
    for name in family.names { #expect(layout.tiedSource(of: name) == nil, "\(name)") }
  }

  @Test("The order of the names does not matter", arguments: FamilyNames.all)
  func order(family: FamilyNames) {
    let forward = ModelLayout(names: family.names)
    let backward = ModelLayout(names: family.names.reversed())
    #expect(forward.stacks == backward.stacks)
    #expect(forward.moduleNames == backward.moduleNames)
    for name in family.names { #expect(forward.position(of: name) == backward.position(of: name)) }
  }

  @Test("Depth runs from 0 in the first to 1 in the last layer and is 0 outside")
  func depth() {
    let layout = ModelLayout(names: FamilyNames.llama.names)
    #expect(layout.depth(of: "model.layers.0.mlp.up_proj.weight") == 0)
    #expect(layout.depth(of: "model.layers.1.mlp.up_proj.weight") == 0.5)
    #expect(layout.depth(of: "model.layers.2.mlp.up_proj.weight") == 1)
    #expect(layout.depth(of: "model.layers.9.mlp.up_proj.weight") == 1)
    #expect(layout.depth(of: "lm_head.weight") == 0)
  }

  @Test("The only layer of a stack has depth 1")
  func depthOfOneLayer() {
    let layout = ModelLayout(names: FamilyNames.qwenMoE.names)
    #expect(layout.depth(of: "model.layers.0.mlp.experts.3.up_proj.weight") == 1)
  }

  @Test("Numbers that are missing leave gaps but count")
  func gaps() {
    let layout = ModelLayout(names: ["layers.0.a.weight", "layers.4.a.weight"])
    #expect(layout.stacks.map(\.layerCount) == [5])
    #expect(layout.depth(of: "layers.1.a.weight") == 0.25)
  }

  @Test("Experts inside a layer keep their number when the layer changes")
  func renameExperts() {
    let layout = ModelLayout(names: FamilyNames.mixtral.names)
    #expect(
      layout.name("model.layers.1.block_sparse_moe.experts.3.w1.weight", inLayer: 40)
        == "model.layers.40.block_sparse_moe.experts.3.w1.weight")
    #expect(layout.name("model.norm.weight", inLayer: 40) == nil)
    #expect(layout.position(of: "model.layers.40.mlp.weight").layer == 40)
  }

  @Test(
    "Numbers that count no layers make no stack",
    arguments: [
      ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"], ["0.weight", "2.weight"],
      ["weight", "bias"], [], ["experts.0.up.weight", "experts.1.up.weight"],
      ["layers.007.a.weight", "layers.+1.a.weight", "layers.-1.a.weight"],
      ["layers.٣.a.weight", "layers.99999999999999999999.a.weight", "layers..a", "layers.1"],
    ])
  func noStack(names: [String]) {
    let layout = ModelLayout(names: names)
    #expect(layout.stacks.isEmpty)
    #expect(layout.moduleNames == (names.isEmpty ? [] : ["default"]))
    for name in names { #expect(layout.depth(of: name) == 0) }
  }

  @Test("Modules that repeat under an unknown word are layers")
  func unknownWord() {
    let names = ["cell", "rung"].flatMap { word in
      (0..<3).flatMap { ["\(word).\($0).mix.weight", "\(word).\($0).scale.weight"] }
    }
    let layout = ModelLayout(names: names + ["rung.0.inner.0.a.weight", "rung.1.inner.0.a.weight"])
    #expect(layout.stacks.map(\.prefix) == ["cell", "rung"])
    #expect(layout.position(of: "rung.1.inner.0.a.weight").layer == 1)
  }

  @Test("A plain list of tensors called layers is a stack when there is nothing better")
  func weakEvidence() {
    #expect(ModelLayout(names: ["layers.0.weight", "layers.1.weight"]).stacks.count == 1)
    let better = ModelLayout(names: ["blocks.0.a.weight", "tail.layers.0.weight"])
    #expect(better.stacks.map(\.prefix) == ["blocks"])
  }

  @Test("Names with thousands of numbers are handled in a moment")
  func hostileNames() {
    let long = String(repeating: "1.", count: 200_000) + "weight"
    let layout = ModelLayout(names: [long, "layers.0." + long, "layers.999999999999.a.b"])
    #expect(layout.stacks.map(\.layerCount) == [1_000_000_000_000])
    #expect(layout.position(of: "layers.0." + long).layer == 0)
  }

  @Test(
    "Modules answer to the names that recipes use for them",
    arguments: [
      ("text_decoder", "text_decoder"), ("language_model", "text_decoder"),
      ("vision_tower", "vision_tower"), ("visual", "vision_tower"),
      ("model.language_model.layers", "text_decoder"), ("projector", "multi_modal_projector"),
      ("audio_tower", nil), ("default", nil), ("", nil),
    ])
  func moduleNames(name: String, module: String?) {
    #expect(ModelLayout(names: FamilyNames.qwen3Vision.names).module(named: name) == module)
  }

  @Test("A module knows its number of layers when it has one stack")
  func layerCount() {
    let vision = ModelLayout(names: FamilyNames.qwen3Vision.names)
    #expect(vision.layerCount(of: "vision_tower") == 3)
    #expect(vision.layerCount(of: "multi_modal_projector") == nil)
    #expect(ModelLayout(names: FamilyNames.flux.names).layerCount(of: "default") == nil)
  }

  @Test("A vision-language model in its newest layout has the modules of the old one")
  func newLayout() {
    let layout = ModelLayout(names: [
      "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight",
      "model.language_model.layers.0.mlp.up_proj.weight", "model.language_model.norm.weight",
      "model.multi_modal_projector.linear_1.weight", "lm_head.weight",
    ])
    #expect(layout.moduleNames == ["multi_modal_projector", "text_decoder", "vision_tower"])
    #expect(layout.position(of: "lm_head.weight").module == "text_decoder")
  }

  @Test("Layers past the configured number predict tokens and belong to no stack")
  func predictors() throws {
    let names = (0..<4).map { "model.layers.\($0).mlp.up_proj.weight" }
    let configuration = try ModelConfiguration(
      parsing: Array(#"{"num_hidden_layers": 3, "num_nextn_predict_layers": 1}"#.utf8))
    let layout = ModelLayout(names: names, configuration: configuration)
    #expect(layout.stacks.map(\.layerCount) == [3])
    #expect(layout.position(of: names[3]).zone == .after)
    #expect(ModelLayout(names: names).stacks.map(\.layerCount) == [4])
  }

  @Test(
    "The configuration decides whether a stored head is tied",
    arguments: [
      (#"{"model_type": "llama"}"#, false), (#"{"model_type": "gemma2"}"#, true),
      (#"{"model_type": "llama", "tie_word_embeddings": true}"#, true),
      (#"{"model_type": "gemma2", "tie_word_embeddings": false}"#, false),
    ])
  func tiedByConfiguration(text: String, isTied: Bool) throws {
    let configuration = try ModelConfiguration(parsing: Array(text.utf8))
    let layout = ModelLayout(names: FamilyNames.llama.names, configuration: configuration)
    let source = layout.tiedSource(of: "lm_head.weight")
    #expect(source == (isTied ? "model.embed_tokens.weight" : nil))
  }

  @Test("A head that the configuration declares separate is required")
  func separateHead() throws {
    let configuration = try ModelConfiguration(
      parsing: Array(#"{"model_type": "llama", "tie_word_embeddings": false}"#.utf8))
    let names = FamilyNames.llama.names.filter { $0 != "lm_head.weight" }
    let layout = ModelLayout(names: names, configuration: configuration)
    #expect(layout.tiedSource(of: "lm_head.weight") == nil)
    #expect(!layout.isOptional("lm_head.weight"))
  }

  @Test("The bias of a head has one element for each token")
  func vocabularyBias() {
    let layout = ModelLayout(names: FamilyNames.phi2.names)
    #expect(layout.isVocabularyBias("lm_head.bias"))
    #expect(!layout.isVocabularyBias("model.final_layernorm.bias"))
  }

  struct Renaming: Sendable {
    let names: [String]
    let other: String
    let expected: String?

    init(_ names: [String], _ other: String, _ expected: String?) {
      self.names = names
      self.other = other
      self.expected = expected
    }
  }

  static let renamings: [Renaming] = [
    Renaming(["transformer.h.0.ln_1.weight"], "h.0.ln_1.weight", "transformer.h.0.ln_1.weight"),
    Renaming(["wte.weight"], "transformer.wte.weight", "wte.weight"),
    Renaming(
      ["encoder.layer.0.output.LayerNorm.weight"], "bert.encoder.layer.0.output.LayerNorm.gamma",
      "encoder.layer.0.output.LayerNorm.weight"),
    Renaming(
      ["language_model.model.layers.0.up.weight"], "model.language_model.layers.0.up.weight",
      "language_model.model.layers.0.up.weight"),
    Renaming(["vit.cls_token"], "cls_token", "vit.cls_token"),
    Renaming(["module.a.weight"], "a.weight", "module.a.weight"),
    Renaming(["lm_head.weight"], "model.embed_tokens.weight", nil),
    Renaming(["model.a.weight", "transformer.a.weight"], "a.weight", nil),
    Renaming(["model.a.weight", "a.weight"], "a.weight", "a.weight"),
    Renaming(["scale.gamma"], "scale.weight", nil),
  ]

  @Test("Tensors are found under the names of another layout", arguments: renamings)
  func counterparts(renaming: Renaming) {
    let layout = ModelLayout(names: renaming.names)
    #expect(layout.counterpart(of: renaming.other) == renaming.expected)
  }
}
