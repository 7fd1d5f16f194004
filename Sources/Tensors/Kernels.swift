internal import CTinctureKernels

/// The inner loops, with counts checked once per call.
///
/// Results are the same bits for every instruction set: no contraction, fixed lanes in reductions, no
/// mathematics library. All functions take O(n) time and no memory.
public enum Kernels {
  /// y = x.
  public static func copy(_ x: Span<Float>, to y: inout MutableSpan<Float>) {
    scale(x, by: 1, into: &y)
  }

  /// y = 0.
  public static func clear(_ y: inout MutableSpan<Float>) {
    y.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
  }

  /// y = a x.
  public static func scale(_ x: Span<Float>, by a: Float, into y: inout MutableSpan<Float>) {
    call(x, &y) { x, y, n in tincture_scale(a, x, y, n) }
  }

  /// x = a x.
  public static func scale(_ x: inout MutableSpan<Float>, by a: Float) {
    x.withUnsafeMutableBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_scale(a, p, p, x.count)
    }
  }

  /// y += a x.
  public static func add(_ x: Span<Float>, times a: Float, to y: inout MutableSpan<Float>) {
    call(x, &y) { x, y, n in tincture_axpy(a, x, y, n) }
  }

  /// y += a x, computed in double precision and rounded once.
  public static func add(_ x: Span<Float>, timesInDouble a: Double, to y: inout MutableSpan<Float>)
  {
    call(x, &y) { x, y, n in tincture_axpy_in_double(a, x, y, n) }
  }

  /// y += x.
  public static func add(_ x: Span<Float>, to y: inout MutableSpan<Float>) {
    call(x, &y) { x, y, n in tincture_add(x, y, n) }
  }

  /// y -= x.
  public static func subtract(_ x: Span<Float>, from y: inout MutableSpan<Float>) {
    call(x, &y) { x, y, n in tincture_subtract(x, y, n) }
  }

  /// x *= m.
  public static func multiply(_ x: inout MutableSpan<Float>, by m: Span<Float>) {
    call(m, &x) { m, x, n in tincture_multiply(m, x, n) }
  }

  /// y /= x, where a zero of x counts as one.
  public static func divide(_ y: inout MutableSpan<Float>, byNonzero x: Span<Float>) {
    call(x, &y) { x, y, n in tincture_divide(x, y, n) }
  }

  /// y = a x + b z.
  public static func combine(
    _ a: Float, _ x: Span<Float>, _ b: Float, _ z: Span<Float>, into y: inout MutableSpan<Float>
  ) {
    call(x, z, &y) { x, z, y, n in tincture_combine(a, x, b, z, y, n) }
  }

  /// How many more elements are positive than negative.
  public static func signBalance(_ x: Span<Float>) -> Int {
    var balance = 0
    x.withUnsafeBufferPointer { x in
      for value in x { balance += value > 0 ? 1 : value < 0 ? -1 : 0 }
    }
    return balance
  }

  /// x *= scale where the bit is set and 0 elsewhere, counting bits from the start of a byte.
  public static func keep(
    _ x: inout MutableSpan<Float>, where bits: Span<UInt8>, scale: Float = 1
  ) {
    precondition(bits.count == (x.count + 7) / 8, "The mask and the block differ in length.")
    x.withUnsafeMutableBufferPointer { x in
      bits.withUnsafeBufferPointer { bits in
        guard let p = x.baseAddress, let q = bits.baseAddress else { return }
        tincture_keep_bits(q, scale, p, x.count)
      }
    }
  }

  /// y = w b + (1 − w) a with w = clamp(t / max(|a − b|, floor), 0, 1).
  public static func nearswap(
    _ a: Span<Float>, _ b: Span<Float>, within t: Float, floor: Float,
    into y: inout MutableSpan<Float>
  ) {
    call(a, b, &y) { a, b, y, n in tincture_nearswap(a, b, t, floor, y, n) }
  }

  /// Where |x| > epsilon: sum += x and count += 1.
  public static func accumulateActive(
    _ x: Span<Float>, above epsilon: Float, sum: inout MutableSpan<Float>,
    count: inout MutableSpan<Float>
  ) {
    precondition(sum.count == count.count, "The sums must have the same length.")
    count.withUnsafeMutableBufferPointer { count in
      guard let c = count.baseAddress else { return }
      call(x, &sum) { x, s, n in tincture_accumulate_active(epsilon, x, s, c, n) }
    }
  }

  /// Where |x| > epsilon and count is one: y = scale x.
  public static func scaleUnique(
    _ x: Span<Float>, above epsilon: Float, by scale: Float, count: Span<Float>,
    into y: inout MutableSpan<Float>
  ) {
    call(x, count, &y) { x, c, y, n in tincture_scale_unique(epsilon, scale, x, c, y, n) }
  }

  /// How many positions with |x| > epsilon are this model's alone, and how many it shares.
  public static func countActive(_ x: Span<Float>, above epsilon: Float, count: Span<Float>)
    -> (unique: UInt64, shared: UInt64)
  {
    var unique: UInt64 = 0
    var shared: UInt64 = 0
    reduce(x, count) { x, c, n in tincture_count_active(epsilon, x, c, &unique, &shared, n) }
    return (unique, shared)
  }

  /// y = k |b − a|.
  public static func scaledDistance(
    _ a: Span<Float>, _ b: Span<Float>, times k: Float, into y: inout MutableSpan<Float>
  ) {
    call(a, b, &y) { a, b, y, n in tincture_scaled_distance(a, b, k, y, n) }
  }

  /// y = b where the score reaches the threshold, else a.
  public static func choose(
    _ a: Span<Float>, _ b: Span<Float>, where score: Span<Float>, reaches threshold: Float,
    into y: inout MutableSpan<Float>
  ) {
    precondition(score.count == y.count, "The scores must be as many as the results.")
    score.withUnsafeBufferPointer { score in
      guard let s = score.baseAddress else { return }
      call(a, b, &y) { a, b, y, n in tincture_choose(s, threshold, a, b, y, n) }
    }
  }

  /// sum += Σ x y, added segment by segment.
  ///
  /// Segments of 4096 elements are summed in double precision over sixteen lanes and added in order, so
  /// a sum over blocks that are whole segments does not depend on the size of the blocks.
  public static func addDot(_ x: Span<Float>, _ y: Span<Float>, to sum: inout Double) {
    reduce(x, y) { x, y, n in
      forEachSegment(n) { start, count in sum += tincture_dot(x + start, y + start, count) }
    }
  }

  /// sum += Σ x, added segment by segment.
  public static func addSum(_ x: Span<Float>, to sum: inout Double) {
    reduce(x, x) { x, _, n in
      forEachSegment(n) { start, count in sum += tincture_sum(x + start, count) }
    }
  }

  /// sum += Σ |x|, added segment by segment.
  public static func addMagnitudes(_ x: Span<Float>, to sum: inout Double) {
    reduce(x, x) { x, _, n in
      forEachSegment(n) { start, count in sum += tincture_sum_magnitudes(x + start, count) }
    }
  }

  /// sum += Σ |x| over the elements whose bit is set, added segment by segment.
  public static func addMagnitudes(_ x: Span<Float>, where bits: Span<UInt8>, to sum: inout Double)
  {
    precondition(bits.count == (x.count + 7) / 8, "The mask and the block differ in length.")
    bits.withUnsafeBufferPointer { bits in
      guard let bits = bits.baseAddress else { return }
      reduce(x, x) { x, _, n in
        forEachSegment(n) { start, count in
          sum += tincture_sum_magnitudes_kept(x + start, bits + start / 8, count)
        }
      }
    }
  }

  /// The number of elements after which reductions start a new partial sum.
  public static let segment = 4096

  static func forEachSegment(_ count: Int, _ body: (Int, Int) -> Void) {
    var start = 0
    while start < count {
      body(start, min(segment, count - start))
      start += segment
    }
  }

  /// The bit pattern of the largest magnitude; at least 0x7f800000 when an element is not finite.
  public static func largestMagnitude(_ x: Span<Float>) -> UInt32 {
    x.withUnsafeBufferPointer { x in
      x.baseAddress.map { tincture_largest_magnitude($0, x.count) } ?? 0
    }
  }

  /// The number of elements that are not zero.
  public static func countNonzero(_ x: Span<Float>) -> Int {
    x.withUnsafeBufferPointer { x in x.baseAddress.map { tincture_count_nonzero($0, x.count) } ?? 0
    }
  }

  /// Σ p ln(p / q) with p = softmax(b) + floor and q = softmax(a) + floor.
  public static func softmaxDivergence(_ a: Span<Float>, _ b: Span<Float>, floor: Double) -> Double
  {
    var result = 0.0
    reduce(a, b) { a, b, n in result = tincture_softmax_divergence(a, b, floor, n) }
    return result
  }
}

