import SystemPackage
import Testing
import TinctureEvaluation
import TinctureMerging
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Masks over all elements", .needsLibTorch)
struct ConcreteTests {
  private let vectors = TaskVectorSet([
    (
      name: "a", extents: [2, 3], base: [1, 2, 3, 4, 5, 6],
      vectors: [[0.5, -1, 0, 2, 0.25, 1], [1, 1, -2, 0.5, 0, -0.5]]
    ),
    (name: "b", extents: [2], base: [-1, 0.5], vectors: [[1, 2], [-1, 0.5]]),
  ])

  private func settings(innerRate: Double? = nil) -> MaskSettings {
    var settings = MaskSettings()
    (settings.seed, settings.innerRate, settings.rate) = (9, innerRate, 0.1)
    (settings.coefficients.granularity, settings.coefficients.link) = (.layer, .identity)
    return settings
  }

  /// Σ (θ − 1)⁴ / 4, whose derivative is (θ − 1)³.
  private func loss(_ tensors: [TorchTensor]) throws -> TorchTensor {
    var sum = try TorchTensor(Float(0))
    for tensor in tensors { sum = try sum + (tensor - 1).square().square().sum() * 0.25 }
    return sum
  }

  @discardableResult
  private func step(_ merge: ConcreteMerge) throws -> Double {
    let merged = try merge.assemble()
    let loss = try loss(merged.tensors)
    #expect(try merge.accumulate(gradients(of: loss, withRespectTo: merged.leaves)))
    try merge.step(0, of: 1)
    return Double(try loss.item(as: Float.self))
  }

  private func state(_ merge: ConcreteMerge) throws -> FitSnapshot {
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    return snapshot
  }

  /// θ by the formula, from numbers of the stream that belongs to a step.
  private func twin(_ x: [TorchTensor], _ step: Int, _ w: [Float]) throws -> [TorchTensor] {
    try vectors.tensors.enumerated().map { index, tensor in
      let random = CounterRandom(
        seed: 9, tensor: tensor.name, model: step, purpose: "concrete mask")
      let u = (0..<tensor.elementCount).map { Float(random.uniform(at: $0)) }
      let noise = try TorchTensor(u, shape: tensor.extents)
      let logit = try (noise / (1 - noise)).log()
      let s = try ((logit + x[index]) / 0.5).sigmoid()
      let table = CoefficientTable(
        .layer, tensors: vectors.tensors, starts: [0, 0], link: .identity)
      var own = table
      own.raw = w
      let sum = try vectors.merged(index, own, addingBase: false)
      let base = try vectors.merged(index, table)
      return try base.tensor(tensor.extents, on: .cpu)
        + s / s.mean() * sum.tensor(tensor.extents, on: .cpu)
    }
  }

