import Testing
import TinctureTensors

/// A kernel of three inputs and its definition for one element.
struct ElementwiseTwin: Sendable, CustomStringConvertible {
  let description: String
  /// Runs the kernel on x and z with the numbers a and b; y holds the elements to be changed.
  let kernel: @Sendable (Floats, Floats, Float, Float, inout MutableSpan<Float>) -> Void
  /// What one element becomes.
  let twin: @Sendable (_ x: Float, _ z: Float, _ a: Float, _ b: Float, _ y: Float) -> Float

  static let all: [ElementwiseTwin] = [
    .init(description: "copy") { x, _, _, _, y in
      Kernels.copy(x.span, to: &y)
    } twin: { x, _, _, _, _ in
      x
    },
    .init(description: "clear") { _, _, _, _, y in
      Kernels.clear(&y)
    } twin: { _, _, _, _, _ in
      0
    },
    .init(description: "scale") { x, _, a, _, y in
      Kernels.scale(x.span, by: a, into: &y)
    } twin: { x, _, a, _, _ in
      a * x
    },
    .init(description: "scale in place") { _, _, a, _, y in
      Kernels.scale(&y, by: a)
    } twin: { _, _, a, _, y in
      a * y
    },
    .init(description: "add a multiple") { x, _, a, _, y in
      Kernels.add(x.span, times: a, to: &y)
    } twin: { x, _, a, _, y in
      rounded(a * x) + y
    },
    .init(description: "add a multiple in double precision") { x, _, a, _, y in
      Kernels.add(x.span, timesInDouble: Double(a) / 3, to: &y)
    } twin: { x, _, a, _, y in
      Float(Double(y) + Double(a) / 3 * Double(x))
    },
    .init(description: "add") { x, _, _, _, y in
      Kernels.add(x.span, to: &y)
    } twin: { x, _, _, _, y in
      y + x
    },
    .init(description: "subtract") { x, _, _, _, y in
      Kernels.subtract(x.span, from: &y)
    } twin: { x, _, _, _, y in
      y - x
    },
    .init(description: "multiply") { x, _, _, _, y in
      Kernels.multiply(&y, by: x.span)
    } twin: { x, _, _, _, y in
      y * x
    },
    .init(description: "divide by nonzero") { x, _, _, _, y in
      Kernels.divide(&y, byNonzero: x.span)
    } twin: { x, _, _, _, y in
      x == 0 ? y : y / x
    },
    .init(description: "combine") { x, z, a, b, y in
      Kernels.combine(a, x.span, b, z.span, into: &y)
    } twin: { x, z, a, b, _ in
      rounded(a * x) + rounded(b * z)
    },
    .init(description: "nearswap") { x, z, a, _, y in
      Kernels.nearswap(x.span, z.span, within: a, floor: 1e-6, into: &y)
    } twin: { x, z, a, _, _ in
      let distance = (x - z).magnitude
      let ratio = a / (distance > 1e-6 ? distance : 1e-6)
      let w: Float = ratio < 0 ? 0 : ratio > 1 ? 1 : ratio
      return rounded(w * z) + rounded((1 - w) * x)
    },
    .init(description: "scaled distance") { x, z, a, _, y in
      Kernels.scaledDistance(x.span, z.span, times: a, into: &y)
    } twin: { x, z, a, _, _ in
      (z - x).magnitude * a
    },
    .init(description: "choose") { x, z, a, _, y in
      let scores = Floats(unsafeUninitializedCapacity: y.count) { buffer, count in
        for index in 0..<y.count { buffer[index] = y[index] }
        count = y.count
      }
      Kernels.choose(x.span, z.span, where: scores.span, reaches: a, into: &y)
    } twin: { x, z, a, _, y in
      y >= a ? z : x
    },
    .init(description: "scale unique") { x, z, a, b, y in
      let counts = Floats(z.map { Float(Int($0.bitPattern % 4)) })
      Kernels.scaleUnique(x.span, above: a, by: b, count: counts.span, into: &y)
    } twin: { x, z, a, b, y in
      x.magnitude > a && z.bitPattern % 4 == 1 ? b * x : y
    },
  ]
}

