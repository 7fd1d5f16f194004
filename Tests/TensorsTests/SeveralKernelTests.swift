import Testing
import TinctureTensors

/// Vectors of several models, for kernels that take them all.
private struct Vectors {
  let vectors: [Floats]

  init(_ models: Int, _ length: Int, seed: UInt64) {
    vectors = (0..<models).map { model in
      model % 2 == 0
        ? Adversarial.floats(length, seed: seed + UInt64(model))
        : Adversarial.repetitive(length, seed: seed + UInt64(model))
    }
  }

  func withPointers(_ body: (UnsafeBufferPointer<UnsafePointer<Float>?>) -> Void) {
    var pointers: [UnsafePointer<Float>?] = []
    func descend(_ index: Int) {
      guard index < vectors.count else { return pointers.withUnsafeBufferPointer(body) }
      vectors[index].withUnsafeBufferPointer {
        pointers.append($0.baseAddress)
        descend(index + 1)
      }
    }
    descend(0)
  }
}

@Suite("Kernels over several models do what loops do, bit for bit")
struct SeveralKernelTests {
  private let lengths = [1, 2, 15, 16, 17, 63, 64, 65, 100, 1000]

  @Test("The weighted sum, with and without a base", arguments: 1...5)
  func weightedSum(models: Int) {
    let weights = (0..<models).map { Float($0) * 0.7 - 0.9 }
    for length in lengths {
      let v = Vectors(models, length, seed: 41)
      let base = Adversarial.floats(length, seed: 50)
      for adds in [false, true] {
        let expected = Floats(
          (0..<length).map { index in
            var sum: Float = 0
            for (vector, weight) in zip(v.vectors, weights) {
              sum += product(weight, vector[index])
            }
            sum = product(0.3, sum)
            return adds ? sum + base[index] : sum
          })
        let got = Floats(repeating: 7, count: length).changed { y in
          base.withUnsafeBufferPointer { base in
            v.withPointers {
              Kernels.weightedSum(
                $0, weights: weights, scale: 0.3, base: adds ? base.baseAddress : nil, into: &y)
            }
          }
        }
        #expect(got.differences(from: expected).isEmpty)
      }
    }
  }

  @Test("The sum of stored elements is that of widened ones", arguments: [DType.bf16, .f16, .f32])
  func storedSum(dtype: DType) throws {
    let width = try #require(dtype.byteWidth)
    for (models, length) in [1, 2, 5].flatMap({ models in (lengths + [0, 131]).map { (models, $0) }
    }) {
      let weights = (0..<models).map { Float($0) * 0.7 - 0.9 }
      let stored = (0...models).map { model in
        let values = Adversarial.floats(length, seed: 80 + UInt64(model), finite: length % 2 == 0)
        let bytes = UnsafeMutableRawBufferPointer.allocate(
          byteCount: length * width, alignment: width)
        Kernels.narrow(values.span, as: dtype, into: bytes)
        return UnsafeRawBufferPointer(bytes)
      }
      defer { for bytes in stored { bytes.deallocate() } }
      let widened = stored.map { bytes in
        Floats(repeating: 0, count: length).changed { Kernels.widen(bytes, as: dtype, into: &$0) }
      }
      for (hasBase, adds) in [(false, false), (true, false), (true, true)] {
        let expected = Floats(
          (0..<length).map { index in
            let origin = widened[models][index]
            var sum: Float = 0
            for (vector, weight) in zip(widened, weights) {
              sum += product(weight, hasBase ? vector[index] - origin : vector[index])
            }
            return adds ? product(0.3, sum) + origin : product(0.3, sum)
          })
        var largest: UInt32 = 7
        let got = Floats(repeating: 7, count: length).changed { y in
          largest = Kernels.weightedSum(
            stored: Array(stored[..<models]), as: dtype, weights: weights, scale: 0.3,
            base: hasBase ? stored[models] : nil, addingBase: adds, into: &y)
        }
        #expect(got.differences(from: expected).isEmpty)
        let sizes = expected.map { $0.isNaN ? 0x7f80_0001 : $0.magnitude.bitPattern }
        let isFinite = sizes.allSatisfy { $0 < 0x7f80_0000 }
        #expect(isFinite ? largest == sizes.max() ?? 0 : largest >= 0x7f80_0000)
      }
    }
  }

  @Test(
    "The election", arguments: 1...4,
    [ElectionDivisor.none, .participants, .participantsAtLeast(1e-6)])
  func election(models: Int, divisor: ElectionDivisor) {
    let votes = (0..<models).map { 1 - Float($0) * 0.4 }
    let weights = (0..<models).map { Float($0) * 0.7 - 0.4 }
    let cases: [(Int, Float)] = lengths.map { ($0, 1) } + lengths.map { ($0, -1) }
    for (length, zeroSign) in cases {
      let v = Vectors(models, length, seed: 61)
      let base = Adversarial.ordinary(length, seed: 70)
      let expected = Floats(
        (0..<length).map { index in
          var vote: Float = 0
          for (vector, weight) in zip(v.vectors, votes) { vote += product(weight, vector[index]) }
          if vote == 0 { vote = zeroSign }
          var (sum, total): (Float, Float) = (0, 0)
          for (vector, weight) in zip(v.vectors, weights) {
            let x = product(weight, vector[index])
            guard vote >= 0 ? x > 0 : x < 0 else { continue }
            sum += x
            total += weight
          }
          switch divisor {
          case .none: break
          case .participants: sum /= total == 0 ? 1 : total
          case .participantsAtLeast(let floor): sum /= total > floor ? total : floor
          }
          return product(0.9, sum + 0) + base[index]
        })
      let got = Floats(repeating: 7, count: length).changed { y in
        base.withUnsafeBufferPointer { base in
          v.withPointers {
            Kernels.elect(
              $0, votes: votes, weights: weights, zeroSign: zeroSign, divisor: divisor, scale: 0.9,
              base: base.baseAddress, into: &y)
          }
        }
      }
      #expect(got.differences(from: expected).isEmpty)
    }
  }

  @Test("The variance", arguments: 1...4)
  func variance(models: Int) {
    let share = 1 / Float(models)
    for length in lengths {
      let v = Vectors(models, length, seed: 81)
      let expected = Floats(
        (0..<length).map { index in
          var mean: Float = 0
          for vector in v.vectors { mean += vector[index] }
          mean = product(share, mean)
          var sum: Float = 0
          for vector in v.vectors {
            let distance = vector[index] - mean
            sum += product(share, product(distance, distance))
          }
          return sum
        })
      let got = Floats(repeating: 7, count: length).changed { y in
        v.withPointers { Kernels.variance($0, into: &y) }
      }
      #expect(got.differences(from: expected).isEmpty)
    }
  }
}

/// A product that is not fused with the sum around it.
@inline(never)
private func product(_ a: Float, _ b: Float) -> Float { a * b }
