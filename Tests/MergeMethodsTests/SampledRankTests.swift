import Testing
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("Thresholds of large tensors")
struct SampledRankTests {
  // A tensor so large that thresholds are looked for around those of a sample. Later rows differ more
  // from the base, so that a sample of the first rows would mislead.
  private static func models() throws -> (base: TinyModel, models: [TinyModel]) {
    let shape = try #require(Shape([1030, 1024]))
    let random = CounterRandom(seed: 8, tensor: "w", purpose: "test")
    let base = TinyModel([
      .init("w", shape: shape, [Float](repeating: 0.5, count: shape.elementCount))
    ])
    let models = (0..<3).map { model in
      base.mapValues { _, index, value in
        let size = Float(random.uniform(at: 3 * index + model)) - 0.5
        // Coarse steps, so that many elements tie.
        let step = (size * Float(index / 1024 + 100)).rounded()
        return value + step / 4096
      }
    }
    return (base, models)
  }

  @Test(
    "The result is the same whether there is memory for a sample or not",
    arguments: ["ties", "breadcrumbs", "sce"])
  func sameWithoutSample(name: String) async throws {
    let method = try #require(MethodRegistry.method(named: name))
    let (base, models) = try Self.models()
    let values: [String: ParameterValue] =
      name == "sce"
      ? ["select_topk": .number(0.3)] : ["weight": .number(0.5), "density": .number(0.6)]
    var trial = MergeTrial(
      method, base: base, models: models,
      parameters: try ResolvedParameters(for: method.info, values, modelCount: 3))
    var outputs: [[UInt8]] = []
    for share in [64 << 20, 1 << 16] {
      trial.engine = MergeEngine(
        workers: 1, memoryLimit: 1 << 30, tuning: EngineTuning(share: share))
      outputs.append(try await trial.run().bytes)
    }
    #expect(outputs[0] == outputs[1])
  }
}
