internal import TinctureTensors

/// Looks for the part of a range whose codes lose least: numbers outside it are clipped.
///
/// The loss of a candidate is that of the bins of a histogram.
struct ClipSearch {
  /// How many smaller ranges are tried.
  static let steps = 40
  /// By how much of the whole range each is smaller than the one before.
  static let stepWidth: Float = 0.02

  private let bits: Int
  private let range: NumberRange
  private var counts = [Int](repeating: 0, count: 8192)

  init(bits: Int, range: NumberRange) {
    self.bits = bits
    self.range = range
  }

  // In double precision, in which the widest and the narrowest ranges of floats have a finite scale.
  private var width: Double { Double(range.high) - Double(range.low) }

  mutating func count(_ x: Span<Float>) {
    let scale = Double(counts.count) / width
    let low = Double(range.low)
    for index in 0..<x.count {
      let bin = Int((Double(x[index]) - low) * scale)
      counts[min(max(bin, 0), counts.count - 1)] += 1
    }
  }

  /// The best range, shrunk towards zero.
  func best() -> NumberRange {
    var best = range
    var least = Double.infinity
    let centers = ContiguousArray(
      counts.indices.map {
        Float(Double(range.low) + (Double($0) + 0.5) * width / Double(counts.count))
      })
    for step in 0...Self.steps {
      let candidate = range.scaled(by: 1 - Float(step) * Self.stepWidth)
      guard let quantizer = AffineQuantizer(bits: bits, low: candidate.low, high: candidate.high)
      else { continue }
      var loss = 0.0
      for (index, count) in counts.enumerated() where count > 0 {
        loss += Double(count) * quantizer.loss(centers.span.extracting(index..<index + 1))
      }
      if loss < least { (best, least) = (candidate, loss) }
    }
    return best
  }
}
