import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

/// Three task vectors of two small tensors, and a loss Σ (θ − goal)² whose derivative is known.
struct QuadraticFixture {
  static let extents = [[2, 3], [4]]
  /// The base, tensor by tensor.
  let base: [[Float]]
  /// The task vectors, task by task and tensor by tensor.
  let deltas: [[[Float]]]
  /// Where the loss is zero.
  let goal: [[Float]]

  init(seed: UInt64 = 7) {
    var random = SeededNumbers(seed: seed, purpose: "fixture")
    func tensors(_ scale: Double) -> [[Float]] {
      Self.extents.map { extents in
        (0..<extents.reduce(1, *)).map { _ in Float(scale * random.normal()) }
      }
    }
    base = tensors(1)
    deltas = (0..<3).map { _ in tensors(0.5) }
    goal = tensors(1)
  }

  var vectors: TaskVectorSet {
    TaskVectorSet(
      Self.extents.indices.map { index in
        (
          name: "t\(index)", extents: Self.extents[index], base: base[index],
          vectors: deltas.map { $0[index] }
        )
      })
  }

  /// θ₀ + Σ λ τ with coefficients for each tensor.
  func merged(_ coefficients: [[Double]]) -> [[Double]] {
    base.indices.map { tensor in
      base[tensor].indices.map { place in
        coefficients[tensor].indices.reduce(Double(base[tensor][place])) {
          $0 + coefficients[tensor][$1] * Double(deltas[$1][tensor][place])
        }
      }
    }
  }

  /// The derivative with respect to θ.
  func gradient(_ theta: [[Double]]) -> [[Double]] {
    zip(theta, goal).map { zip($0, $1).map { 2 * ($0 - Double($1)) } }
  }

  /// ⟨g, τ⟩ for each tensor and task.
  func products(_ gradient: [[Double]]) -> [[Double]] {
    gradient.indices.map { tensor in
      deltas.map { delta in
        zip(gradient[tensor], delta[tensor]).reduce(0) { $0 + $1.0 * Double($1.1) }
      }
    }
  }

  /// One derivative of the loss, taken in by a merge.
  func learn(_ merge: any LearnableMerge) throws -> Bool {
    let merged = try merge.assemble()
    var loss = try TorchTensor([Float(0)], shape: [])
    for (tensor, values) in merged.tensors.enumerated() {
      let target = try TorchTensor(goal[tensor], shape: Self.extents[tensor])
      loss = try loss + (values - target).square().sum()
    }
    return try merge.accumulate(gradients(of: loss, withRespectTo: merged.leaves))
  }
}
