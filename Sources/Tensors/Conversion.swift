internal import CTinctureKernels

extension Kernels {
  /// Widens stored elements to `Float`.
  ///
  /// - Parameters:
  ///   - bytes: The stored elements; as many as `output` has.
  ///   - dtype: Their type; must be arithmetic.
  ///   - output: Receives the values.
  /// - Returns: The bit pattern of the largest magnitude; at least 0x7f800000 when an element is not finite.
  /// - Complexity: O(n).
  @discardableResult
  public static func widen(
    _ bytes: UnsafeRawBufferPointer, as dtype: DType, into output: inout MutableSpan<Float>
  ) -> UInt32 {
    let count = output.count
    guard count > 0, let source = bytes.baseAddress else { return 0 }
    precondition(
      bytes.count >= count * (dtype.byteWidth ?? 0), "Widening needs \(count) stored elements.")
    return output.withUnsafeMutableBufferPointer { target in
      guard let y = target.baseAddress else { return 0 }
      switch dtype {
      case .bf16: return tincture_widen_bf16(source.assumingMemoryBound(to: UInt16.self), y, count)
      case .f16: return tincture_widen_f16(source.assumingMemoryBound(to: UInt16.self), y, count)
      case .f32: return tincture_widen_f32(source.assumingMemoryBound(to: Float.self), y, count)
      case .f64: return tincture_widen_f64(source.assumingMemoryBound(to: Double.self), y, count)
      case .f8e4m3:
        return tincture_widen_f8e4m3(source.assumingMemoryBound(to: UInt8.self), y, count)
      case .f8e5m2:
        return tincture_widen_f8e5m2(source.assumingMemoryBound(to: UInt8.self), y, count)
      default: preconditionFailure("\(dtype.rawValue) has no arithmetic.")
      }
    }
  }

  /// Widens stored elements to `Float` and subtracts others.
  ///
  /// - Parameters:
  ///   - bytes: The stored elements; as many as `output` has.
  ///   - dtype: Their type; must be arithmetic.
  ///   - base: What is subtracted; as many.
  ///   - output: Receives the differences.
  /// - Returns: The bit pattern of the largest stored magnitude.
  /// - Complexity: O(n).
  public static func difference(
    _ bytes: UnsafeRawBufferPointer, as dtype: DType, from base: Span<Float>,
    into output: inout MutableSpan<Float>
  ) -> UInt32 {
    guard dtype == .bf16, let source = bytes.baseAddress else {
      let largest = widen(bytes, as: dtype, into: &output)
      subtract(base, from: &output)
      return largest
    }
    precondition(bytes.count >= 2 * output.count, "Widening needs \(output.count) elements.")
    var largest: UInt32 = 0
    call(base, &output) { base, y, n in
      largest = tincture_difference_bf16(source.assumingMemoryBound(to: UInt16.self), base, y, n)
    }
    return largest
  }

  /// Rounds values to nearest, ties to even, and stores them.
  ///
  /// - Parameters:
  ///   - values: The values.
  ///   - dtype: The type to store; must be arithmetic.
  ///   - bytes: Receives the elements; as many as `values` has.
  /// - Complexity: O(n).
  public static func narrow(
    _ values: Span<Float>, as dtype: DType, into bytes: UnsafeMutableRawBufferPointer
  ) {
    let count = values.count
    guard count > 0, let target = bytes.baseAddress else { return }
    precondition(
      bytes.count >= count * (dtype.byteWidth ?? 0), "Narrowing needs room for \(count) elements.")
    values.withUnsafeBufferPointer { source in
      guard let x = source.baseAddress else { return }
      switch dtype {
      case .bf16: tincture_narrow_bf16(x, target.assumingMemoryBound(to: UInt16.self), count)
      case .f16: tincture_narrow_f16(x, target.assumingMemoryBound(to: UInt16.self), count)
      case .f32: target.copyMemory(from: x, byteCount: count * 4)
      case .f64: tincture_narrow_f64(x, target.assumingMemoryBound(to: Double.self), count)
      case .f8e4m3: tincture_narrow_f8e4m3(x, target.assumingMemoryBound(to: UInt8.self), count)
      case .f8e5m2: tincture_narrow_f8e5m2(x, target.assumingMemoryBound(to: UInt8.self), count)
      default: preconditionFailure("\(dtype.rawValue) has no arithmetic.")
      }
    }
  }
}