/// Keeps a product from being fused with the sum around it.
@inline(never)
private func rounded(_ value: Float) -> Float { value }

@Suite("Elementwise kernels do what one line of Swift does, bit for bit")
struct ElementwiseKernelTests {
  @Test(
    "Every length and every awkward number",
    arguments: ElementwiseTwin.all + ElementwiseTwin.competing)
  func equalsTwin(kernel: ElementwiseTwin) {
    let scalars: [(Float, Float)] = [(0.3, -1.7), (-0.0, 1e-38), (1e30, 3e38), (.infinity, 0)]
    let x = Adversarial.floats(4097, seed: 11)
    let z = Adversarial.floats(4097, seed: 12)
    let y = Adversarial.floats(4097, seed: 13)
    for (a, b) in scalars {
      let expected = Floats((0..<x.count).map { kernel.twin(x[$0], z[$0], a, b, y[$0]) })
      for length in Adversarial.lengths {
        let (xs, zs) = (Floats(x[..<length]), Floats(z[..<length]))
        let got = Floats(y[..<length]).changed { kernel.kernel(xs, zs, a, b, &$0) }
        let differences = got.differences(from: Floats(expected[..<length]))
        #expect(differences.isEmpty, "\(length) elements, a = \(a), b = \(b)")
      }
    }
  }

  @Test("Active elements are summed and counted", arguments: [Float(0), 1e-5, 1])
  func activity(epsilon: Float) {
    for length in Adversarial.lengths {
      let x = Adversarial.floats(length, seed: 31)
      var sum = Adversarial.floats(length, seed: 32, finite: true)
      var count = Floats((0..<length).map { Float($0 % 3) })
      let (before, counts) = (sum, count)
      var sumSpan = sum.mutableSpan
      var countSpan = count.mutableSpan
      Kernels.accumulateActive(x.span, above: epsilon, sum: &sumSpan, count: &countSpan)
      let active = x.map { $0.magnitude > epsilon }
      let sums = Floats((0..<length).map { before[$0] + (active[$0] ? x[$0] : 0) })
      #expect(sum.differences(from: sums).isEmpty)
      #expect(count == Floats((0..<length).map { counts[$0] + (active[$0] ? 1 : 0) }))
      let found = Kernels.countActive(x.span, above: epsilon, count: counts.span)
      #expect(found.unique == UInt64((0..<length).count { active[$0] && counts[$0] == 1 }))
      #expect(found.shared == UInt64((0..<length).count { active[$0] && counts[$0] > 1 }))
    }
  }

  @Test("Signs and nonzero elements are counted")
  func counting() {
    for length in Adversarial.lengths {
      let x = Adversarial.floats(length, seed: 41)
      #expect(Kernels.signBalance(x.span) == x.count { $0 > 0 } - x.count { $0 < 0 })
      #expect(Kernels.countNonzero(x.span) == x.count { $0 != 0 })
    }
  }

  @Test(
    "Marked elements are kept, scaled and added up", arguments: Adversarial.lengths + [9, 4104])
  func masks(length: Int) {
    let marked = Adversarial.repetitive(length, seed: 45).map { $0 != 0 }
    let values = Adversarial.floats(length, seed: 46)
    var bits = ContiguousArray<UInt8>(repeating: 0, count: (length + 7) / 8)
    for index in 0..<length where marked[index] { bits[index / 8] |= 1 << (index % 8) }
    let kept = values.changed { Kernels.keep(&$0, where: bits.span, scale: 0.7) }
    let expected = Floats(values.indices.map { marked[$0] ? 0.7 * values[$0] : 0 })
    #expect(kept.differences(from: expected).isEmpty)
    let numbers = Adversarial.ordinary(length, seed: 47)
    var (sum, twin) = (1.0, 1.0)
    Kernels.addMagnitudes(numbers.span, where: bits.span, to: &sum)
    let alone = Floats(numbers.indices.map { marked[$0] ? numbers[$0] : 0 })
    Kernels.addMagnitudes(alone.span, to: &twin)
    #expect(sum == twin)
  }
}