extension Kernels {
  static func call(
    _ x: Span<Float>, _ y: inout MutableSpan<Float>,
    _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) {
    precondition(x.count == y.count, "Kernel operands have \(x.count) and \(y.count) elements.")
    x.withUnsafeBufferPointer { x in
      y.withUnsafeMutableBufferPointer { y in
        if let x = x.baseAddress, let p = y.baseAddress { body(x, p, y.count) }
      }
    }
  }

  static func call(
    _ x: Span<Float>, _ z: Span<Float>, _ y: inout MutableSpan<Float>,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) {
    precondition(x.count == z.count, "Kernel operands have \(x.count) and \(z.count) elements.")
    z.withUnsafeBufferPointer { z in
      guard let z = z.baseAddress else { return }
      call(x, &y) { x, y, n in body(x, z, y, n) }
    }
  }

  static func reduce(
    _ x: Span<Float>, _ y: Span<Float>,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, Int) -> Void
  ) {
    precondition(x.count == y.count, "Kernel operands have \(x.count) and \(y.count) elements.")
    x.withUnsafeBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        if let p = x.baseAddress, let q = y.baseAddress { body(p, q, x.count) }
      }
    }
  }
}

extension Kernels {
  /// The instruction set that the kernels use on this processor, in words.
  public static var instructionSet: String {
    switch tincture_instruction_set() {
    case 4: "x86-64-v4 (AVX-512)"
    case 3: "x86-64-v3 (AVX2)"
    case 1: "x86-64 baseline"
    default: "portable"
    }
  }

  /// Whether the processor is one of AMD's with AVX-512.
  package static let isWideOnAMD = tincture_is_amd_512() != 0

  /// Whether the kernels were compiled for speed, as they are not for debugging.
  package static let isOptimized = tincture_is_optimized() != 0
}
