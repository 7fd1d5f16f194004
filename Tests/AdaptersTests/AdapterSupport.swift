import Foundation
import SystemPackage
import Testing
import TinctureSafetensors
import TinctureCheckpoints
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureAdapters

/// An adapter small enough to be written down.
struct TestAdapter {
  var tensors: [TinyModel.Tensor] = []
  var settings = JSONObject([
    ("peft_type", .string("LORA")), ("r", .integer(2)), ("lora_alpha", .integer(4)),
    ("base_model_name_or_path", .string("base")), ("task_type", .string("CAUSAL_LM")),
    ("target_modules", .array([])),
  ])

  init() {}

  /// An adapter of layers with factors of noise.
  init(_ layers: [(module: String, rank: Int, inputs: [Int], outputs: Int)], seed: Int) {
    for layer in layers {
      add(layer.module, layer.rank, layer.inputs, layer.outputs, seed: seed)
    }
    settings["r"] = .integer(layers.first?.rank ?? 2)
    let ranks = layers.map { ($0.module, JSONValue.integer($0.rank)) }
    settings["rank_pattern"] = .object(JSONObject(ranks))
  }

  mutating func add(_ module: String, _ rank: Int, _ inputs: [Int], _ outputs: Int, seed: Int) {
    let stem = "base_model.model." + module
    let ones = [Int](repeating: 1, count: inputs.count - 1)
    add(stem + ".lora_A.weight", [rank] + inputs, seed: seed)
    add(stem + ".lora_B.weight", [outputs, rank] + ones, seed: seed + 100)
  }

  mutating func add(_ name: String, _ extents: [Int], _ dtype: DType = .f32, seed: Int) {
    let random = CounterRandom(seed: UInt64(seed), tensor: name, purpose: "test")
    let shape = Shape(extents) ?? Shape(vector: 0)
    tensors.append(
      .init(
        name, dtype, shape: shape,
        (0..<shape.elementCount).map { Float(random.uniform(at: $0) * 2 - 1) }))
  }

  /// Writes a directory of PEFT and gives its path.
  func write(_ name: String, in directory: ScratchDirectory) throws -> String {
    let folder = directory.path.appending(name)
    try FileManager.default.createDirectory(
      atPath: folder.string, withIntermediateDirectories: true)
    try Data(JSONValue.object(settings).text().utf8).write(
      to: URL(filePath: folder.appending("adapter_config.json").string))
    try Data(TinyModel(tensors).safetensors).write(
      to: URL(filePath: folder.appending("adapter_model.safetensors").string))
    return folder.string
  }

  func open(_ name: String, in directory: ScratchDirectory) throws -> Adapter {
    try Adapter(opening: write(name, in: directory))
  }
}

/// The changes of an adapter, dense, by layer.
struct Changes {
  private(set) var values: [String: [Double]] = [:]

  init() {}

  init(_ adapter: Adapter) throws {
    for layer in adapter.layers {
      let pair = try #require(try adapter.factors(of: layer))
      values[layer.name] = Self.product(pair)
    }
  }

  static func product(_ pair: FactorPair) -> [Double] {
    var result = [Double](repeating: 0, count: pair.up.rows * pair.down.columns)
    for row in 0..<pair.up.rows {
      for k in 0..<pair.rank {
        let factor = pair.scale * pair.up[row, k]
        for column in 0..<pair.down.columns {
          result[row * pair.down.columns + column] += factor * pair.down[k, column]
        }
      }
    }
    return result
  }

  subscript(layer: String) -> [Double]? { values[layer] }

  mutating func add(_ other: Changes, times weight: Double) {
    for (name, change) in other.values {
      let present = values[name] ?? [Double](repeating: 0, count: change.count)
      values[name] = zip(present, change).map { $0 + weight * $1 }
    }
  }

  /// The largest difference of two elements.
  func distance(to other: Changes) -> Double {
    guard Set(values.keys) == Set(other.values.keys) else { return .infinity }
    return values.map { name, change in
      let others = other.values[name] ?? []
      guard others.count == change.count else { return .infinity }
      return zip(change, others).map { ($0 - $1).magnitude }.max() ?? 0
    }.max() ?? 0
  }
}

/// Makes adapters and reads them again.
struct Bench {
  let directory: ScratchDirectory

  init() throws { directory = try ScratchDirectory() }

  func job(_ name: String, workers: Int = 2) -> AdapterJob {
    AdapterJob(output: directory.path.appending(name), replaces: true, workers: workers)
  }

  func opened(_ name: String) throws -> Adapter {
    try Adapter(opening: directory.path.appending(name).string)
  }

  func changes(_ name: String) throws -> Changes { try Changes(opened(name)) }

  func configuration(_ name: String) throws -> JSONValue {
    let path = directory.path.appending(name).appending("adapter_config.json")
    return try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: path.string))))
  }

  func size(of path: FilePath) throws -> Int {
    try Data(contentsOf: URL(filePath: path.string)).count
  }

  /// Writes a model of one file with a configuration.
  func write(_ model: TinyModel, _ name: String, type: String = "llama") throws -> String {
    let folder = directory.path.appending(name)
    try FileManager.default.createDirectory(
      atPath: folder.string, withIntermediateDirectories: true)
    let text = "{\"model_type\": \"\(type)\", \"architectures\": [\"LlamaForCausalLM\"]}"
    try Data(text.utf8).write(to: URL(filePath: folder.appending("config.json").string))
    try Data(model.safetensors).write(
      to: URL(filePath: folder.appending("model.safetensors").string))
    return folder.string
  }

  /// The tensors of a model, read as a merge would read them.
  func values(_ reference: String) throws -> [String: [Float]] {
    let input = try ModelInput(
      opening: ModelReference(parsing: reference), locator: ModelLocator())
    var result: [String: [Float]] = [:]
    for name in input.checkpoint.names {
      let reader = try #require(try input.reader(name))
      let count = reader.shape.elementCount
      var values = ContiguousArray<Float>(repeating: 0, count: count)
      var span = values.mutableSpan
      _ = try reader.read(
        0..<count, into: &span, window: ReadWindow(byteCount: 1 << 16))
      result[name] = Array(values)
    }
    return result
  }

  /// Combines adapters and gives the changes of the result.
  func combined(
    _ adapters: [Adapter], _ weights: [Double], _ mode: CombinationMode,
    _ options: CombinationOptions = CombinationOptions(), as name: String = "combined",
    workers: Int = 2
  ) async throws -> Changes {
    let combination = try AdapterCombination(
      adapters, weights: weights, mode: mode, options: options)
    _ = try await combination.run(job(name, workers: workers))
    return try changes(name)
  }
}

/// Adapters of two layers with different extents.
let twoLayers: [(module: String, rank: Int, inputs: [Int], outputs: Int)] = [
  ("model.layers.0.q_proj", 3, [10], 8), ("model.layers.1.down_proj", 3, [6], 12),
]
