import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureEvaluation
import TinctureFitting
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureMerging
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@Suite("Statistics of models on examples", .needsLibTorch)
struct StatisticsTests {
  private static let recorded = FilePath(
    (Bundle.module.resourcePath ?? "") + "/Fixtures/statistics.safetensors")
  private static let pieces = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "NetworksTests/Fixtures/WordPieces").path
  private let scratch: ScratchDirectory
  private let fixture: TinyModel

  init() throws {
    scratch = try ScratchDirectory()
    fixture = try TinyModel(reading: Self.recorded)
    _ = try scratch.write("model.safetensors", group("model").safetensors)
  }

  /// The recorded tensors of a group, without the group in their names.
  private func group(_ name: String) -> TinyModel {
    TinyModel(
      fixture.tensors.filter { $0.name.hasPrefix(name + "/") }.map { tensor in
        var tensor = tensor
        tensor.name = String(tensor.name.dropFirst(name.count + 1))
        return tensor
      })
  }

  private func model() throws -> ModelInput {
    try ModelInput(
      opening: ModelReference(path: scratch.path.appending("model.safetensors").string),
      locator: ModelLocator())
  }

  private func suite(_ text: String) throws -> EvaluationSuite {
    try EvaluationSuite(parsing: text, file: scratch.path.appending("suite.yaml"))
  }

  private func vision(batch: Int = 4) throws -> EvaluationSuite {
    var suite = try suite(
      """
      network: {kind: vision_transformer, image_size: 8, num_channels: 1, patch_size: 4,
        hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 12,
        layer_norm_eps: 1.0e-6, hidden_act: gelu, pooling: mean, patch_module: patch_embed}
      input: {range: 1}
      tasks:
        - name: t
          data: {file: "\(Self.recorded)", inputs: images}
          head: {file: "\(Self.recorded)", weight: head.weight, bias: head.bias}
          expert: model.safetensors
      """)
    suite.batchSize = batch
    return suite
  }

  private func values(_ found: CollectedStatistics) throws -> [String: [Float]] {
    var values: [String: [Float]] = [:]
    for (name, tensor) in found.tensors { values[name] = try tensor.array(as: Float.self) }
    return values
  }

  /// The largest difference to recorded values, relative to the largest of each tensor.
  private func distance(_ found: [String: [Float]], _ expected: TinyModel) -> Float {
    guard Set(found.keys) == Set(expected.tensors.map(\.name)) else { return .infinity }
    var largest: Float = 0
    for tensor in expected.tensors {
      let own = found[tensor.name] ?? []
      guard own.count == tensor.values.count else { return .infinity }
      let scale = tensor.values.map(\.magnitude).max() ?? 0
      for (a, b) in zip(own, tensor.values) {
        largest = max(largest, (a - b).magnitude / max(scale, 1e-12))
      }
    }
    return largest
  }

  @Test("Gram matrices are PyTorch's, whatever the batches are", arguments: [1, 4, 6])
  func gram(batch: Int) throws {
    let suite = try vision(batch: batch)
    let found = try StatisticsCollector(suite, .gram).collect(model(), for: suite.tasks[0])
    #expect(distance(try values(found), group("gram")) < 2e-6)
    #expect(found.rowCount == 24)
    #expect(found.exampleCount == 6)
    #expect(found.metadata.contains { $0.key == StatisticsKind.metadataKey && $0.value == "gram" })
    // The mean of the inputs, whose square no mean of squares is below.
    let grams = try values(found)
    let whole = try StatisticsCollector(vision(batch: 6), .gram)
      .collect(model(), for: suite.tasks[0])
    #expect(!found.inputs.isEmpty)
    for ((name, mean), (_, other)) in zip(found.inputs, whole.inputs) {
      let mean = try mean.array(as: Float.self)
      let gram = try #require(grams[String(name.dropLast(StatisticsKind.meanEnd.count))])
      for (index, value) in mean.enumerated() {
        #expect(value * value <= gram[index * (mean.count + 1)] + 1e-6)
      }
      #expect(mean.contains { abs($0) > 1e-3 })
      #expect(zip(mean, try other.array(as: Float.self)).allSatisfy { abs($0 - $1) < 1e-5 })
    }
  }

  @Test("The exact Fisher information is PyTorch's, and so is that of batches")
  func fisher() throws {
    let suite = try vision()
    for (variant, name) in [(FisherVariant.exact, "exact"), (.batch, "batch")] {
      let found = try StatisticsCollector(suite, .fisher(variant))
        .collect(model(), for: suite.tasks[0])
      #expect(distance(try values(found), group(name)) < 1e-5, "\(name)")
    }
  }

  @Test("Many drawn labels approach the exact Fisher information, and repeat with the seed")
  func sampled() throws {
    let suite = try vision()
    func draw(_ draws: Int, seed: UInt64 = 0) throws -> [String: [Float]] {
      var collector = StatisticsCollector(suite, .fisher(.sampled(draws: draws)))
      collector.seed = seed
      return try values(collector.collect(model(), for: suite.tasks[0]))
    }
    #expect(distance(try draw(4000), group("exact")) < 0.1)
    let few = try draw(2)
    #expect(try draw(2) == few)
    #expect(try draw(2, seed: 1) != few)
  }

  @Test("Of too many examples some are chosen by the seed, and files say what they hold")
  func files() throws {
    let suite = try vision()
    var collector = StatisticsCollector(suite, .gram)
    collector.exampleLimit = 4
    #expect(try collector.exampleCount() == 4)
    let folder = scratch.path.appending("grams")
    var heard = 0
    let report = try #require(
      try collector.run([model()], into: folder) { heard += $0 }.first)
    #expect(heard == 4 && report.exampleCount == 4 && report.rowCount == 16)
    func measured() throws -> TinyModel {
      let found = try TinyModel(reading: report.file).tensors
      return TinyModel(found.filter { !$0.name.hasSuffix(StatisticsKind.meanEnd) })
    }
    let written = try measured()
    #expect(written.tensors.count == report.tensorCount)
    #expect(try TinyModel(reading: report.file).tensors.count > written.tensors.count)
    collector.seed = 1
    let others = try values(collector.collect(model(), for: suite.tasks[0]))
    #expect(distance(others, written) > 1e-3)
    #expect(distance(others, written) < 10)
    // What is there stays, unless it may be replaced.
    let error = #expect(throws: TinctureError.self) { try collector.run([model()], into: folder) }
    #expect(error?.code == .cannotCreate)
    _ = try collector.run([model()], into: folder, replaces: true)
    #expect(distance(others, try measured()) == 0)
    // Never a model.
    var named = suite
    named.tasks[0].name = "model"
    let lost = #expect(throws: TinctureError.self) {
      try StatisticsCollector(named, .gram).run([model()], into: scratch.path, replaces: true)
    }
    #expect(lost?.message.contains("replace a model") == true)
  }

  @Test(
    "Behind merged layers that equal the model's own, Gram matrices are the model's own", .needsBLAS
  )
  func merged() throws {
    var suite = try vision()
    suite.tasks.append(suite.tasks[0])
    suite.tasks[1].name = "u"
    let folder = scratch.path.appending("merged")
    let collector = MergedGramCollector(StatisticsCollector(suite, .gram))
    var planned = 0
    var heard = 0
    let reports = try collector.run([model(), model()], into: folder) {
      planned = $0
    } observer: {
      heard += $0
    }
    // Two blocks, two tasks, six examples.
    #expect(planned == 24 && heard == 24)
    let linear = TinyModel(
      group("gram").tensors.filter { $0.name.contains("attn") || $0.name.contains("mlp") })
    for report in reports {
      let found = try TinyModel(reading: report.file)
      let values = Dictionary(uniqueKeysWithValues: found.tensors.map { ($0.name, $0.values) })
      #expect(distance(values, linear) < 1e-5)
      #expect(report.rowCount == 24)
    }
  }

  @Test("A raised flag ends the work, and wrong variants are refused")
  func faults() throws {
    let suite = try vision()
    let collector = StatisticsCollector(suite, .gram)
    #expect(throws: TinctureError.self) { try collector.run([], into: scratch.path) }
    let texts = StatisticsCollector(suite, .fisher(.texts))
    let error = #expect(throws: TinctureError.self) {
      try texts.collect(model(), for: suite.tasks[0])
    }
    #expect(error?.message.contains("exact, sampled or batch") == true)
    collector.interruption.raise()
    let stopped = #expect(throws: TinctureError.self) {
      try collector.run([model()], into: scratch.path.appending("none"))
    }
    #expect(stopped?.code == .interrupted)
  }

  // MARK: Texts

  private let network = """
    network: {model_type: KIND, architectures: [ARCHITECTURE], vocab_size: 400, hidden_size: 8,
      num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 12,
      max_position_embeddings: 40, type_vocab_size: 2, layer_norm_eps: 1.0e-12, rms_norm_eps: 1.0e-6,
      hidden_act: ACTIVATION, num_labels: 3}

    """

  private func texts(_ kind: String, metric: String = "accuracy") throws -> EvaluationSuite {
    let lines = ["text", "a dog", "the naive cafe has twelve dogs , they say", "dogs", "one more"]
    _ = try scratch.write("data.tsv", Array(lines.joined(separator: "\n").utf8))
    let isBert = kind == "bert"
    let suite = try suite(
      network.replacing("KIND", with: kind)
        .replacing(
          "ARCHITECTURE", with: isBert ? "BertForSequenceClassification" : "LlamaForCausalLM"
        )
        .replacing("ACTIVATION", with: isBert ? "gelu" : "silu")
          + """
          tokenizer: "\(Self.pieces)"
          tasks: [{name: t, metric: \(metric), data: {file: data.tsv, inputs: text}}]
          """)
    var tensors: [TinyModel.Tensor] = []
    for shape in suite.network.parameterShapes {
      let random = CounterRandom(seed: 4, tensor: shape.name, purpose: "test")
      let extents = try #require(Shape(shape.extents))
      tensors.append(
        .init(
          shape.name, shape: extents,
          (0..<extents.elementCount).map { Float(random.uniform(at: $0)) - 0.4 }))
    }
    _ = try scratch.write("model.safetensors", TinyModel(tensors).safetensors)
    return suite
  }

  private func collected(
    _ suite: EvaluationSuite, batch: Int, _ measure: StatisticsCollector.Measure
  ) throws -> CollectedStatistics {
    var suite = suite
    suite.batchSize = batch
    return try StatisticsCollector(suite, measure).collect(model(), for: suite.tasks[0])
  }

  @Test("Padding does not count", arguments: ["bert", "llama"])
  func padding(kind: String) throws {
    let suite = try texts(kind, metric: kind == "bert" ? "accuracy" : "perplexity")
    let single = try collected(suite, batch: 1, .gram)
    let padded = try collected(suite, batch: 4, .gram)
    #expect(single.rowCount == padded.rowCount)
    let alone = try values(single)
    let expected = TinyModel(
      padded.tensors.compactMap { name, tensor in
        Shape(tensor.shape).flatMap { shape in
          (try? tensor.array(as: Float.self)).map { .init(name, shape: shape, $0) }
        }
      })
    #expect(distance(alone, expected) < 1e-5)
    let names = Set(alone.keys)
    if kind == "bert" {
      #expect(names.contains("bert.encoder.layer.0.attention.self.query.weight"))
      #expect(names.contains("classifier.weight"))
      #expect(names.contains("bert.embeddings.LayerNorm.weight"))
      #expect(!names.contains("bert.embeddings.word_embeddings.weight"))
      // One input, one Gram matrix.
      let attention = "bert.encoder.layer.0.attention.self."
      #expect(alone[attention + "query.weight"] == alone[attention + "value.weight"])
    } else {
      #expect(names.contains("model.layers.0.mlp.down_proj.weight"))
      #expect(names.contains("model.norm.weight"))
      #expect(names.contains("lm_head.weight"))
    }
  }

  @Test("Of a language model the Fisher information is that of its texts")
  func likelihood() throws {
    let suite = try texts("llama", metric: "perplexity")
    let found = try values(collected(suite, batch: 2, .fisher(.texts)))
    #expect(found.values.contains { $0.contains { $0 > 0 } })
    #expect(found.values.allSatisfy { $0.allSatisfy { $0 >= 0 && $0.isFinite } })
    #expect(throws: TinctureError.self) { try collected(suite, batch: 2, .fisher(.exact)) }
  }

  // MARK: CLIP

  @Test(
    "Both layouts of CLIP give the same Gram matrices, and say which weights are stored [in, out]")
  func clip() throws {
    let images = TinyModel([
      .init(
        "images", shape: try #require(Shape([3, 3, 16, 16])),
        (0..<2304).map { Float($0 * 37 % 101) / 101 }),
      .init("head", shape: Shape(rows: 2, columns: 8), (0..<16).map { Float($0) / 8 - 1 }),
    ])
    _ = try scratch.write("data.safetensors", images.safetensors)
    let suite = try suite(
      """
      network: {kind: clip_vision, model_type: clip_vision_model, image_size: 16, patch_size: 8,
        hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 12,
        projection_dim: 8, architectures: [CLIPVisionModelWithProjection]}
      input: {range: 1}
      tasks: [{name: t, data: {file: data.safetensors}, head: {file: data.safetensors, weight: head}}]
      """)
    func number(_ name: String, _ index: Int) -> Float {
      Float(CounterRandom(seed: 6, tensor: name, purpose: "test").uniform(at: index)) - 0.4
    }
    let shapes = suite.network.parameterShapes
    let own = TinyModel(
      try shapes.map { shape in
        let extents = try #require(Shape(shape.extents))
        return .init(
          shape.name, shape: extents, (0..<extents.elementCount).map { number(shape.name, $0) })
      })
    _ = try scratch.write("model.safetensors", own.safetensors)
    let first = try values(collected(suite, batch: 3, .gram))
    _ = try scratch.write("model.safetensors", openClip(own).safetensors)
    let second = try collected(suite, batch: 3, .gram)
    let found = try values(second)
    let attention = "vision_model.encoder.layers.0.self_attn."
    let block = "visual.transformer.resblocks.0."
    for (name, other) in [
      (attention + "q_proj.weight", block + "attn.in_proj_weight"),
      (attention + "out_proj.weight", block + "attn.out_proj.weight"),
      ("vision_model.encoder.layers.0.mlp.fc2.weight", block + "mlp.c_proj.weight"),
      ("visual_projection.weight", "visual.proj"),
      ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
      ("vision_model.post_layernorm.weight", "visual.ln_post.weight"),
    ] {
      let pair = zip(try #require(first[name]), try #require(found[other]))
      #expect(pair.allSatisfy { ($0 - $1).magnitude < 1e-4 * max(1, $0.magnitude) }, "\(other)")
    }
    let listed = second.metadata.first { $0.key == StatisticsKind.inputMajorKey }?.value
    #expect(listed == "visual.proj")
  }

  /// The same encoder in open_clip's layout.
  private func openClip(_ model: TinyModel) throws -> TinyModel {
    func rename(_ name: String) -> String {
      [
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.patch_embedding", "visual.conv1"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.pre_layrnorm", "visual.ln_pre"),
        ("vision_model.post_layernorm", "visual.ln_post"),
        ("vision_model.encoder.layers", "visual.transformer.resblocks"), ("layer_norm1", "ln_1"),
        ("layer_norm2", "ln_2"), ("self_attn.out_proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"), ("visual_projection.weight", "visual.proj"),
      ].reduce(name) { $0.replacing($1.0, with: $1.1) }
    }
    var tensors: [TinyModel.Tensor] = []
    var joined: [String: [Float]] = [:]
    for tensor in model.tensors {
      if tensor.name.contains("self_attn"), !tensor.name.contains("out_proj") { continue }
      var renamed = tensor
      renamed.name = rename(tensor.name)
      if renamed.name == "visual.proj" {
        // [outputs, w] becomes [w, outputs].
        let width = tensor.shape.extents[1]
        let rows = tensor.shape.extents[0]
        renamed.values = (0..<rows * width).map { tensor.values[$0 % rows * width + $0 / rows] }
        renamed.shape = Shape(rows: width, columns: rows)
      }
      tensors.append(renamed)
    }
    for part in ["weight", "bias"] {
      for letter in ["q", "k", "v"] {
        joined[part, default: []] +=
          model["vision_model.encoder.layers.0.self_attn.\(letter)_proj.\(part)"] ?? []
      }
    }
    let block = "visual.transformer.resblocks.0.attn.in_proj_"
    tensors.append(
      .init(block + "weight", shape: Shape(rows: 24, columns: 8), try #require(joined["weight"])))
    tensors.append(
      .init(block + "bias", shape: Shape(vector: 24), try #require(joined["bias"])))
    return TinyModel(tensors)
  }
}
