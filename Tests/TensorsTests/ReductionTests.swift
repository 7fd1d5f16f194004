import Foundation
import Testing
import TinctureTensors

/// Sums as they are defined: sixteen lanes for each segment, then one fixed tree.
enum LaneTwin {
  static func sum(_ count: Int, _ term: (Int) -> Double, from start: Double = 0) -> Double {
    var total = start
    for segment in stride(from: 0, to: count, by: Kernels.segment) {
      var lanes = [Double](repeating: 0, count: 16)
      for index in segment..<min(segment + Kernels.segment, count) {
        lanes[(index - segment) % 16] += term(index)
      }
      let v = (0..<8).map { lanes[$0] + lanes[$0 + 8] }
      total += ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    return total
  }
}

@Suite("Reductions follow their fixed lanes, bit for bit")
struct ReductionTests {
  static let lengths = Adversarial.lengths + [8191, 8192, 10_007]

  @Test("Sums, magnitudes and inner products", arguments: [true, false])
  func equalsTwin(finite: Bool) {
    for length in Self.lengths {
      let x = Adversarial.floats(length, seed: 51, finite: finite)
      let y = Adversarial.ordinary(length, seed: 52)
      var (sum, magnitudes, dot) = (0.25, -0.0, 1e-300)
      Kernels.addSum(x.span, to: &sum)
      Kernels.addMagnitudes(x.span, to: &magnitudes)
      Kernels.addDot(x.span, y.span, to: &dot)
      #expect(sameBits(sum, LaneTwin.sum(length, { Double(x[$0]) }, from: 0.25)))
      let sizes = LaneTwin.sum(length, { Double(x[$0]).magnitude }, from: -0.0)
      #expect(sameBits(magnitudes, sizes))
      let product = LaneTwin.sum(length, { Double(x[$0]) * Double(y[$0]) }, from: 1e-300)
      #expect(sameBits(dot, product))
    }
  }

  @Test("A sum over whole segments does not depend on the size of the blocks")
  func blocks() {
    let x = Adversarial.ordinary(5 * Kernels.segment + 123, seed: 53)
    var whole = 0.0
    Kernels.addDot(x.span, x.span, to: &whole)
    for size in [1, 2, 3, 5] {
      var sum = 0.0
      for start in stride(from: 0, to: x.count, by: size * Kernels.segment) {
        let block = Floats(x[start..<min(start + size * Kernels.segment, x.count)])
        Kernels.addDot(block.span, block.span, to: &sum)
      }
      #expect(sameBits(sum, whole), "blocks of \(size) segments")
    }
  }

  @Test(
    "The divergence of softmaxes agrees with the mathematics library",
    arguments: [
      (1, 1.0), (2, 1.0), (7, 0.01), (8, 3.0), (9, 30.0), (64, 1.0), (1000, 0.5), (4097, 5.0),
      (33, 700.0), (33, 1e30),
    ])
  func divergence(count: Int, spread: Double) {
    let a = Floats(Adversarial.ordinary(count, seed: 61).map { $0 * Float(spread) })
    let b = Floats(Adversarial.ordinary(count, seed: 62).map { $0 * Float(spread) })
    for floor in [1e-8, 1e-3] {
      let got = Kernels.softmaxDivergence(a.span, b.span, floor: floor)
      let expected = Self.divergence(a, b, floor: floor)
      #expect((got - expected).magnitude <= 1e-12 * max(1, expected.magnitude))
    }
  }

  @Test("The divergence of equal rows is zero, also for a row that is constant or empty")
  func noDivergence() {
    for row in [Adversarial.ordinary(100, seed: 63), Floats(repeating: 3, count: 17), []] {
      #expect(Kernels.softmaxDivergence(row.span, row.span, floor: 1e-8) == 0)
    }
  }

  @Test("A divergence with an element that is not a number is not a number")
  func divergenceOfNaN() {
    let a: Floats = [0, 1, .nan]
    #expect(Kernels.softmaxDivergence(a.span, [1, 2, 3].span, floor: 1e-8).isNaN)
  }

  private static func divergence(_ a: Floats, _ b: Floats, floor: Double) -> Double {
    func softmax(_ x: Floats) -> [Double] {
      let top = Double(x.max() ?? 0)
      let terms = x.map { exp(Double($0) - top) }
      let total = terms.reduce(0, +)
      return terms.map { $0 / total + floor }
    }
    let (p, q) = (softmax(b), softmax(a))
    return zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
  }
}
