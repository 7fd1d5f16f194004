import Foundation
import SystemPackage
import Testing
import TinctureLinearAlgebra
import TinctureSafetensors
import TinctureCheckpoints
import TinctureJSON
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureAdapters

@Suite("Folding adapters while reading")
struct FoldingTests {
  let bench: Bench

  init() throws { bench = try Bench() }

  private static func noise(_ name: String, _ extents: [Int], _ dtype: DType = .f32)
    -> TinyModel.Tensor
  {
    var one = TestAdapter()
    one.add(name, extents, dtype, seed: 7)
    return one.tensors[0]
  }

  /// W + s B A for W of `rows × columns`, in double precision.
  private static func sum(
    _ weight: [Float], _ up: [Float], _ down: [Float], rank: Int, scale: Double
  ) -> [Double] {
    let columns = down.count / rank
    return weight.indices.map { index in
      let (row, column) = (index / columns, index % columns)
      return Double(weight[index])
        + (0..<rank).reduce(0.0) {
          $0 + scale * Double(up[row * rank + $1]) * Double(down[$1 * columns + column])
        }
    }
  }

  private static func transposed<Value>(_ values: [Value], rows: Int) -> [Value] {
    let columns = values.count / rows
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }

  private func folded(_ weight: TinyModel.Tensor, _ adapter: TestAdapter) throws -> [Float] {
    let path = try bench.directory.write("b.safetensors", TinyModel([weight]).safetensors)
    let name = try adapter.write("a", in: bench.directory)
    return try #require(try bench.values("\(path.string)+\(name)")[weight.name])
  }

  private func expect(
    _ got: [Float], _ wanted: [Double], at place: SourceLocation = #_sourceLocation
  ) {
    #expect(got.count == wanted.count, sourceLocation: place)
    #expect(
      zip(got, wanted).allSatisfy { (Double($0) - $1).magnitude < 2e-6 }, sourceLocation: place)
  }

  @Test("A DoRA stretches each row to its length, a row of zeros stays zero")
  func dora() throws {
    var adapter = TestAdapter()
    adapter.settings["use_dora"] = .bool(true)
    adapter.add("q", 2, [5], 4, seed: 1)
    adapter.add("base_model.model.q.lora_magnitude_vector", [4], seed: 2)
    var weight = Self.noise("q.weight", [4, 5])
    for index in 0..<5 { weight.values[index] = 0 }
    for index in 0..<2 { adapter.tensors[1].values[index] = 0 }
    let (a, b) = (adapter.tensors[0].values, adapter.tensors[1].values)
    let sum = Self.sum(weight.values, b, a, rank: 2, scale: 2)
    let wanted = (0..<4).flatMap { row in
      let own = sum[row * 5..<row * 5 + 5]
      let norm = own.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return own.map { norm == 0 ? 0 : $0 * Double(adapter.tensors[2].values[row]) / norm }
    }
    expect(try folded(weight, adapter), wanted)
  }

  @Test("A DoRA of a weight that is stored as in × out stretches columns")
  func transposedDora() throws {
    var adapter = TestAdapter()
    adapter.settings["use_dora"] = .bool(true)
    adapter.settings["fan_in_fan_out"] = .bool(true)
    adapter.add("q", 2, [5], 4, seed: 1)
    adapter.add("base_model.model.q.lora_magnitude_vector.weight", [4], seed: 2)
    let weight = Self.noise("q.weight", [5, 4])
    let sum = Self.sum(
      Self.transposed(weight.values, rows: 5), adapter.tensors[1].values, adapter.tensors[0].values,
      rank: 2,
      scale: 2)
    let wanted = (0..<4).flatMap { row in
      let own = sum[row * 5..<row * 5 + 5]
      let norm = own.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return own.map { $0 * Double(adapter.tensors[2].values[row]) / norm }
    }
    expect(try folded(weight, adapter), Self.transposed(wanted, rows: 4))
  }

  @Test("Embeddings and convolutions", arguments: [true, false])
  func kinds(isEmbedding: Bool) throws {
    var adapter = TestAdapter()
    if isEmbedding {
      adapter.add("base_model.model.wte.lora_embedding_A", [2, 9], seed: 1)
      adapter.add("base_model.model.wte.lora_embedding_B", [4, 2], seed: 2)
    } else {
      adapter.add("conv", 2, [3, 3, 3], 4, seed: 1)
    }
    let (a, b) = (adapter.tensors[0].values, adapter.tensors[1].values)
    if isEmbedding {
      let table = Self.noise("wte.weight", [9, 4])
      let sum = Self.sum(Self.transposed(table.values, rows: 9), b, a, rank: 2, scale: 2)
      expect(try folded(table, adapter), Self.transposed(sum, rows: 4))
    } else {
      let kernel = Self.noise("conv.weight", [4, 3, 3, 3])
      expect(
        try folded(kernel, adapter), Self.sum(kernel.values, b, a, rank: 2, scale: 2))
    }
  }

  @Test("A changed bias is added, a tensor stored whole takes the place of the base's")
  func biasAndWhole() throws {
    var adapter = TestAdapter()
    adapter.settings["lora_bias"] = .bool(true)
    adapter.add("q", 2, [5], 4, seed: 1)
    adapter.add("base_model.model.q.lora_B.bias", [4], seed: 2)
    adapter.add("base_model.model.norm.modules_to_save.default.weight", [3], seed: 3)
    let model = TinyModel([
      Self.noise("q.weight", [4, 5]), Self.noise("q.bias", [4]), Self.noise("norm.weight", [3]),
    ])
    let path = try bench.directory.write("b.safetensors", model.safetensors)
    let name = try adapter.write("a", in: bench.directory)
    let values = try bench.values("\(path.string)+\(name)")
    #expect(values["norm.weight"] == adapter.tensors[3].values)
    let bias = try #require(model["q.bias"])
    expect(
      try #require(values["q.bias"]),
      zip(bias, adapter.tensors[2].values).map { Double($0) + 2 * Double($1) })

    adapter.tensors[3] = Self.noise("base_model.model.norm.weight", [4])
    let again = try adapter.write("a", in: bench.directory)
    let error = #expect(throws: TinctureError.self) {
      try bench.values("\(path.string)+\(again)")
    }
    #expect(error?.message.contains("[3]") ?? false)
  }

  @Test("A result beyond the type of the weight, and factors that are not finite, are refused")
  func overflow() throws {
    var adapter = TestAdapter()
    adapter.add("q", 2, [5], 4, seed: 1)
    adapter.tensors[0].values = adapter.tensors[0].values.map { _ in 400 }
    adapter.tensors[1].values = adapter.tensors[1].values.map { _ in 400 }
    let half = Self.noise("q.weight", [4, 5], .f16)
    let error = #expect(throws: TinctureError.self) { try folded(half, adapter) }
    #expect(error?.place.tensor == "q.weight")
    #expect(try folded(Self.noise("q.weight", [4, 5]), adapter).allSatisfy { $0 > 600_000 })
    adapter.tensors[1].values[3] = .infinity
    let second = #expect(throws: TinctureError.self) { try folded(half, adapter) }
    #expect(second?.place.tensor == "base_model.model.q.lora_B.weight")
  }
}
