internal import CTinctureKernels

/// Elements of an expert as they are stored, in 16 bits each.
///
/// A task vector x − base takes half the room in this form; differences are made whenever they are used, with the
/// bits that differences in single precision have.
package struct StoredElements: Sendable {
  /// How the bits are meant.
  package enum Format: Sendable, Hashable {
    /// Sign, eight bits of exponent, seven of fraction.
    case bfloat16
    /// Sign, five bits of exponent, ten of fraction.
    case half

    /// The format of a type; nil for types of other widths.
    package init?(_ dtype: DType) {
      switch dtype {
      case .bf16: self = .bfloat16
      case .f16: self = .half
      default: return nil
      }
    }

    /// The type.
    package var dtype: DType { self == .half ? .f16 : .bf16 }
  }

  /// How the bits are meant.
  package let format: Format
  /// The bits.
  package let bits: ContiguousArray<UInt16>

  /// Names bits.
  package init(_ bits: ContiguousArray<UInt16>, as format: Format) {
    self.bits = bits
    self.format = format
  }

  /// Whether no element is infinite or NaN.
  ///
  /// - Complexity: O(n).
  package var isFinite: Bool {
    let infinity: UInt16 = format == .half ? 0x7c00 : 0x7f80
    return bits.allSatisfy { $0 & 0x7fff < infinity }
  }

  /// The differences to a base.
  ///
  /// - Parameters:
  ///   - range: The elements.
  ///   - base: What is subtracted; as many as the range has.
  ///   - output: Receives the differences.
  /// - Returns: The bit pattern of the largest stored magnitude.
  /// - Complexity: O(n).
  @discardableResult
  package func differences(
    _ range: Range<Int>, from base: Span<Float>, into output: inout MutableSpan<Float>
  ) -> UInt32 {
    bits[range].withUnsafeBytes {
      Kernels.difference($0, as: format.dtype, from: base, into: &output)
    }
  }

  /// y += a (x − base).
  ///
  /// - Parameters:
  ///   - range: The elements of x.
  ///   - base: What is subtracted; as many as the range has.
  ///   - a: The coefficient.
  ///   - y: What is added to; as many.
  /// - Complexity: O(n).
  package func addDifferences(
    _ range: Range<Int>, from base: Span<Float>, times a: Float, to y: inout MutableSpan<Float>
  ) {
    precondition(range.count == base.count, "\(range.count) elements have \(base.count) of a base.")
    bits[range].withUnsafeBufferPointer { x in
      guard let x = x.baseAddress else { return }
      Kernels.call(base, &y) { base, y, n in
        switch format {
        case .bfloat16: tincture_axpy_difference_bf16(a, x, base, y, n)
        case .half: tincture_axpy_difference_f16(a, x, base, y, n)
        }
      }
    }
  }

  /// sum += ⟨g, x − base⟩, added segment by segment.
  ///
  /// - Parameters:
  ///   - range: The elements of x.
  ///   - base: What is subtracted; as many as the range has.
  ///   - g: The other operand; as many.
  ///   - sum: What is added to.
  /// - Complexity: O(n).
  package func addDot(
    _ range: Range<Int>, from base: Span<Float>, _ g: Span<Float>, to sum: inout Double
  ) {
    precondition(range.count == base.count, "\(range.count) elements have \(base.count) of a base.")
    bits[range].withUnsafeBufferPointer { x in
      guard let x = x.baseAddress else { return }
      Kernels.reduce(g, base) { g, base, n in
        Kernels.forEachSegment(n) { start, count in
          let (g, x, base) = (g + start, x + start, base + start)
          switch format {
          case .bfloat16: sum += tincture_dot_difference_bf16(g, x, base, count)
          case .half: sum += tincture_dot_difference_f16(g, x, base, count)
          }
        }
      }
    }
  }
}
