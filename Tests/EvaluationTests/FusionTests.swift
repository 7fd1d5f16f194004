import Foundation
import SystemPackage
import Testing
import TinctureMerging
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@testable import TinctureEvaluation

@Suite("Fusion of language models by their scores", .needsLibTorch)
struct FusionTests {
  private let folder: FilePath

  init() throws {
    folder = FilePath(NSTemporaryDirectory()).appending("fusion-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      atPath: folder.string, withIntermediateDirectories: true)
  }

  private static func softmax(_ scores: [Double]) -> [Double] {
    let top = scores.max() ?? 0
    let powers = scores.map { exp($0 - top) }
    return powers.map { $0 / powers.reduce(0, +) }
  }

  private static func divergence(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
  }

  /// The formula for one step, in double precision.
  private static func fused(
    _ large: [Double], _ small: [Double], _ experts: [[Double]], _ factors: [Double]
  ) -> [Double] {
    let (p, q) = (softmax(large), softmax(small))
    var best: (Double, [Double])?
    for expert in experts {
      for factor in factors {
        let mixed = softmax(large.indices.map { large[$0] + factor * (expert[$0] - small[$0]) })
        var objective = 0.0
        for other in experts.map(softmax) {
          let ahead = divergence(mixed, p) - divergence(other, q)
          let behind = divergence(p, mixed) - divergence(q, other)
          objective += ahead * ahead + behind * behind
        }
        if objective < best?.0 ?? .infinity { best = (objective, mixed) }
      }
    }
    return best?.1 ?? p
  }

  @Test("Each step has the expert and the factor that keep the distance", arguments: [1, 3])
  func formula(expertCount: Int) throws {
    let (steps, words) = (6, 9)
    func random(_ name: String) -> [[Double]] {
      let random = CounterRandom(seed: 2, tensor: name, purpose: "test")
      return (0..<steps).map { step in
        (0..<words).map { 4 * random.uniform(at: step * words + $0) }
      }
    }
    func logs(_ rows: [[Double]]) throws -> TorchTensor {
      try TorchTensor(rows.flatMap { $0.map { Float($0) } }, shape: [steps, words]).logSoftmax()
    }
    let (large, small) = (random("large"), random("small"))
    let experts = (0..<expertCount).map { random("expert \($0)") }
    let factors = LogitFusion(large: "", small: "", experts: []).factors
    #expect(factors.count == 21 && factors.last == 2)
    let found = try FusedLanguageModel.fused(
      logs(large), logs(small), experts.map(logs), factors
    ).exp().array(as: Float.self)
    for step in 0..<steps {
      let wanted = Self.fused(large[step], small[step], experts.map { $0[step] }, factors)
      for word in 0..<words {
        #expect(abs(Double(found[step * words + word]) - wanted[word]) < 1e-5)
      }
    }
  }

  private func write(_ name: String, _ tensors: [String: TorchTensor]) throws {
    var bytes = Data()
    var entries: [(name: String, dtype: DType, shape: Shape)] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      entries.append((name, try #require(tensor.dtype), try #require(Shape(tensor.shape))))
      try tensor.withBytes { bytes.append(contentsOf: $0) }
    }
    let header = SafetensorsHeader.encode(tensors: entries, metadata: [])
    try (Data(header) + bytes).write(to: URL(filePath: folder.appending(name).string))
  }

  private func settings(_ width: Int, _ words: Int = 40) -> String {
    """
    {"model_type": "llama", "vocab_size": \(words), "hidden_size": \(width), "num_hidden_layers": 1,
      "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 24, "rms_norm_eps": 0.000001,
      "max_position_embeddings": 32}
    """
  }

  /// Random parameters, and their configuration as `small.json`.
  private func makeModel(_ name: String, width: Int, words: Int = 40, seed: UInt64) throws {
    let text = settings(width, words)
    try Data(text.utf8).write(to: URL(filePath: folder.appending("small.json").string))
    let suite = try suite(width, "", words)
    var tensors: [String: TorchTensor] = [:]
    for shape in suite.network.parameterShapes {
      tensors[shape.name] = try .normal(
        shape.extents, CounterRandom(seed: seed, tensor: shape.name, purpose: "test"),
        deviation: 0.5)
    }
    try write(name, tensors)
  }

  private func suite(
    _ width: Int, _ fusion: String, _ words: Int = 40
  ) throws -> EvaluationSuite {
    try EvaluationSuite(
      parsing: """
        network: \(settings(width, words))
        tasks: [{name: a, metric: perplexity, data: {file: data.safetensors, inputs: ids}}]
        batch_size: 3
        \(fusion.isEmpty ? "" : "models: [{name: f, fusion: \(fusion)}]")
        """, file: folder.appending("suite.yaml"))
  }

  private func perplexity(_ width: Int, _ model: EvaluatedModel, _ fusion: String) throws -> Double
  {
    let scores = try Evaluator(suite(width, fusion)).evaluate(model)
    return try #require(scores["a"]?.value)
  }

  private func reference(_ name: String) -> ModelReference {
    ModelReference(path: folder.appending(name).string)
  }

  @Test(
    "A large model with nothing to learn stays; one that equals the small base becomes the expert")
  func limits() throws {
    try makeModel("large.safetensors", width: 16, seed: 1)
    try makeModel("small.safetensors", width: 8, seed: 2)
    try makeModel("tuned.safetensors", width: 8, seed: 3)
    let random = CounterRandom(seed: 5, tensor: "ids", purpose: "test")
    let ids = try TorchTensor((0..<35).map { Int(random.uniform(at: $0) * 40) }, shape: [5, 7])
    try write("data.safetensors", ["ids": ids])

    func fused(_ width: Int, _ large: String, _ expert: String, _ more: String = "") throws
      -> Double
    {
      let text =
        "{large: \(large), small: small.safetensors, experts: [\(expert)], config: small.json\(more)}"
      let listed = try #require(try suite(width, text).models.first)
      guard case .fusion(let fusion) = listed.source else {
        Issue.record("The suite lists no fusion.")
        return 0
      }
      return try perplexity(
        width, EvaluatedModel("f", fusion: fusion, large: reference(large)), text)
    }
    let large = try perplexity(16, EvaluatedModel("l", reference("large.safetensors")), "")
    let unmoved = try fused(16, "large.safetensors", "small.safetensors")
    #expect(abs(unmoved / large - 1) < 1e-5)
    let expert = try perplexity(8, EvaluatedModel("e", reference("tuned.safetensors")), "")
    let moved = try fused(8, "small.safetensors", "tuned.safetensors")
    #expect(abs(moved / expert - 1) < 1e-4)
    let still = try fused(8, "small.safetensors", "tuned.safetensors", ", limit: 0")
    let small = try perplexity(8, EvaluatedModel("s", reference("small.safetensors")), "")
    #expect(abs(still / small - 1) < 1e-5)
    #expect(abs(try fused(16, "large.safetensors", "tuned.safetensors") / large - 1) > 1e-3)
  }

  @Test("What is wrong with a fusion is said with its place")
  func faults() throws {
    func message(_ fusion: String) -> String {
      let error = #expect(throws: TinctureError.self) { try suite(16, fusion) }
      return error?.detailedDescription ?? ""
    }
    #expect(message("{large: a, small: b}").contains("needs 'large', 'small' and 'experts'"))
    #expect(message("{large: a, small: b, experts: []}").contains("at least one"))
    #expect(
      message("{large: a, small: b, experts: [c], step: 0}").contains("'step' must be positive"))
    #expect(message("{large: a, small: b, experts: [c], alpha: 1}").contains("alpha"))
  }

  @Test("Vocabularies must be one")
  func vocabularies() throws {
    try makeModel("large.safetensors", width: 16, seed: 1)
    try makeModel("small.safetensors", width: 8, words: 41, seed: 2)
    try write("data.safetensors", ["ids": TorchTensor([1, 2, 3], shape: [1, 3])])
    var fusion = LogitFusion(
      large: "large.safetensors", small: "small.safetensors", experts: ["small.safetensors"])
    fusion.configuration = "small.json"
    let model = EvaluatedModel("f", fusion: fusion, large: reference("large.safetensors"))
    let error = #expect(throws: TinctureError.self) {
      try Evaluator(suite(16, "")).evaluate(model)
    }
    #expect(error?.detailedDescription.contains("know 41 tokens, the large one 40") == true)
  }
}
