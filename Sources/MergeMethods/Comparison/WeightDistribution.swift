/// How the elements of a tensor, or of a whole model, are distributed.
public struct WeightDistribution: Sendable, Hashable {
  /// Sums over elements, which add up.
  public struct Moments: Sendable, Hashable {
    /// The finite elements.
    public internal(set) var count = 0
    /// The elements that are zero.
    public internal(set) var zeros = 0
    /// The elements that are not finite; they count nowhere else.
    public internal(set) var nonFinite = 0
    /// The smallest element; infinite without any.
    public internal(set) var smallest = Float.infinity
    /// The largest element; minus infinity without any.
    public internal(set) var largest = -Float.infinity
    var sum = 0.0
    var squares = 0.0

    /// The mean; zero without elements.
    public var mean: Double { count > 0 ? sum / Double(count) : 0 }

    /// The standard deviation, divided by the number of elements.
    public var deviation: Double {
      guard count > 0 else { return 0 }
      return max(0, squares / Double(count) - mean * mean).squareRoot()
    }

    /// What a histogram covers: four deviations on both sides of the mean, as far as there are elements.
    public var range: ClosedRange<Double> {
      guard count > 0 else { return 0...0 }
      let low = max(Double(smallest), mean - 4 * deviation)
      let high = min(Double(largest), mean + 4 * deviation)
      return min(low, high)...max(low, high)
    }

    static func + (left: Moments, right: Moments) -> Moments {
      var sum = left
      sum.count += right.count
      sum.zeros += right.zeros
      sum.nonFinite += right.nonFinite
      sum.smallest = min(left.smallest, right.smallest)
      sum.largest = max(left.largest, right.largest)
      sum.sum += right.sum
      sum.squares += right.squares
      return sum
    }
  }

  /// Counts of elements in intervals of the same width.
  public struct Histogram: Sendable, Hashable {
    /// What the intervals cover together.
    public let range: ClosedRange<Double>
    /// The elements in each interval, from the lowest; the upper end belongs to the last.
    public internal(set) var counts: [Int]
    /// The elements below the range.
    public internal(set) var below = 0
    /// The elements above it.
    public internal(set) var above = 0

    init(_ range: ClosedRange<Double>, bins: Int) {
      self.range = range
      counts = [Int](repeating: 0, count: bins)
    }

    /// Where an interval begins.
    public func edge(_ bin: Int) -> Double {
      range.lowerBound
        + (range.upperBound - range.lowerBound) * Double(bin) / Double(max(1, counts.count))
    }

    mutating func count(_ element: Float) {
      let value = Double(element)
      if value < range.lowerBound {
        below += 1
      } else if value > range.upperBound {
        above += 1
      } else {
        let width = range.upperBound - range.lowerBound
        let place = width > 0 ? (value - range.lowerBound) / width * Double(counts.count) : 0
        counts[min(counts.count - 1, Int(place))] += 1
      }
    }

    static func + (left: Histogram, right: Histogram) -> Histogram {
      var sum = left
      for bin in sum.counts.indices { sum.counts[bin] += right.counts[bin] }
      sum.below += right.below
      sum.above += right.above
      return sum
    }
  }

  /// The name of the tensor; empty for a whole model.
  public let name: String
  /// The sums.
  public let moments: Moments
  /// The counts.
  public let histogram: Histogram
}
