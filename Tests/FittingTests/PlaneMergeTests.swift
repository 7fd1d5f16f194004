import Foundation
import Testing
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Merges in planes and towards models, against plain formulas", .needsLibTorch)
struct PlaneMergeTests {
  private let fixture = QuadraticFixture()

  /// θ₀ + μ (sin((1 − t)Ω) u + sin(tΩ) v) / sin Ω for u = τ₁ and v = τ₂ + τ₃ / 2.
  private func loss(_ t: Double, _ mu: Double) -> Double {
    func vector(_ c: [Double]) -> [Double] {
      (0..<10).map { place in
        zip(c, fixture.deltas).reduce(0) { $0 + $1.0 * Double($1.1.flatMap { $0 }[place]) }
      }
    }
    let (u, v) = (vector([1, 0, 0]), vector([0, 1, 0.5]))
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let omega = acos(dot(u, v) / (dot(u, u) * dot(v, v)).squareRoot())
    let (base, goal) = (fixture.base.flatMap { $0 }, fixture.goal.flatMap { $0 })
    return (0..<10).reduce(0) { sum, place in
      let step = sin((1 - t) * omega) * u[place] + sin(t * omega) * v[place]
      let rest = Double(base[place]) + mu * step / sin(omega) - Double(goal[place])
      return sum + rest * rest
    }
  }

  @Test("Angle and length follow the derivative of the formula")
  func plane() throws {
    var settings = PlaneMerge.Settings()
    (settings.rate, settings.lengthPenalty) = (0.02, 0.1)
    let merge = PlaneMerge(
      fixture.vectors, from: [1, 0, 0], to: [0, 1, 0.5], gram: try fixture.vectors.gram(),
      settings, on: .cpu)
    var (t, mu) = (0.5, 1.0)
    let before = loss(t, mu)
    for step in 0..<6 {
      #expect(try fixture.learn(merge))
      try merge.step(step, of: 6)
      let h = 1e-5
      let slopeOfT = (loss(t + h, mu) - loss(t - h, mu)) / (2 * h)
      let slopeOfMu = (loss(t, mu + h) - loss(t, mu - h)) / (2 * h) + 0.2 * mu
      (t, mu) = (t - 0.02 * slopeOfT, mu - 0.02 * slopeOfMu)
      #expect(abs(merge.angle - t) < 1e-4 && abs(merge.length - mu) < 1e-4)
    }
    #expect(loss(t, mu) < before)
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    let other = PlaneMerge(
      fixture.vectors, from: [1, 0, 0], to: [0, 1, 0.5], gram: try fixture.vectors.gram(),
      settings, on: .cpu)
    try other.restore(from: snapshot)
    #expect(other.coefficients == merge.coefficients)
  }

  @Test("Two vectors of the same direction are mixed in a line")
  func parallel() throws {
    let merge = PlaneMerge(
      fixture.vectors, from: [1, 0, 0], to: [2, 0, 0], gram: try fixture.vectors.gram(),
      PlaneMerge.Settings(), on: .cpu)
    #expect(merge.span < 1e-6)
    #expect(abs(merge.coefficients[0] - 1.5) < 1e-12)
  }

  @Test("Frank and Wolfe's steps are those of dense vectors", arguments: [false, true])
  func frankWolfe(choosesByTensor: Bool) throws {
    var settings = FrankWolfeMerge.Settings()
    (settings.rate, settings.scale, settings.choosesByTensor) = (0.8, 1, choosesByTensor)
    let merge = try FrankWolfeMerge(fixture.vectors, settings, on: .cpu)
    func model(_ c: [Double]) -> [[Double]] { fixture.merged([c, c]) }
    let candidates = [
      model([1, 0, 0]), model([0, 1, 0]), model([0, 0, 1]), model([0.3, 0.3, 0.3]),
    ]
    var theta = candidates[3]
    var choices: [[Int]] = []
    for step in 0..<5 {
      #expect(try fixture.learn(merge))
      try merge.step(step, of: 5)
      let g = fixture.gradient(theta)
      let scores = candidates.map { candidate in
        g.indices.map { tensor in
          func dot(_ a: [Double], _ b: [Double]) -> Double {
            zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
          }
          let (x, y) = (g[tensor], candidate[tensor])
          return dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot()
        }
      }
      let choice = g.indices.map { tensor in
        (0..<4).min { first, second in
          choosesByTensor
            ? scores[first][tensor] < scores[second][tensor]
            : scores[first].reduce(0, +) < scores[second].reduce(0, +)
        } ?? 0
      }
      choices.append(choosesByTensor ? choice : [choice[0]])
      let share = 0.8 * 2 / Double(step + 2)
      for tensor in g.indices {
        for place in theta[tensor].indices {
          let goal = candidates[choice[tensor]][tensor][place]
          theta[tensor][place] += share * (goal - theta[tensor][place])
        }
      }
      for (found, wanted) in zip(try merge.assemble().tensors, theta) {
        for (a, b) in zip(try found.detached().array(as: Float.self), wanted) {
          #expect(abs(Double(a) - b) < 1e-4)
        }
      }
    }
    #expect(merge.choices == choices)
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    let other = try FrankWolfeMerge(fixture.vectors, settings, on: .cpu)
    try other.restore(from: snapshot)
    #expect(other.table == merge.table && other.choices == merge.choices)
  }

