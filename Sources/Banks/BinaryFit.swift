internal import TinctureTensors

/// Finds the scales and signs of w ≈ Σ αᵢ βᵢ for a group of numbers.
///
/// The start is greedy: βᵢ is the sign of what is left and αᵢ the mean of its magnitudes. Then, in turn, α
/// becomes the least-squares solution for the signs and every number takes the signs whose sum of scales
/// is nearest, until no sign changes. Scales are always those that can be stored, and the best ones of all
/// rounds are taken.
///
/// Signs are monotonous in w: sorted by their sums of scales, they belong to intervals between thresholds,
/// so that counts and sums of the numbers above each threshold are all that a round needs.
///
/// Source: ShiftAddLLM, arXiv:2406.05981.
struct BinaryFit {
  /// Numbers cut into intervals, each with a code of signs; as many as there are codes.
  private struct Partition: Equatable {
    /// Where all intervals but the first begin.
    var thresholds = SIMD16<Float>(repeating: .infinity)
    var codes = SIMD16<UInt8>(repeating: 0)
  }

  /// How many numbers have each code, and their sums.
  private struct Sums: Equatable {
    var counts = SIMD16<Double>(repeating: 0)
    var sums = SIMD16<Double>(repeating: 0)
  }

  /// Scales of a group with the sum of the squares of what they lose.
  private struct Candidate {
    let scales: StoredScales
    let partition: Partition
    let sums: Sums
    let loss: Double
  }

  let planes: Int
  let form: BinaryLayout.Scales
  let rounds: Int

  private var codeCount: Int { 1 << planes }

  /// Fits a group.
  ///
  /// - Parameters:
  ///   - x: The numbers, at least one.
  ///   - codes: Receives the signs of each, the first scale's in the lowest bit.
  /// - Returns: The scales in descending order; all zero, as the codes, where all numbers are zero.
  /// - Complexity: O(2ᵇ n) for each round.
  func fit(_ x: Span<Float>, into codes: inout MutableSpan<UInt8>) -> StoredScales {
    guard Kernels.largestMagnitude(x) > 0 else {
      for index in 0..<codes.count { codes[index] = 0 }
      return StoredScales(SIMD4(repeating: 0), planes, form)
    }
    var squares = 0.0
    var total = 0.0
    Kernels.addDot(x, x, to: &squares)
    Kernels.addSum(x, to: &total)
    let start = greedy(x, total)
    var best = candidate(start.scales, x, squares, total)
    var signs = start.sums
    var last = best
    for round in 0..<(planes > 1 ? rounds : 0) {
      let next = candidate(solve(signs), x, squares, total)
      if next.loss < best.loss { best = next }
      if round > 0, next.partition.codes == last.partition.codes, next.sums == last.sums { break }
      (last, signs) = (next, next.sums)
    }
    var thresholds = ContiguousArray<Float>()
    for rank in 0..<codeCount - 1 { thresholds.append(best.partition.thresholds[rank]) }
    Intervals.rank(x, thresholds.span, into: &codes)
    for index in 0..<codes.count { codes[index] = best.partition.codes[Int(codes[index])] }
    return best.scales
  }

  /// The scales as they are stored, with the numbers at the nearest of their sums.
  private func candidate(
    _ scales: SIMD4<Double>, _ x: Span<Float>, _ squares: Double, _ total: Double
  ) -> Candidate {
    let stored = StoredScales(scales, planes, form)
    let table = stored.table
    var partition = Partition()
    for code in 0..<codeCount {
      var rank = code
      while rank > 0, table[Int(partition.codes[rank - 1])] > table[code] {
        partition.codes[rank] = partition.codes[rank - 1]
        rank -= 1
      }
      partition.codes[rank] = UInt8(code)
    }
    for rank in 0..<codeCount - 1 {
      let (low, high) = (partition.codes[rank], partition.codes[rank + 1])
      partition.thresholds[rank] = Float(
        (Double(table[Int(low)]) + Double(table[Int(high)])) / 2)
    }
    let sums = sums(x, partition, total)
    var loss = squares
    for code in 0..<codeCount {
      let level = Double(table[code])
      loss += level * (level * sums.counts[code] - 2 * sums.sums[code])
    }
    return Candidate(scales: stored, partition: partition, sums: sums, loss: loss)
  }

  private func sums(_ x: Span<Float>, _ partition: Partition, _ total: Double) -> Sums {
    var result = Sums()
    var above = (count: x.count, sum: total)
    for rank in 0..<codeCount where above.count > 0 {
      let next =
        rank < codeCount - 1
        ? Intervals.sum(x, from: partition.thresholds[rank]) : (count: 0, sum: 0)
      let code = Int(partition.codes[rank])
      result.counts[code] = Double(above.count - next.count)
      result.sums[code] = above.count == next.count ? 0 : above.sum - next.sum
      above = next
    }
    return result
  }

