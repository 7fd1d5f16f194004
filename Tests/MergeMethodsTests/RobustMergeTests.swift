import Testing
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("RobustMerge")
struct RobustMergeTests {
  /// Two adapters of rank 6, and the means of their biases.
  static let factorA = "layer.lora_A.weight"
  static let factorB = "layer.lora_B.weight"

  /// Numbers of many magnitudes, some of them equal.
  static func values(_ seed: Int, count: Int) -> [Float] {
    (0..<count).map { (Float(($0 * 37 + seed * 101) % 64) - 31.5) / 16 }
  }

  static func adapter(a: [Float], b: [Float]) -> TinyModel {
    TinyModel([
      .init(factorA, shape: Shape(rows: 6, columns: a.count / 6), a),
      .init(factorB, shape: Shape(rows: b.count / 6, columns: 6), b),
      .init("layer.bias", shape: Shape(vector: 2), [a[0], b[0]]),
    ])
  }

  static func merge(
    _ models: [TinyModel], _ values: [String: ParameterValue] = [:], workers: Int = 1
  ) async throws -> TinyModel {
    let method = RobustMerge()
    var trial = MergeTrial(
      method, base: nil, models: models,
      parameters: try ResolvedParameters(for: method.info, values, modelCount: models.count))
    trial.engine.workers = workers
    return try await trial.run().model
  }

  static let adapters = [(1, 3), (2, 4)].map {
    adapter(a: values($0.0, count: 36), b: values($0.1, count: 30))
  }

  @Test("Factors agree with a plain computation", arguments: [1, 3])
  func agrees(workers: Int) async throws {
    let merged = try await Self.merge(Self.adapters, workers: workers)
    let a: [Float] = [
      0, 0, 0, 3.1875, 3.1875, -3.5625, -3.5625, 0, 0, 0, 3.5625, 3.5625, -3.1875, -3.1875, 0, 0, 0,
      3.9375, 3.9375, 0, 0, 0, 0, 0, -3.6875, -3.6875, 0, 0, 0, 3.4375, 3.4375, -3.3125, -3.3125, 0,
      0, 0,
    ]
    let b: [Float] = [
      0, 0, 1.6533747, -1.6305785, -1.8478893, 0, 0, 0, 1.7146107, 1.9319214, 0, -1.6243991, 0, 0,
      0,
      1.8022183, 2.042404, 0, 0, 0, 0, 0, -1.7747724, -1.8792068, 0, 0, 0, 1.5733652, 1.783051,
      -1.6243991,
    ]
    for (name, expected) in [(Self.factorA, a), (Self.factorB, b)] {
      let got = try #require(merged[name])
      #expect(zip(got, expected).allSatisfy { ($0 - $1).magnitude < 1e-5 }, "\(name)")
    }
    let bias = try #require(merged["layer.bias"])
    #expect(bias[0] == (Self.values(1, count: 1)[0] + Self.values(2, count: 1)[0]) / 2)
  }

  @Test("Adapters in another order give the same")
  func order() async throws {
    let merged = try await Self.merge(Self.adapters)
    let other = try await Self.merge(Self.adapters.reversed())
    for (x, y) in zip(merged.tensors, other.tensors) {
      #expect(zip(x.values, y.values).allSatisfy { ($0 - $1).magnitude < 1e-6 })
    }
  }

  @Test(
    "Nothing pruned, factor 1: sums of A, means of B; rows without an element do not divide by 0")
  func limits() async throws {
    let merged = try await Self.merge(
      Self.adapters, ["density": .number(1), "lambda": .number(1)])
    let (x, y) = (Self.values(1, count: 36), Self.values(2, count: 36))
    #expect(merged[Self.factorA] == zip(x, y).map { $0 + $1 })
    let (u, v) = (Self.values(3, count: 30), Self.values(4, count: 30))
    #expect(merged[Self.factorB] == zip(u, v).map { ($0 + $1) / 2 })
    var tiny = Self.values(1, count: 36)
    for i in 0..<6 { tiny[i] = 1e-6 }
    let zeros = [Float](repeating: 0, count: 36)
    let result = try await Self.merge([
      Self.adapter(a: tiny, b: u), Self.adapter(a: zeros, b: v),
    ])
    #expect(result.tensors.allSatisfy { $0.values.allSatisfy(\.isFinite) })
  }

  @Test("A factor B without its A is refused")
  func lacksA() async throws {
    let lonely = TinyModel([
      .init(Self.factorB, shape: Shape(rows: 5, columns: 6), Self.values(3, count: 30))
    ])
    let error = await #expect(throws: TinctureError.self) { try await Self.merge([lonely]) }
    #expect(error?.code == .checkpoint)
  }
}
