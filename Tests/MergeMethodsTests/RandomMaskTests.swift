import Testing
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("Random masks")
struct RandomMaskTests {
  /// Task vectors of ones in every element, so that the output shows the mask.
  private static func trial(
    _ method: SparsifiedArithmetic, _ values: [String: ParameterValue], shape: [Int]
  ) throws -> MergeTrial {
    let shape = try #require(Shape(shape))
    let count = shape.elementCount
    let zeros = TinyModel([.init("w", shape: shape, [Float](repeating: 0, count: count))])
    return MergeTrial(
      method, base: zeros, models: [zeros.mapValues { _, index, _ in 1 + Float(index) / 1e6 }],
      parameters: try ResolvedParameters(
        for: method.info, values.merging(["weight": .number(1)]) { $1 }, modelCount: 1))
  }

  @Test(
    "DARE keeps the share it is told to, within four standard deviations",
    arguments: [0.1, 0.5, 0.9])
  func dareShare(density: Double) async throws {
    let trial = try Self.trial(
      .dareLinear, ["density": .number(density), "rescale": .bool(false)], shape: [200, 100])
    let kept = try #require(try await trial.run().model["w"]).count { $0 != 0 }
    let deviation = (density * (1 - density) * 20_000).squareRoot()
    #expect((Double(kept) - density * 20_000).magnitude < 4 * deviation)
  }

  @Test("DELLA keeps larger elements of a row more often")
  func dellaShare() async throws {
    let trial = try Self.trial(
      .dellaLinear,
      ["density": .number(0.6), "epsilon": .number(0.2), "rescale": .bool(false)],
      shape: [4000, 5])
    let output = try #require(try await trial.run().model["w"])
    for rank in 0..<5 {
      let kept = stride(from: rank, to: output.count, by: 5).count { output[$0] != 0 }
      let chance = 0.4 + 0.1 * Double(rank)
      let deviation = (chance * (1 - chance) * 4000).squareRoot()
      #expect((Double(kept) - chance * 4000).magnitude < 4 * deviation, "rank \(rank)")
    }
  }

  @Test("Rescaling makes up for the lost sum of magnitudes")
  func rescaling() async throws {
    for method in [SparsifiedArithmetic.dareLinear, .dellaLinear] {
      let trial = try Self.trial(method, ["density": .number(0.6)], shape: [30, 70])
      let got = try #require(try await trial.run().model["w"])
      let sum = got.reduce(0.0) { $0 + Double($1) }
      let original = trial.models[0]["w"]?.reduce(0.0) { $0 + Double($1) } ?? 0
      #expect((sum / original - 1).magnitude < 1e-6)
    }
  }

  @Test("DELLA's paper divides each element by its own chance to stay")
  func ownChance() async throws {
    let trial = try Self.trial(
      .dellaLinear,
      ["density": .number(0.6), "epsilon": .number(0.2), "rescale_rule": .text("density")],
      shape: [100, 5])
    let output = try #require(try await trial.run().model["w"])
    for (index, value) in output.enumerated() where value != 0 {
      let chance = 0.4 + 0.1 * Float(index % 5)
      #expect((value - (1 + Float(index) / 1e6) / chance).magnitude < 1e-5)
    }
  }

  @Test("Two models of the same values get different masks")
  func models() async throws {
    var trial = try Self.trial(
      .dareLinear, ["density": .number(0.5), "rescale": .bool(false)], shape: [1000])
    trial.models.append(trial.models[0])
    trial.parameters = try ResolvedParameters(
      for: trial.method.info,
      ["density": .number(0.5), "rescale": .bool(false), "weight": .number(1)], modelCount: 2)
    let output = try #require(try await trial.run().model["w"])
    let both = output.count { $0 > 1.5 }
    #expect(both > 150 && both < 350, "about a quarter is kept by both")
  }
}
