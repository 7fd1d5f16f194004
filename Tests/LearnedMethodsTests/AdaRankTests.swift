import Testing
import TinctureEvaluation
import TinctureLinearAlgebra
import TinctureMerging
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

private let hasAlgebra = (try? Backend.shared) != nil

@Suite(
  "Singular directions that are switched", .needsLibTorch, .enabled(if: hasAlgebra, "no LAPACK"))
struct AdaRankTests {
  private let vectors: TaskVectorSet

  init() {
    func numbers(_ name: String, _ count: Int) -> [Float] {
      let random = CounterRandom(seed: 4, tensor: name, purpose: "test")
      return (0..<count).map { Float(2 * random.uniform(at: $0) - 1) }
    }
    vectors = TaskVectorSet(
      [
        (
          name: "m", extents: [4, 3], base: numbers("m", 12),
          vectors: (0..<2).map { numbers("m\($0)", 12) }
        ),
        (
          name: "v", extents: [5], base: numbers("v", 5),
          vectors: (0..<2).map { numbers("v\($0)", 5) }
        ),
      ], layers: [0, 0])
  }

  private func settings(
    _ start: Float = 0.3, open: Double = 1, centered: Bool = false, soft: Bool = false
  ) -> RankSettings {
    var settings = RankSettings()
    (settings.start, settings.openShare) = (start, open)
    (settings.isCentered, settings.isSoft) = (centered, soft)
    return settings
  }

  /// θ₀ + Σ c τ.
  private func sum(_ index: Int, _ coefficients: [Float]) throws -> [Float] {
    let table = CoefficientTable(
      .task, tensors: vectors.tensors, starts: coefficients, link: .identity)
    return try vectors.merged(index, table).array
  }

