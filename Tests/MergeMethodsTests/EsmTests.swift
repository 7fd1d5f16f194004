import SystemPackage
import Testing
import TinctureLinearAlgebra
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("ESM", .needsBLAS)
struct EsmTests {
  /// Multiples of 1/16 that depend on a seed.
  static func values(_ seed: Int, _ rows: Int, _ columns: Int) -> [Float] {
    (0..<rows * columns).map { index in
      let (i, j) = (index / columns, index % columns)
      return Float((i * 7 + j * 13 + seed * 29 + i * j * (seed + 3)) % 23 - 11) / 16
    }
  }

  /// XᵀX of seven inputs.
  static func gram(_ seed: Int, _ width: Int) throws -> [Float] {
    let inputs = Matrix(rows: 7, columns: width, values(seed + 40, 7, width))
    return try Backend.shared.gram(inputs, of: .columns).array
  }

  /// Two models over a base of zeros, with a matrix in each of some layers and a bias.
  static func models(_ rows: Int, _ columns: Int, layers: Int = 1) -> [TinyModel] {
    (1...2).map { seed in
      TinyModel(
        (0..<layers).map { layer in
          .init(
            "blocks.\(layer).w.weight", shape: Shape(rows: rows, columns: columns),
            values(seed, rows, columns).map { $0 * Float(layer + 1) })
        } + [.init("bias", shape: Shape(vector: 3), [Float(seed), 2, 4])])
    }
  }

  static func merge(
    _ models: [TinyModel], statistics: [TinyModel], _ values: [String: ParameterValue] = [:],
    options: MergeOptions = MergeOptions(), workers: Int = 1
  ) async throws -> TinyModel {
    let method = Esm()
    var trial = MergeTrial(
      method, base: models[0].mapValues { _, _, _ in 0 }, models: models,
      parameters: try ResolvedParameters(for: method.info, values, modelCount: models.count))
    trial.statistics = statistics
    trial.options = options
    trial.engine.workers = workers
    return try await trial.run().model
  }

  static func statistics(_ columns: Int, layers: Int = 1) throws -> [TinyModel] {
    try (1...2).map { seed in
      TinyModel(
        try (0..<layers).map { layer in
          .init(
            "blocks.\(layer).w.weight", shape: Shape(rows: columns, columns: columns),
            try gram(seed, columns))
        })
    }
  }

  /// The formula by full decompositions in NumPy.
  static let expected: [(rows: Int, columns: Int, power: Double, values: [Float])] = [
    (
      4, 6, 0,
      [
        -0.579717, -0.05976, -0.048502, 0.144875, 0.483638, -0.906181, 0.847308, 0.140876,
        -0.005064, -0.054258, 0.813338, -0.12566, 0.506347, -0.353327, 0.031228, -0.437591,
        -0.602488, -0.693812, -0.327222, -0.150655, 0.081168, -1.059544, 0.331146, 0.222269,
      ]
    ),
    (
      4, 6, 0.15,
      [
        -0.580019, -0.069219, -0.053883, 0.111374, 0.489312, -0.926912, 0.859404, 0.17444,
        -0.008402, -0.033228, 0.818535, -0.122206, 0.545363, -0.360459, 0.031261, -0.413571,
        -0.615363, -0.690703, -0.286029, -0.12589, 0.082699, -1.096754, 0.316112, 0.218669,
      ]
    ),
    (
      5, 4, 0,
      [
        -0.390072, -0.42419, -0.155875, -0.389658, 0.32939, 0.217824, -0.397066, -0.019516,
        0.479634, -0.128091, 0.330962, -0.484496, -0.316064, 0.56606, 0.251335, -0.295392, 0.019164,
        0.163558, -0.486111, -0.341702,
      ]
    ),
    (
      5, 4, 0.15,
      [
        -0.426668, -0.441599, -0.164067, -0.411049, 0.34984, 0.22282, -0.426185, -0.017215,
        0.516725, -0.163182, 0.33787, -0.50809, -0.307126, 0.60458, 0.275206, -0.328383, 0.021197,
        0.171489, -0.517462, -0.361891,
      ]
    ),
  ]

