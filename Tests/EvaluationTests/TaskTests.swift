import Foundation
import SystemPackage
import Testing
import TinctureEvaluation
import TinctureMerging
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

/// Small networks with random parameters: what they say themselves is taken for the truth.
@Suite("Tasks of other networks than image classifiers", .needsLibTorch)
struct TaskTests {
  private let folder: FilePath

  init() throws {
    folder = FilePath(NSTemporaryDirectory()).appending("tasks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      atPath: folder.string, withIntermediateDirectories: true)
  }

  private func write(_ name: String, _ tensors: [String: TorchTensor]) throws {
    let sorted = tensors.sorted { $0.key < $1.key }
    var bytes = Data()
    var entries: [(name: String, dtype: DType, shape: Shape)] = []
    for (name, tensor) in sorted {
      entries.append((name, try #require(tensor.dtype), try #require(Shape(tensor.shape))))
      try tensor.withBytes { bytes.append(contentsOf: $0) }
    }
    let header = SafetensorsHeader.encode(tensors: entries, metadata: [])
    try (Data(header) + bytes).write(to: URL(filePath: folder.appending(name).string))
  }

  private func random(_ name: String, _ shape: [Int], _ scale: Double = 0.3) throws -> TorchTensor {
    try .normal(
      shape, CounterRandom(seed: 3, tensor: name, purpose: "test"), deviation: scale)
  }

  /// Random parameters, written as `model.safetensors`.
  private func parameters(_ network: any Network) throws -> Parameters {
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      let isVariance = shape.name.hasSuffix("running_var")
      tensors[shape.name] =
        isVariance
        ? try .ones(shape.extents) : try random(shape.name, shape.extents)
    }
    try write("model.safetensors", tensors)
    return Parameters(tensors)
  }

  private func suite(_ text: String) throws -> EvaluationSuite {
    try EvaluationSuite(parsing: text, file: folder.appending("suite.yaml"))
  }

  private func scores(_ text: String, batch: Int = 3) throws -> ModelScores {
    var suite = try suite(text)
    suite.batchSize = batch
    let model = ModelReference(path: folder.appending("model.safetensors").string)
    return try Evaluator(suite).evaluate(EvaluatedModel("model", model))
  }

  private let bert = """
    network: {model_type: bert, architectures: [BertForSequenceClassification], vocab_size: 50,
      hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24,
      max_position_embeddings: 12, type_vocab_size: 2, layer_norm_eps: 1.0e-12, hidden_act: gelu,
      num_labels: LABELS}

    """

  private func ids(_ rows: Int, _ columns: Int) throws -> TorchTensor {
    let random = CounterRandom(seed: 5, tensor: "ids", purpose: "test")
    return try TorchTensor(
      (0..<rows * columns).map { Int(random.uniform(at: $0) * 50) }, shape: [rows, columns])
  }

  @Test("Texts as ids are classified with the network's own head")
  func textClasses() throws {
    let text =
      bert.replacing("LABELS", with: "3")
      + "tasks: [{name: a, data: {file: data.safetensors, inputs: ids}}]"
    let network = try #require(try suite(text).network as? BertClassifier)
    let parameters = try parameters(network)
    let ids = try ids(7, 6)
    let own = try network.logits(of: TokenBatch(ids: ids), parameters).argmax(along: 1)
    try write("data.safetensors", ["ids": ids, "labels": own])
    #expect(try scores(text)["a"]?.value == 1)
    let headed = text.replacing("inputs: ids}", with: "inputs: ids}, head: {file: x, weight: y}")
    let error = #expect(throws: TinctureError.self) { try scores(headed) }
    #expect(error?.message.contains("leave it out") == true)
  }

  @Test("A number for each text is compared with numbers")
  func regression() throws {
    let text =
      bert.replacing("LABELS", with: "1")
      + "tasks: [{name: a, metric: pearson, data: {file: data.safetensors, inputs: ids}}]"
    let network = try #require(try suite(text).network as? BertClassifier)
    let ids = try ids(6, 5)
    let own = try network.logits(of: TokenBatch(ids: ids), parameters(network)).flattened()
    try write("data.safetensors", ["ids": ids, "labels": own * 2 + 1])
    let score = try #require(try scores(text)["a"])
    #expect(abs((score.value ?? 0) - 1) < 1e-6)
    #expect(score.shown.map { abs($0 - 100) < 1e-4 } == true)
  }

  @Test("Perplexity is the exponential of the mean loss, whatever the batches are")
  func perplexity() throws {
    let text = """
      network: {model_type: llama, vocab_size: 50, hidden_size: 16, num_hidden_layers: 1,
        num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 24, rms_norm_eps: 1.0e-6,
        max_position_embeddings: 32}
      tasks: [{name: a, metric: perplexity, data: {file: data.safetensors, inputs: ids}}]
      """
    let network = try #require(try suite(text).network as? Llama)
    let parameters = try parameters(network)
    let ids = try ids(5, 8)
    try write("data.safetensors", ["ids": ids])
    let loss = try network.loss(of: TokenBatch(ids: ids), parameters).item(as: Float.self)
    for batch in [1, 2, 5] {
      let value = try #require(try scores(text, batch: batch)["a"]?.value)
      #expect(abs(value / exp(Double(loss)) - 1) < 1e-5)
    }
    let wrong = text.replacing("perplexity", with: "accuracy")
    let error = #expect(throws: TinctureError.self) { try scores(wrong) }
    #expect(error?.message.contains("its network allows perplexity") == true)
  }

  @Test("Language models learn from the tokens that follow; states are those of all tokens")
  func language() throws {
    let text = """
      network: {model_type: llama, vocab_size: 50, hidden_size: 16, num_hidden_layers: 2,
        num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 24, rms_norm_eps: 1.0e-6,
        max_position_embeddings: 32}
      tasks: [{name: a, metric: perplexity, data: {file: data.safetensors, inputs: ids}}]
      """
    let suite = try suite(text)
    let network = try #require(suite.network as? Llama)
    let parameters = try parameters(network)
    let ids = try ids(5, 8)
    try write("data.safetensors", ["ids": ids])
    let task = try LearningTask(
      try #require(suite.tasks.first), of: suite, network, on: .cpu, needsLabels: true)
    #expect(task.isLanguage && task.head == nil && task.count == 5)
    let rows = [3, 0]
    let answers = try task.answers(of: rows, parameters, blocks: [1])
    #expect(answers.rowCounts == [7, 7] && answers.tokenCounts == [8, 8])
    #expect(answers.features.shape == [14, 50] && answers.states[0].shape == [16, 16])
    let labels = try task.labels(of: rows, classCount: 50)
    let chosen = try ids.selected(at: TorchTensor(rows), along: 0)
    #expect(try labels == chosen.slice(1..<8, along: 1).flattened().array(as: Int.self))
    let found = try answers.features.crossEntropy(TorchTensor(labels)).item(as: Float.self)
    let wanted = try network.loss(of: TokenBatch(ids: chosen), parameters).item(as: Float.self)
    #expect(abs(found - wanted) < 1e-5)
    // After the last block only the normalisation is left.
    let states = try answers.states[0].rmsNorm(
      weight: parameters("model.norm.weight"), epsilon: 1e-6)
    let last = try network.states(of: TokenBatch(ids: chosen), parameters).flattened(from: 0, to: 1)
    #expect(try (states - last).abs().max().item(as: Float.self) < 1e-5)
    let error = #expect(throws: TinctureError.self) {
      try task.answers(of: rows, parameters, blocks: [2])
    }
    #expect(error?.message.contains("block 2") == true)
  }

  @Test("Classes, depths and directions of pixels are measured")
  func pixels() throws {
    let text = """
      network:
        model_type: dense
        backbone: {model_type: resnet50, embedding_size: 8, hidden_sizes: [8, 8, 16, 16], depths: [1, 1, 1, 1]}
        pyramid_width: 4
        tasks:
          segments: {kind: segmentation, classes: 3}
          depth: {kind: depth}
          normals: {kind: normals}
      input: {range: 1}
      defaults: {data: {file: data.safetensors, targets: "{task}"}}
      tasks:
        - {name: segments, metric: miou}
        - {name: depth, metric: depth_abs}
        - {name: normals, metric: normal_mean}
      """
    let network = try #require(try suite(text).network as? DenseNetwork)
    let parameters = try parameters(network)
    let images = try random("images", [4, 3, 32, 32], 1)
    let own = try network.answers(to: images, parameters)
    let depth = try #require(own["depth"])
    let classes = try #require(own["segments"]).argmax(along: 1)
    try write(
      "data.safetensors",
      [
        "images": images, "segments": classes, "depth": depth.select(0, along: 1) + 0.5,
        "normals": try #require(own["normals"]),
      ])
    let scores = try scores(text)
    #expect(scores["segments"]?.value == 1)
    #expect(abs((scores["depth"]?.value ?? 0) - 0.5) < 1e-5)
    #expect((scores["normals"]?.value ?? 9) < 0.1)
    // Depths and angles are no shares, so the average is that of the segments.
    #expect(scores.average == 100)
  }

  @Test("Pictures of any size are preprocessed as CLIP's")
  func pictures() throws {
    let text = """
      network: {kind: clip_vision, model_type: clip_vision_model, image_size: 16, patch_size: 8,
        hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24,
        projection_dim: 8, architectures: [CLIPVisionModelWithProjection]}
      input: {preprocess: clip}
      tasks:
        - name: a
          data: {file: data.safetensors}
          head: {file: heads.safetensors, weight: a, normalize_features: true}
      """
    let network = try #require(try suite(text).network as? ClipVision)
    _ = try parameters(network)
    let pixels = (0..<5 * 20 * 30 * 3).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }
    try write(
      "data.safetensors",
      [
        "images": TorchTensor(pixels, shape: [5, 20, 30, 3]),
        "labels": TorchTensor([0, 1, 0, 1, 1] as [Int]),
      ])
    try write("heads.safetensors", ["a": random("head", [2, 8])])
    let first = try scores(text, batch: 2)
    #expect(first["a"]?.exampleCount == 5)
    #expect(first["a"]?.value == (try scores(text, batch: 5))["a"]?.value)
    let error = #expect(throws: TinctureError.self) {
      try scores(text.replacing("input: {preprocess: clip}", with: "input: {range: 255}"))
    }
    #expect(error?.code == .data)
  }
}
