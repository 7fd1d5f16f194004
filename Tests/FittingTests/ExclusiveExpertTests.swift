import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureLinearAlgebra
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Exclusive experts")
struct ExclusiveExpertTests {
  private static let base: [Float] = [0.5, -0.2, 0.1, 0, 0.3, -0.4]
  private static let vectors: [[Float]] = [
    [0.10, -0.05, 0.02, 0, 0.08, -0.01], [-0.04, -0.06, 0.03, 0.07, -0.02, 0.09],
    [0.06, 0.01, -0.09, -0.03, 0.05, 0.04],
  ]

  private func opened(_ writer: MixtureWriter) throws -> Mixture {
    let path = FilePath(NSTemporaryDirectory()).appending("mixture-\(UUID().uuidString)")
    try Data(writer.encoded()).write(to: URL(filePath: path.string))
    defer { try? FileManager.default.removeItem(atPath: path.string) }
    return try Mixture(opening: path)
  }

  private func unpacked(_ vector: PackedVector?, _ extents: [Int]) throws -> [Float] {
    var writer = MixtureWriter(method: "test", routing: .features, tasks: ["a"])
    writer.add(try #require(vector), of: 0, for: "w")
    writer.addRouter([], [("x", Shape(vector: 1), [0])])
    let mixture = try opened(writer)
    var values = ContiguousArray<Float>(repeating: 0, count: extents.reduce(1, *))
    try mixture.add(#require(mixture.experts[0].vectors["w"]), times: 1, to: &values)
    return Array(values)
  }

  @Test("The shared expert is the sum, and exclusive vectors are what experts have beside it")
  func vectorsOfThePaper() throws {
    let set = TaskVectorSet([
      (name: "w", extents: [2, 3], base: Self.base, vectors: Self.vectors),
      (name: "b.bias", extents: [1], base: [1], vectors: [[1], [2], [3]]),
    ])
    let experts = try ExclusiveExperts(set, scale: 0.3, dtypes: [.f32, .f32])
    for takesBiases in [false, true] {
      var writer = MixtureWriter(method: "test", routing: .features, tasks: ["a", "b", "c"])
      try experts.add(
        to: &writer, ExpertCompression(.none, keeping: 1, dtype: .f32), takesBiases: takesBiases)
      writer.addRouter([], [("x", Shape(vector: 1), [0])])
      let mixture = try opened(writer)
      var values = ContiguousArray<Float>(repeating: 0, count: 6)
      try mixture.add(#require(mixture.experts[0].vectors["w"]), times: 1, to: &values)
      let wanted: [Float] = [0.064, -0.02, 0.032, -0.012, 0.047, -0.046]
      for (found, value) in zip(values, wanted) { #expect(abs(found - value) < 1e-6) }
      #expect((mixture.experts[1].vectors["b.bias"] != nil) == takesBiases)
    }
  }

  @Test("What is written is what vectors are taken from: rounding is theirs, too")
  func rounding() throws {
    let set = TaskVectorSet([
      (name: "w", extents: [2, 3], base: Self.base, vectors: Self.vectors)
    ])
    let experts = try ExclusiveExperts(set, scale: 0.3, dtypes: [.bf16])
    var writer = MixtureWriter(method: "test", routing: .features, tasks: ["a", "b", "c"])
    try experts.add(
      to: &writer, ExpertCompression(.none, keeping: 1, dtype: .f32), takesBiases: true)
    writer.addRouter([], [("x", Shape(vector: 1), [0])])
    let mixture = try opened(writer)
    for (task, vector) in Self.vectors.enumerated() {
      var values = ContiguousArray<Float>(repeating: 0, count: 6)
      try mixture.add(#require(mixture.experts[task].vectors["w"]), times: 1, to: &values)
      for index in 0..<6 {
        let sum = Self.vectors.reduce(Self.base[index]) { $0 + 0.3 * $1[index] }
        // To the nearest of the numbers that bf16 has.
        let rounded = Float(bitPattern: (sum.bitPattern + 0x8000) & 0xffff_0000)
        #expect(abs(values[index] - (Self.base[index] + vector[index] - rounded)) < 1e-6)
      }
    }
  }

  @Test("The largest elements stay, as many as their share; at least one")
  func magnitude() throws {
    let values: [Float] = [0.1, -0.9, 0.3, 0.3, -0.3, 0, 0.2, 0.5, 0.05, 0.3]
    let compression = ExpertCompression(.magnitude, keeping: 0.4, dtype: .f32)
    let shape = Shape(rows: 2, columns: 5)
    let found = try unpacked(
      compression.packed(values, shape: shape, tensor: "w", expert: 0), [2, 5])
    #expect(found == [0, -0.9, 0.3, 0.3, 0, 0, 0, 0.5, 0, 0])
    var one = values
    ExpertCompression.keepLargest(&one, share: 0.01)
    #expect(one.filter { $0 != 0 } == [-0.9])
    // Vectors stay whole, and nothing is stored of zeros.
    let vector = try compression.packed(values, shape: Shape(vector: 10), tensor: "w", expert: 0)
    #expect(try unpacked(vector, [10]) == values)
    let none = try compression.packed(
      Array(repeating: 0, count: 10), shape: shape, tensor: "w", expert: 0)
    #expect(none == nil)
  }

  @Test("Random elements stay, scaled so that the expectation does; by seed, tensor and expert")
  func bernoulli() throws {
    let shape = Shape(rows: 100, columns: 100)
    func packed(_ seed: UInt64, _ tensor: String, _ expert: Int) throws -> [Float] {
      let compression = ExpertCompression(.bernoulli, keeping: 0.25, dtype: .f32, seed: seed)
      let ones = [Float](repeating: 1, count: 10_000)
      return try unpacked(
        compression.packed(ones, shape: shape, tensor: tensor, expert: expert), [100, 100])
    }
    let found = try packed(1, "w", 0)
    #expect(Set(found) == [0, 4])
    #expect(abs(found.reduce(0, +) / 10_000 - 1) < 0.1)
    #expect(try packed(1, "w", 0) == found)
    #expect(try packed(2, "w", 0) != found)
    #expect(try packed(1, "v", 0) != found)
    #expect(try packed(1, "w", 1) != found)
  }

  @Test("The largest singular values stay, at least one", .enabled(if: Backend.isAvailable))
  func singularValues() throws {
    // 3 u vᵀ + 0.1 x yᵀ with orthonormal u, x and v, y.
    let (u, x): ([Float], [Float]) = ([0.6, 0.8, 0], [0.8, -0.6, 0])
    let (v, y): ([Float], [Float]) = ([0, 1, 0, 0], [0, 0, 0.6, 0.8])
    let values = (0..<12).map { (index: Int) -> Float in
      let large = 3 * u[index / 4] * v[index % 4]
      return large + 0.1 * x[index / 4] * y[index % 4]
    }
    let shape = Shape(rows: 3, columns: 4)
    for (share, rank) in [(0.1, 1), (0.7, 2), (1, 2)] {
      let compression = ExpertCompression(.singularValues, keeping: share, dtype: .f32)
      let found = try unpacked(
        compression.packed(values, shape: shape, tensor: "w", expert: 0), [3, 4])
      for index in 0..<12 {
        let wanted = rank == 1 ? 3 * u[index / 4] * v[index % 4] : values[index]
        #expect(abs(found[index] - wanted) < 1e-5)
      }
    }
    // What is no matrix stays whole.
    let compression = ExpertCompression(.singularValues, keeping: 0.1, dtype: .f32)
    let cube = try #require(Shape([3, 2, 2]))
    let whole = try compression.packed(values, shape: cube, tensor: "w", expert: 0)
    #expect(try unpacked(whole, [3, 2, 2]) == values)
  }
}