  @Test(
    "Matrices agree with a plain computation, other tensors are averaged", arguments: [0, 1, 2, 3])
  func agrees(index: Int) async throws {
    let wanted = Self.expected[index]
    let merged = try await Self.merge(
      Self.models(wanted.rows, wanted.columns), statistics: Self.statistics(wanted.columns),
      ["eigenvalue_power": .number(wanted.power)])
    let got = try #require(merged["blocks.0.w.weight"])
    #expect(zip(got, wanted.values).allSatisfy { ($0 - $1).magnitude < 2e-5 })
    #expect(try #require(merged["bias"]) == [1.5, 2, 4])
  }

  @Test("Layers are weighed by the squares of their norms, and any workers give the same")
  func layers() async throws {
    let models = Self.models(4, 6, layers: 3)
    let statistics = try Self.statistics(6, layers: 3)
    let plain = try await Self.merge(
      models, statistics: statistics, ["layer_balance": .bool(false)])
    let merged = try await Self.merge(models, statistics: statistics)
    func norm(_ model: TinyModel, _ layer: Int) throws -> Double {
      let values = try #require(model["blocks.\(layer).w.weight"])
      return values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    }
    // The task vectors are 1, 2 and 3 times the same, and their mean norm is twice the first.
    for (layer, factor) in [0.25, 1, 2.25].enumerated() {
      let (weighed, before) = (try norm(merged, layer), try norm(plain, layer))
      #expect((weighed - factor * before).magnitude < 1e-5 * before)
    }
    let several = try await Self.merge(models, statistics: statistics, workers: 3)
    #expect(several.tensors.map(\.values) == merged.tensors.map(\.values))
  }

  @Test("A weight without Gram matrices is merged as by TSV-M")
  func fallsBack() async throws {
    let models = Self.models(6, 6)
    let empty = [TinyModel([]), TinyModel([])]
    let result = try await Self.merge(models, statistics: empty)
    let tasks = (1...2).map { Matrix(rows: 6, columns: 6, Self.values($0, 6, 6)) }
    let reference = try await merged("tsv_m", tasks)
    #expect(try #require(result["blocks.0.w.weight"]) == reference.array)
  }

  @Test("A task that changes nothing, and Gram matrices of low rank, leave finite weights")
  func degenerate() async throws {
    var models = Self.models(4, 6)
    models[1] = models[1].mapValues { _, _, _ in 0 }
    let one = try await Self.merge(models, statistics: Self.statistics(6))
    #expect(try #require(one["blocks.0.w.weight"]).contains { $0 != 0 })
    let none = try await Self.merge(
      models.map { $0.mapValues { _, _, _ in 0 } }, statistics: Self.statistics(6))
    #expect(try #require(none["blocks.0.w.weight"]).allSatisfy { $0 == 0 })
    let thin = try Self.statistics(6).map { $0.mapValues { _, index, _ in index == 0 ? 1 : 0 } }
    let narrow = try await Self.merge(Self.models(4, 6), statistics: thin)
    #expect(try #require(narrow["blocks.0.w.weight"]).allSatisfy(\.isFinite))
  }

  @Test("Weights [in, out] are merged as those [out, in] are")
  func turned() async throws {
    let (models, statistics) = (Self.models(4, 6), try Self.statistics(6))
    let wanted = try #require(
      try await Self.merge(models, statistics: statistics)["blocks.0.w.weight"])
    let turned = models.map { model in
      TinyModel(
        model.tensors.map { tensor in
          guard tensor.shape.rank == 2 else { return tensor }
          let matrix = Matrix(rows: 4, columns: 6, tensor.values).transposed()
          return .init(tensor.name, shape: Shape(rows: 6, columns: 4), matrix.array)
        })
    }
    let found = try #require(
      try await Self.merge(turned, statistics: statistics)["blocks.0.w.weight"])
    let back = Matrix(rows: 6, columns: 4, found).transposed().array
    #expect(zip(back, wanted).allSatisfy { ($0 - $1).magnitude < 1e-6 })
  }

  @Test("Statistics that are not symmetric or not finite are told")
  func refusals() async throws {
    func message(_ statistics: [TinyModel]) async -> String {
      do {
        _ = try await Self.merge(Self.models(4, 6), statistics: statistics)
        return ""
      } catch { return "\(error)" }
    }
    let skew = try Self.statistics(6).map { $0.mapValues { _, index, _ in Float(index) } }
    #expect(await message(skew).contains("not symmetric"))
    let broken = try Self.statistics(6).map { $0.mapValues { _, _, _ in .nan } }
    #expect(await message(broken).contains("Collect them anew"))
  }
}