  @Test("Masks and their derivative are those of the formula, with a new mask in every step")
  func formula() throws {
    let merge = try ConcreteMerge(vectors, settings(), on: .cpu)
    var x = try vectors.tensors.map { try TorchTensor.zeros($0.extents).requiringGradient() }
    let w: [Float] = [0.3, 0.3, 0.3, 0.3]
    for number in 0..<3 {
      let expected = try twin(x, number, w)
      for (found, wanted) in zip(try merge.assemble().tensors, expected) {
        #expect(try (found - wanted).abs().max().item(as: Float.self) < 1e-4)
      }
      let slopes = try gradients(of: loss(expected), withRespectTo: x)
      let before = number == 0 ? nil : try state(merge)
      try step(merge)
      let after = try state(merge)
      for index in x.indices {
        let count = vectors.tensors[index].elementCount
        let now = try after.floats("mask.\(index).moment.0", count: count)
        let then =
          try before?.floats("mask.\(index).moment.0", count: count)
          ?? Array(repeating: 0, count: count)
        // m ← 0.9 m + 0.1 g.
        let found = zip(now, then).map { ($0 - 0.9 * $1) / 0.1 }
        let wanted = try slopes[index].array(as: Float.self)
        let largest = wanted.map(\.magnitude).max() ?? 0
        for (a, b) in zip(found, wanted) { #expect(abs(a - b) <= 1e-3 * max(largest, 1)) }
        x[index] = try TorchTensor(
          after.floats("mask.\(index)", count: count), shape: vectors.tensors[index].extents
        ).requiringGradient()
      }
    }
    #expect(try x[0].detached().abs().max().item(as: Float.self) > 0.05)
  }

  @Test("Coefficients do one step from where they begin, and the mask learns with what they became")
  func bilevel() throws {
    let merge = try ConcreteMerge(vectors, settings(innerRate: 0.2), on: .cpu)
    let zeros = try vectors.tensors.map { try TorchTensor.zeros($0.extents) }
    let start: [Float] = [0.3, 0.3, 0.3, 0.3]
    let begun = try twin(zeros, 0, start)
    // ∂loss/∂λ as a difference quotient.
    func value(_ w: [Float]) throws -> Double {
      Double(try loss(twin(zeros, 0, w)).item(as: Float.self))
    }
    try step(merge)
    let inner = try state(merge)
    let moments = try inner.doubles("coefficients.first", count: 4)
    for place in 0..<4 {
      var (more, less) = (start, start)
      more[place] += 0.01
      less[place] -= 0.01
      let quotient = (try value(more) - value(less)) / 0.02
      #expect(abs(moments[place] / 0.1 - quotient) < 0.02 * max(1, abs(quotient)))
    }
    #expect(try inner.floats("mask.0", count: 6).allSatisfy { $0 == 0 })
    let moved = try inner.floats("coefficients", count: 4)
    for (found, moment) in zip(moved, moments) {
      #expect(abs(found - (0.3 - (moment > 0 ? 0.2 : -0.2))) < 1e-4)
    }
    // The second half has the same mask and the new coefficients; then these begin anew.
    for (found, wanted) in zip(try merge.assemble().tensors, try twin(zeros, 0, moved)) {
      #expect(try (found - wanted).abs().max().item(as: Float.self) < 1e-4)
    }
    try step(merge)
    let outer = try state(merge)
    #expect(try outer.floats("coefficients", count: 4) == start)
    #expect(try outer.floats("mask.0", count: 6).contains { $0 != 0 })
    let next = try merge.assemble().tensors[0]
    #expect(try (next - begun[0]).abs().max().item(as: Float.self) > 1e-3)
  }

  @Test(
    "A mask at its start that is not drawn is one everywhere; what LibTorch goes on from is exact")
  func restores() throws {
    for innerRate in [nil, 0.2] {
      let merge = try ConcreteMerge(vectors, settings(innerRate: innerRate), on: .cpu)
      let (ones, share) = try merge.finished(isRandom: false)
      #expect(ones[0].array == [1, 1, 1, 1, 1, 1] && share == 0)
      let plain = try merge.merged(1, ones[1]).array
      #expect(zip(plain, [-1.0, 1.25] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 })
      for _ in 0..<3 { try step(merge) }
      let snapshot = try state(merge)
      let other = try ConcreteMerge(vectors, settings(innerRate: innerRate), on: .cpu)
      try other.restore(from: snapshot)
      for _ in 0..<3 {
        #expect(try step(merge) == step(other))
      }
      let (first, second) = (try merge.finished(isRandom: true), try other.finished(isRandom: true))
      #expect(first.masks.map(\.array) == second.masks.map(\.array))
    }
  }

  @Test("What is not finite is not taken in, and a given direction stands for the sum")
  func given() throws {
    let merge = try ConcreteMerge(vectors, settings(), on: .cpu) { index in
      Array(repeating: 10, count: index == 0 ? 6 : 2)
    }
    let (ones, _) = try merge.finished(isRandom: false)
    #expect(try merge.merged(1, ones[1]).array == [2, 3.5])
    let bad = [
      try TorchTensor([Float](repeating: .nan, count: 6), shape: [2, 3]),
      try TorchTensor([0, 0] as [Float]),
    ]
    #expect(try !merge.accumulate(bad))
  }

  @Test("Mask changes multiply task vectors block by block")
  func change() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("concrete", ["optdigits", "style"]))
    let plain = try problem.vectors(memoryLimit: 1 << 30, workers: 2)
    let masks = plain.tensors.map { tensor in
      FloatMemory(count: tensor.elementCount) { span in
        for place in 0..<span.count { span[place] = Float(place % 7) }
      }
    }
    let masked = try problem.vectors(
      memoryLimit: 1 << 30, workers: 2, change: MaskChange(masks, of: plain.tensors))
    let table = CoefficientTable(
      .task, tensors: plain.tensors, starts: [1, 0], link: .identity)
    let largest = try #require(
      plain.tensors.indices.max {
        plain.tensors[$0].elementCount < plain.tensors[$1].elementCount
      })
    let before = try plain.merged(largest, table, addingBase: false).array
    let after = try masked.merged(largest, table, addingBase: false).array
    #expect(before.count > 1 << 14)
    #expect(after == before.enumerated().map { $1 * Float($0 % 7) })
  }
}