  private func expectNear(_ found: [Float], _ wanted: [Float], _ tolerance: Float = 1e-5) {
    #expect(found.count == wanted.count)
    for (a, b) in zip(found, wanted) { #expect(abs(a - b) <= tolerance) }
  }

  @Test("With all directions it is task arithmetic, from the mean with λ = 1 the mean")
  func whole() throws {
    for index in 0..<2 {
      let base = try RankedMerge(vectors, settings(), on: .cpu)
      expectNear(try base.finished(index).array, try sum(index, [0.3, 0.3]))
      let mean = try RankedMerge(vectors, settings(1, centered: true), on: .cpu)
      expectNear(try mean.finished(index).array, try sum(index, [0.5, 0.5]))
    }
    let none = try RankedMerge(vectors, settings(open: 0), on: .cpu)
    expectNear(try none.finished(0).array, try sum(0, [0, 0]))
    // Tensors that are no matrices keep their task vectors.
    expectNear(try none.finished(1).array, try sum(1, [0.3, 0.3]))
    #expect(none.openShare == 0)
  }

  /// W = O + Σ λ U diag(b σ) V in PyTorch's operators, with λ and x as variables.
  private func twin(
    _ lambda: [TorchTensor], _ x: [TorchTensor], _ settings: RankSettings
  ) throws -> [TorchTensor] {
    var merged: [TorchTensor] = []
    for index in 0..<2 {
      let extents = vectors.tensors[index].extents
      var deltas = try (0..<2).map { task in
        let one: [Float] = task == 0 ? [1, 0] : [0, 1]
        return zip(try sum(index, one), try sum(index, [0, 0])).map { Double($0) - Double($1) }
      }
      var origin = try sum(index, [0, 0])
      if settings.isCentered {
        let mean = zip(deltas[0], deltas[1]).map { ($0 + $1) / 2 }
        deltas = deltas.map { zip($0, mean).map { $0 - $1 } }
        origin = zip(origin, mean).map { Float(Double($0) + $1) }
      }
      var w = try TorchTensor(origin, shape: extents)
      for task in 0..<2 {
        let own = try lambda[index].slice(task..<task + 1, along: 0)
        guard index == 0 else {
          w = try w + own * TorchTensor(deltas[task].map { Float($0) }, shape: extents)
          continue
        }
        let svd = try Backend.shared.svd(Matrix<Double>(rows: 4, columns: 3, deltas[task]))
        let u = try TorchTensor(svd.u.array.map { Float($0) }, shape: [4, 3])
        let vt = try TorchTensor(svd.vt.array.map { Float($0) }, shape: [3, 3])
        let sigma = try TorchTensor(svd.singularValues.map { Float($0) })
        let p = try (x[task] / 10).sigmoid()
        // Straight through: the value of b, the derivative of p.
        let hard = try (p .> 0.5).converted(to: .f32)
        let b = settings.isSoft ? p : try hard + p - p.detached()
        w = try w + (u * (own * b * sigma).unsqueezed(at: 0)).matmul(vt)
      }
      merged.append(w)
    }
    return merged
  }

  private func loss(_ tensors: [TorchTensor]) throws -> TorchTensor {
    try (tensors[0] - 1).square().square().sum() + (tensors[1] - 1).square().square().sum()
  }

  @Test(
    "Derivatives of coefficients and directions are PyTorch's",
    arguments: [(false, false), (true, false), (false, true)])
  func derivatives(centered: Bool, soft: Bool) throws {
    let settings = settings(0.4, open: 0.67, centered: centered, soft: soft)
    let merge = try RankedMerge(vectors, settings, on: .cpu)
    let starts: [Float] = soft ? [2, 2, 0] : [0.1, 0.1, -0.1]
    let lambda = try (0..<2).map { _ in
      try TorchTensor([0.4, 0.4] as [Float]).requiringGradient()
    }
    let x = try (0..<2).map { _ in try TorchTensor(starts).requiringGradient() }
    let expected = try twin(lambda, x, settings)
    let merged = try merge.assemble()
    for (found, wanted) in zip(merged.tensors, expected) {
      expectNear(try found.detached().array(), try wanted.detached().array())
    }
    let wanted = try gradients(of: loss(expected), withRespectTo: lambda + x).flatMap {
      try $0.array(as: Float.self)
    }
    let slopes = try gradients(of: loss(merged.tensors), withRespectTo: merged.leaves)
    #expect(try merge.accumulate(slopes))
    try merge.step(0, of: 1)
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    // m ← 0.1 g in the first step. Centred task vectors of two experts are opposite and of rank 3.
    let found = try snapshot.doubles("values.first", count: wanted.count).map { Float($0 / 0.1) }
    expectNear(found, wanted, 2e-3)
    #expect(wanted.contains { abs($0) > 0.05 })
    if !soft { #expect(wanted[6] != 0 && wanted[9] != 0) }
  }

  @Test("Directions open and close, and what was written down goes on exactly")
  func restores() throws {
    var settings = settings(open: 0.34)
    settings.rate = 0.05
    let merge = try RankedMerge(vectors, settings, on: .cpu)
    /// Which directions take part; λ of two tensors and tasks come first.
    func open() throws -> [Bool] {
      var snapshot = FitSnapshot()
      try merge.save(into: &snapshot)
      return try snapshot.floats("values", count: 10).dropFirst(4).map { $0 > 0 }
    }
    #expect(try open() == [true, false, false, true, false, false])
    func step(_ merge: RankedMerge) throws {
      let merged = try merge.assemble()
      let slopes = try gradients(of: loss(merged.tensors), withRespectTo: merged.leaves)
      #expect(try merge.accumulate(slopes))
      try merge.step(0, of: 1)
    }
    for _ in 0..<4 { try step(merge) }
    #expect(try open() != [true, false, false, true, false, false])
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    let other = try RankedMerge(vectors, settings, on: .cpu)
    try other.restore(from: snapshot)
    for _ in 0..<3 {
      try step(merge)
      try step(other)
    }
    #expect(other.table == merge.table)
    #expect(try other.finished(0).array == merge.finished(0).array)
  }
}
