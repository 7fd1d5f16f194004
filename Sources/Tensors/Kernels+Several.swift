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

  /// Whether `weightedSum(stored:as:…)` takes elements of this type.
  public static func sumsStored(_ dtype: DType) -> Bool { [.bf16, .f16, .f32].contains(dtype) }

  /// y = scale Σₘ wₘ xₘ, or scale Σₘ wₘ (xₘ − base) where there is a base, straight from stored elements.
  ///
  /// The bits are those of `widen`, `subtract` and the sum of vectors one after another.
  ///
  /// - Parameters:
  ///   - x: The models' elements, as many of each as `y` has, aligned as their type needs it.
  ///   - dtype: The type of all elements; one that `sumsStored` accepts.
  ///   - weights: w.
  ///   - scale: What the sum is multiplied by.
  ///   - base: What is subtracted from the models, if anything.
  ///   - addingBase: Whether it is added to the sum; there must be one.
  ///   - y: Receives the result.
  /// - Returns: The bit pattern of the largest magnitude of the result, which is at least 0x7f800000 when an
  ///   element of the inputs is not finite.
  /// - Complexity: O(n) for each model.
  public static func weightedSum(
    stored x: [UnsafeRawBufferPointer], as dtype: DType, weights: [Float], scale: Float,
    base: UnsafeRawBufferPointer?, addingBase: Bool = false, into y: inout MutableSpan<Float>
  ) -> UInt32 {
    precondition(base != nil || !addingBase, "There is no base to add.")
    precondition(x.count == weights.count, "\(x.count) models have \(weights.count) weights.")
    let bytes = y.count * (dtype.byteWidth ?? 0)
    precondition(
      (x + [base].compactMap(\.self)).allSatisfy { $0.count >= bytes },
      "The sum needs \(y.count) stored elements.")
    let sum =
      switch dtype {
      case .bf16: tincture_stored_sum_bf16
      case .f16: tincture_stored_sum_f16
      case .f32: tincture_stored_sum_f32
      default: preconditionFailure("\(dtype.rawValue) elements are not summed as stored.")
      }
    let pointers = x.map(\.baseAddress)
    return y.withUnsafeMutableBufferPointer { y in
      pointers.withUnsafeBufferPointer { x in
        weights.withUnsafeBufferPointer { w in
          guard let x = x.baseAddress, let w = w.baseAddress, let p = y.baseAddress else {
            return 0
          }
          return sum(x, w, weights.count, scale, base?.baseAddress, addingBase ? 1 : 0, p, y.count)
        }
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
