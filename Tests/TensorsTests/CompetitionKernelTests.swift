import Foundation
import Testing
import TinctureTensors

extension ElementwiseTwin {
  private static func bounds(_ a: Float, _ b: Float) -> ClosedRange<Float> {
    min(a.magnitude, b.magnitude)...max(a.magnitude, b.magnitude)
  }

  /// Where |x| lies between bounds, from 0 to 1.
  private static func share(_ x: Float, _ bounds: ClosedRange<Float>) -> Float {
    let range = bounds.upperBound - bounds.lowerBound
    return range > 0 ? (clamp(x, bounds) - bounds.lowerBound) / range : 0 * x
  }

  private static func clamp(_ x: Float, _ bounds: ClosedRange<Float>) -> Float {
    let raised = x < bounds.lowerBound ? bounds.lowerBound : x
    return raised > bounds.upperBound ? bounds.upperBound : raised
  }

  private static func sign(_ x: Float, _ size: Float) -> Float { x > 0 ? size : x < 0 ? -size : x }

  static let competing: [ElementwiseTwin] = [
    .init(description: "take larger") { x, _, _, _, y in
      Kernels.takeLarger(x.span, into: &y)
    } twin: { x, _, _, _, y in
      x.magnitude.bitPattern >= y.magnitude.bitPattern ? x : y
    },
    .init(description: "raise to what is elected") { x, z, _, _, y in
      Kernels.raise(&y, to: x.span, whereSignIsOf: z.span)
    } twin: { x, z, _, _, y in
      let agreeing = z > 0 ? x : -x
      return agreeing > y || agreeing.isNaN ? agreeing : y
    },
    .init(description: "take sign") { x, _, _, _, y in
      Kernels.takeSign(of: x.span, into: &y)
    } twin: { x, _, _, _, y in
      x > 0 ? y : 0 - y
    },
    .init(description: "count own") { x, z, a, _, y in
      Kernels.countOwn(x.span, of: z.span, threshold: a, count: &y)
    } twin: { x, z, a, _, y in
      y + (x.magnitude > a * (z - x).magnitude ? 1 : 0)
    },
    .init(description: "add normalised") { x, _, a, b, y in
      Kernels.addNormalised(x.span, between: bounds(a, b), to: &y)
    } twin: { x, _, a, b, y in
      y + sign(x, share(x.magnitude, bounds(a, b)))
    },
  ]
}

@Suite("Kernels of models that compete")
struct CompetitionKernelTests {
  @Test("Marks say where an element is a task's, and what is kept there", arguments: [1, 15, 4097])
  func marks(count: Int) {
    let x = Floats(Adversarial.ordinary(count, seed: 61))
    let common = Floats(
      Adversarial.ordinary(count, seed: 62).enumerated().map { $0 % 7 == 0 ? 0 : $1 })
    for threshold in [Float(0.4), nil] {
      var kept = ContiguousArray<Float>(repeating: 9, count: count)
      var marks = ContiguousArray<UInt8>(repeating: 9, count: count)
      var keptSpan = kept.mutableSpan
      var markSpan = marks.mutableSpan
      if let threshold {
        Kernels.markOwn(
          x.span, of: common.span, threshold: threshold, kept: &keptSpan, marks: &markSpan)
      } else {
        Kernels.markElected(x.span, of: common.span, kept: &keptSpan, marks: &markSpan)
      }
      var found = 0
      for index in 0..<count {
        let (own, all) = (x.span[index], common.span[index])
        let isOwn =
          threshold.map { own.magnitude > $0 * (all - own).magnitude }
          ?? (own > 0 && all > 0 || own < 0 && all < 0)
        #expect(marks[index] == (isOwn ? 1 : 0) && kept[index] == (isOwn ? all : 0))
        found += isOwn ? 1 : 0
      }
      #expect(count < 4097 || found > 0 && found < count)
    }
  }

  @Test(
    "A balance is the exponential of the size times the tangent of the agreement",
    arguments: [Float(0.02)...0.7, 0.5...0.5], [1, 8, 300])
  func balance(bounds: ClosedRange<Float>, models: Int) {
    let x = Adversarial.ordinary(4097, seed: 51)
    let sum = Floats(Adversarial.ordinary(4097, seed: 52).map { $0 * $0 * $0 * 20 })
    let got = x.changed {
      Kernels.balance(x.span, between: bounds, sum: sum.span, models: models, into: &$0)
    }
    let range = Double(bounds.upperBound - bounds.lowerBound)
    for index in x.indices {
      let size = min(max(x[index].magnitude, bounds.lowerBound), bounds.upperBound)
      let s = range > 0 ? Double(size - bounds.lowerBound) / range : 0
      let wanted = exp(Double(models) * (s * s - 1)) * tanh(Double(x[index]) * Double(sum[index]))
      let slack = 1e-4 * wanted.magnitude + 1e-44
      #expect((Double(got[index]) - wanted).magnitude <= slack, "[\(index)]")
    }
  }

  @Test("Small agreements keep their digits")
  func smallest() {
    let x: Floats = [1e-5, -1e-5, 0.1, 1e-12]
    let sum: Floats = [1e-5, 1e-5, 0.1, 1e-12]
    let got = x.changed {
      Kernels.balance(x.span, between: 0...0, sum: sum.span, models: 0, into: &$0)
    }
    for (value, z) in zip(got, [1e-10, -1e-10, 0.01, 1e-24]) {
      #expect((Double(value) / tanh(z) - 1).magnitude < 1e-6)
    }
  }

  @Test("Balanced elements and their weights are added up")
  func sums() {
    let (bounds, range) = (Float(0.1)...0.6, Float(-0.2)...0.5)
    for length in Adversarial.lengths {
      let x = Adversarial.ordinary(length, seed: 61)
      let balance = Adversarial.ordinary(length, seed: 62)
      var sum = Adversarial.ordinary(length, seed: 63)
      var total = Adversarial.ordinary(length, seed: 64)
      let (before, totals) = (sum, total)
      var sumSpan = sum.mutableSpan
      var totalSpan = total.mutableSpan
      Kernels.addBalanced(
        x.span, between: bounds, by: balance.span, between: range, times: 1.2, to: &sumSpan,
        total: &totalSpan)
      for index in x.indices {
        let g = (min(max(balance[index], -0.2), 0.5) + 0.2) / (0.5 + 0.2)
        let c = (x[index] < 0 ? -1 : 1) * min(max(x[index].magnitude, 0.1), 0.6)
        #expect((sum[index] - before[index] - 1.2 * c * g).magnitude < 1e-6)
        #expect((total[index] - totals[index] - g).magnitude < 1e-6)
      }
    }
  }
}
