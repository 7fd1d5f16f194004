internal import CTinctureKernels

/// Which of the elements that equal a threshold still count, while a tensor is read in order.
public struct MagnitudeCut: Sendable, Hashable {
  /// The bit pattern of the threshold's magnitude.
  public let threshold: UInt32
  /// How many elements of exactly this magnitude are still to be treated like larger ones.
  public var ties: UInt64

  /// Creates a cut.
  ///
  /// - Parameters:
  ///   - value: The threshold.
  ///   - ties: How many elements of exactly this magnitude count as larger.
  public init(at value: Float, ties: Int) {
    threshold = value.magnitude.bitPattern
    self.ties = UInt64(max(0, ties))
  }

  /// Sets elements below the threshold to zero; of those on it, the first ones stay while ties last.
  public mutating func keepLargest(_ x: inout MutableSpan<Float>) {
    x.withUnsafeMutableBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_keep_from(threshold, &ties, p, x.count)
    }
  }

  /// Sets elements above the threshold to zero; of those on it, the first ones go while ties last.
  public mutating func dropLargest(_ x: inout MutableSpan<Float>) {
    x.withUnsafeMutableBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_drop_from(threshold, &ties, p, x.count)
    }
  }

  /// Sets elements to zero that `keepLargest` of this cut or `dropLargest` of another would.
  ///
  /// One pass while neither has ties to count down.
  public mutating func keepLargest(
    _ x: inout MutableSpan<Float>, butNotThoseOf upper: inout MagnitudeCut
  ) {
    guard let low = firstThatCounts, let high = upper.firstThatCounts else {
      keepLargest(&x)
      upper.dropLargest(&x)
      return
    }
    x.withUnsafeMutableBufferPointer { x in
      if let p = x.baseAddress { tincture_keep_between(low, high, p, x.count) }
    }
  }

  /// The least magnitude that counts as large; nil while some of the ties do and others do not.
  private var firstThatCounts: UInt32? {
    ties == 0 ? threshold + 1 : ties >= TINCTURE_ALL_TIES ? threshold : nil
  }

  /// Finds which elements `keepLargest` would keep.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - bits: Receives one bit for each, the first lowest; as many bytes as are needed.
  public mutating func mask(_ x: Span<Float>, into bits: inout MutableSpan<UInt8>) {
    precondition(bits.count == (x.count + 7) / 8, "The mask and the block differ in length.")
    x.withUnsafeBufferPointer { x in
      bits.withUnsafeMutableBufferPointer { bits in
        guard let p = x.baseAddress, let q = bits.baseAddress else { return }
        tincture_mask_from(p, threshold, &ties, q, x.count)
      }
    }
  }
}

extension OrderStatistic.Finding {
  /// A cut that keeps exactly the `count` largest of `total` magnitudes, found at the rank of the
  /// smallest kept one.
  public func cut(keeping count: Int, of total: Int) -> MagnitudeCut {
    let ties = count - (total - smaller - equal)
    return MagnitudeCut(at: value, ties: ties >= equal ? .max : ties)
  }
}