  /// Scale by scale from what the ones before leave, with the counts and sums of the signs.
  private func greedy(_ x: Span<Float>, _ total: Double) -> (scales: SIMD4<Double>, sums: Sums) {
    /// The numbers of an interval, all with the same signs.
    struct Interval {
      var low = -Float.infinity
      var high = Float.infinity
      /// The sum of the scales with these signs.
      var center = 0.0
      var code: UInt8 = 0
    }
    var intervals = [Interval()]
    var scales = SIMD4<Double>(repeating: 0)
    var parted = Sums()
    for plane in 0..<planes {
      var halves: [Interval] = []
      var partition = Partition()
      for interval in intervals {
        // The sign of what is left changes at the center, which may lie outside.
        let place = min(max(Float(interval.center), interval.low), interval.high)
        var (lower, upper) = (interval, interval)
        (lower.high, upper.low) = (place, place)
        upper.code |= 1 << UInt8(plane)
        halves += [lower, upper]
      }
      for (rank, half) in halves.enumerated() {
        partition.codes[rank] = half.code
        if rank > 0 { partition.thresholds[rank - 1] = half.low }
      }
      parted = sums(x, partition, total)
      var magnitudes = 0.0
      for half in halves {
        let code = Int(half.code)
        let left = parted.sums[code] - half.center * parted.counts[code]
        magnitudes += code >> plane & 1 == 1 ? left : -left
      }
      scales[plane] = max(0, magnitudes) / Double(x.count)
      for index in halves.indices {
        let isAdded = halves[index].code >> UInt8(plane) & 1 == 1
        halves[index].center += isAdded ? scales[plane] : -scales[plane]
      }
      intervals = halves
    }
    return (scales, parted)
  }

  /// The least-squares scales of signs, with a ridge of 1e-8 times the trace.
  private func solve(_ sums: Sums) -> SIMD4<Double> {
    var matrix = SIMD16<Double>(repeating: 0)
    var right = SIMD4<Double>(repeating: 0)
    for code in 0..<codeCount {
      for row in 0..<planes {
        let sign = code >> row & 1
        right[row] += sign == 1 ? sums.sums[code] : -sums.sums[code]
        for column in 0..<planes {
          let count = sums.counts[code]
          matrix[4 * row + column] += sign == code >> column & 1 ? count : -count
        }
      }
    }
    let ridge = 1e-8 * (0..<planes).reduce(0.0) { $0 + matrix[5 * $1] }
    for row in 0..<planes { matrix[5 * row] += ridge }
    // The matrix is positive definite, so that no pivot has to be looked for.
    for pivot in 0..<planes {
      for row in 0..<planes where row != pivot {
        let factor = matrix[4 * row + pivot] / matrix[5 * pivot]
        for column in pivot..<planes {
          matrix[4 * row + column] -= factor * matrix[4 * pivot + column]
        }
        right[row] -= factor * right[pivot]
      }
    }
    for row in 0..<planes { right[row] /= matrix[5 * row] }
    return right
  }
}

/// The scales of a group as they are stored.
struct StoredScales {
  /// How many there are.
  let count: Int
  /// The scales in descending order.
  private(set) var values = SIMD4<Float>(repeating: 0)
  /// The codes of the terms of each, where scales are powers of two.
  private var codes = SIMD16<UInt8>(repeating: 0)

  /// Rounds the magnitudes of scales to what can be stored.
  init(_ scales: SIMD4<Double>, _ count: Int, _ form: BinaryLayout.Scales) {
    self.count = count
    for index in 0..<count {
      let scale = min(scales[index].magnitude, Double(BinaryLayout.largestScale))
      var (value, code) = (Float(scale), SIMD4<UInt8>(repeating: 0))
      switch form {
      case .bf16:
        // To the nearest of the upper 16 bits, ties to even.
        let bits = value.bitPattern
        value = Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
      case .shifts(let terms, let shifts):
        code = shifts.encode(scale, terms: terms)
        value = shifts.decode(code) ?? 0
      }
      insert(value, code, index)
    }
  }

  private mutating func insert(_ value: Float, _ code: SIMD4<UInt8>, _ index: Int) {
    var place = index
    while place > 0, values[place - 1] < value {
      values[place] = values[place - 1]
      for term in 0..<4 { codes[4 * place + term] = codes[4 * place - 4 + term] }
      place -= 1
    }
    values[place] = value
    for term in 0..<4 { codes[4 * place + term] = code[term] }
  }

  /// The code of a term of a scale.
  func code(_ scale: Int, term: Int) -> UInt8 { codes[4 * scale + term] }

  /// What codes stand for.
  var table: LevelTable { LevelTable(values, bits: count) }
}
