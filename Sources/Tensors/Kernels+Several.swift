internal import CTinctureKernels

/// How the sum of elected elements is divided.
public enum ElectionDivisor: Sendable, Hashable {
  /// Not at all.
  case none
  /// By the sum of the weights that took part, where there are any.
  case participants
  /// By the same, or by this number where it is larger.
  case participantsAtLeast(Float)
}

extension Kernels {
  /// y = base + scale Σₘ wₘ vₘ.
  public static func weightedSum(
    _ v: UnsafeBufferPointer<UnsafePointer<Float>?>, weights: [Float], scale: Float,
    base: UnsafePointer<Float>?, into y: inout MutableSpan<Float>
  ) {
    precondition(v.count == weights.count, "\(v.count) models have \(weights.count) weights.")
    several(v, &y) { v, y, n in
      weights.withUnsafeBufferPointer { w in
        if let w = w.baseAddress { tincture_weighted_sum(v, w, weights.count, scale, base, y, n) }
      }
    }
  }

  /// y = base + scale Σₘ wₘ vₘ / divisor over the models whose wₘ vₘ has the sign of the vote Σₘ uₘ vₘ.
  ///
  /// - Parameters:
  ///   - v: As many vectors as there are weights, each of the length of `y`.
  ///   - votes: u.
  ///   - weights: w.
  ///   - zeroSign: The elected sign where the vote is zero; zeros of v never take part.
  ///   - divisor: What the sum is divided by.
  ///   - scale: What the quotient is multiplied by.
  ///   - base: Added at the end, where there is one; as long as `y`.
  ///   - y: Receives the result.
  public static func elect(
    _ v: UnsafeBufferPointer<UnsafePointer<Float>?>, votes: [Float], weights: [Float],
    zeroSign: Float, divisor: ElectionDivisor, scale: Float, base: UnsafePointer<Float>?,
    into y: inout MutableSpan<Float>
  ) {
    precondition(
      v.count == weights.count && v.count == votes.count,
      "\(v.count) models have \(weights.count) weights and \(votes.count) votes.")
    let (kind, floor): (tincture_divisor, Float) =
      switch divisor {
      case .none: (tincture_divide_none, 0)
      case .participants: (tincture_divide_nonzero, 0)
      case .participantsAtLeast(let floor): (tincture_divide_floor, floor)
      }
    several(v, &y) { v, y, n in
      weights.withUnsafeBufferPointer { w in
        votes.withUnsafeBufferPointer { u in
          guard let w = w.baseAddress, let u = u.baseAddress else { return }
          tincture_elect(v, u, w, weights.count, zeroSign, kind, floor, scale, base, y, n)
        }
      }
    }
  }

  /// y = Σₘ (vₘ − mean)² / M in single precision.
  public static func variance(
    _ v: UnsafeBufferPointer<UnsafePointer<Float>?>, into y: inout MutableSpan<Float>
  ) {
    several(v, &y) { pointers, y, n in
      tincture_variance(pointers, v.count, 1 / Float(v.count), y, n)
    }
  }

  private static func several(
    _ v: UnsafeBufferPointer<UnsafePointer<Float>?>, _ y: inout MutableSpan<Float>,
    _ body: (
      UnsafePointer<UnsafePointer<Float>?>, UnsafeMutablePointer<Float>, Int
    ) -> Void
  ) {
    y.withUnsafeMutableBufferPointer { y in
      if let v = v.baseAddress, let p = y.baseAddress { body(v, p, y.count) }
    }
  }
}