  @Test("Shares around a point between the models move as in the dense formula")
  func shifted() throws {
    let center: [[Float]] = [[0.2, 0.1, 0.4], [0.3, 0, 0.1]]
    let merge = ShiftedMerge(
      fixture.vectors, around: center, chosen: [2, 0], start: 0.1, rate: 0.01, on: .cpu)
    var shares = [[0.1, 0.1], [0.1, 0.1]]
    func coefficients() -> [[Double]] {
      center.indices.map { tensor in
        let rest = 1 - shares[tensor].reduce(0, +)
        var result = center[tensor].map { Double($0) * rest }
        result[2] += shares[tensor][0]
        result[0] += shares[tensor][1]
        return result
      }
    }
    for (found, wanted) in zip(merge.coefficients, coefficients()) {
      for (a, b) in zip(found, wanted) { #expect(abs(Double(a) - b) < 1e-6) }
    }
    #expect(try fixture.learn(merge))
    func loss() -> Double {
      let merged: [Double] = fixture.merged(coefficients()).flatMap { $0 }
      let goal: [Float] = fixture.goal.flatMap { $0 }
      var sum = 0.0
      for (value, wanted) in zip(merged, goal) {
        let rest = value - Double(wanted)
        sum += rest * rest
      }
      return sum
    }
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    let slopes = try snapshot.floats("shares.gradient", count: 4)
    for tensor in 0..<2 {
      for place in 0..<2 {
        let h = 1e-5
        shares[tensor][place] += h
        let above = loss()
        shares[tensor][place] -= 2 * h
        let below = loss()
        shares[tensor][place] += h
        let wanted = (above - below) / (2 * h)
        #expect(abs(Double(slopes[2 * tensor + place]) - wanted) < 1e-2)
      }
    }
    try merge.step(0, of: 1)
    // The first step of Adam is the step size against the sign of the derivative.
    for (found, slope) in zip(merge.coefficients.indices, [slopes[0], slopes[2]]) {
      let moved = 0.1 - 0.01 * (slope > 0 ? 1.0 : -1.0)
      let others = 0.1 - 0.01 * (slopes[2 * found + 1] > 0 ? 1.0 : -1.0)
      let wanted = Double(center[found][2]) * (1 - moved - others) + moved
      #expect(abs(Double(merge.coefficients[found][2]) - wanted) < 1e-5)
    }
  }

  @Test("Every task chooses the expert that points most against its derivative, each once")
  func choice() throws {
    let point: [[Float]] = [[0, 0, 0], [0, 0, 0]]
    let choice = try FrankWolfeChoice(fixture.vectors, at: point, limit: 2, on: .cpu)
    for _ in 0..<3 { #expect(try fixture.learn(choice)) }
    #expect(choice.chosen.count == 2 && Set(choice.chosen).count == 2)
    let g = fixture.gradient(fixture.merged([[0, 0, 0], [0, 0, 0]]))
    let sums = (0..<3).map { task in
      let own = fixture.merged([0, 1].map { _ in (0..<3).map { $0 == task ? 1.0 : 0 } })
      return g.indices.reduce(0.0) { sum, tensor in
        func dot(_ a: [Double], _ b: [Double]) -> Double {
          zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let (x, y) = (g[tensor], own[tensor])
        return sum + dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot()
      }
    }
    let order = (0..<3).sorted { sums[$0] < sums[$1] }
    #expect(choice.chosen == Array(order.prefix(2)))
  }
}
