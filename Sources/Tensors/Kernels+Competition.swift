internal import CTinctureKernels

extension Kernels {
  /// y = x where |x| ≥ |y|; what is no number counts as larger than everything.
  public static func takeLarger(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
    call(x, &y) { x, y, n in tincture_take_larger(x, y, n) }
  }

  /// y = max(y, |x|) where x has the sign of a sum, which counts as negative where it is zero.
  public static func raise(
    _ y: inout MutableSpan<Float>, to x: Span<Float>, whereSignIsOf sum: Span<Float>
  ) {
    call(x, sum, &y) { x, s, y, n in tincture_raise_elected(x, s, y, n) }
  }

  /// y = y where the sum is positive, else −y.
  public static func takeSign(of sum: Span<Float>, into y: inout MutableSpan<Float>) {
    call(sum, &y) { s, y, n in tincture_take_sign(s, y, n) }
  }

  /// Where |x| > λ |total − x|: count += 1.
  public static func countOwn(
    _ x: Span<Float>, of total: Span<Float>, threshold: Float, count: inout MutableSpan<Float>
  ) {
    call(x, total, &count) { x, t, c, n in tincture_count_own(threshold, x, t, c, n) }
  }

  /// Marks where x and another vector have the same sign, neither being zero, and keeps the other there.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - common: The other vector, as many.
  ///   - kept: Receives the other vector where it is marked, else zero.
  ///   - marks: Receives one or zero for each element.
  public static func markElected(
    _ x: Span<Float>, of common: Span<Float>, kept: inout MutableSpan<Float>,
    marks: inout MutableSpan<UInt8>
  ) {
    precondition(marks.count == x.count, "There must be a mark for each element.")
    marks.withUnsafeMutableBufferPointer { marks in
      guard let m = marks.baseAddress else { return }
      call(x, common, &kept) { x, c, k, n in tincture_mark_elected(x, c, k, m, n) }
    }
  }

  /// Marks where |x| > λ |common − x|, and keeps the other vector there.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - common: The other vector, as many.
  ///   - threshold: λ.
  ///   - kept: Receives the other vector where it is marked, else zero.
  ///   - marks: Receives one or zero for each element.
  public static func markOwn(
    _ x: Span<Float>, of common: Span<Float>, threshold: Float, kept: inout MutableSpan<Float>,
    marks: inout MutableSpan<UInt8>
  ) {
    precondition(marks.count == x.count, "There must be a mark for each element.")
    marks.withUnsafeMutableBufferPointer { marks in
      guard let m = marks.baseAddress else { return }
      call(x, common, &kept) { x, c, k, n in tincture_mark_own(threshold, x, c, k, m, n) }
    }
  }

  /// sum += sign(x) s, where s is the place of |x| between two bounds, from 0 to 1.
  public static func addNormalised(
    _ x: Span<Float>, between bounds: ClosedRange<Float>, to sum: inout MutableSpan<Float>
  ) {
    call(x, &sum) { x, s, n in
      tincture_add_normalised(bounds.lowerBound, bounds.upperBound, x, s, n)
    }
  }

  /// y = exp(n (s² − 1)) tanh(x sum), where s is the place of |x| between two bounds, from 0 to 1, and n
  /// the number of models.
  public static func balance(
    _ x: Span<Float>, between bounds: ClosedRange<Float>, sum: Span<Float>, models: Int,
    into y: inout MutableSpan<Float>
  ) {
    call(x, sum, &y) { x, s, y, n in
      tincture_balance(bounds.lowerBound, bounds.upperBound, Float(models), x, s, y, n)
    }
  }

  /// total += g and y += w g sign(x) clamp(|x|), where g is the place of a balance between two bounds.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - bounds: The bounds of |x|.
  ///   - balance: The balances, as many as elements.
  ///   - range: Their bounds; g is from 0 to 1.
  ///   - weight: The factor w.
  ///   - y: The weighted sum.
  ///   - total: The sum of the weights g.
  public static func addBalanced(
    _ x: Span<Float>, between bounds: ClosedRange<Float>, by balance: Span<Float>,
    between range: ClosedRange<Float>, times weight: Float, to y: inout MutableSpan<Float>,
    total: inout MutableSpan<Float>
  ) {
    precondition(total.count == y.count, "The sums must have the same length.")
    let limits = [bounds.lowerBound, bounds.upperBound, range.lowerBound, range.upperBound]
    total.withUnsafeMutableBufferPointer { total in
      guard let t = total.baseAddress else { return }
      call(x, balance, &y) { x, b, y, n in tincture_add_balanced(limits, weight, x, b, y, t, n) }
    }
  }
}
