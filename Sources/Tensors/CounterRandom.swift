internal import CTinctureKernels

/// A stream of random numbers in which the number of an element depends only on the stream and the
/// element's index.
///
/// The stream is keyed by a seed and by names, so the result of a random method does not depend on the
/// order of tensors, the number of workers or the block size. number(i) is the SplitMix64 output for
/// the state key + i · 0x9e3779b97f4a7c15.
public struct CounterRandom: Sendable, Hashable {
  /// The key of the stream.
  public let key: UInt64

  /// Creates the stream of a tensor.
  ///
  /// - Parameters:
  ///   - seed: The seed of the run.
  ///   - tensor: The name of the tensor.
  ///   - model: The position of the model in the recipe, or −1 when it plays no part.
  ///   - purpose: What the numbers are for; different purposes give unrelated numbers.
  public init(seed: UInt64, tensor: String, model: Int = -1, purpose: String) {
    var key = tincture_random(seed, 0)
    key = tincture_random(key ^ Self.hash(tensor), 1)
    key = tincture_random(key ^ UInt64(bitPattern: Int64(model)), 2)
    self.key = tincture_random(key ^ Self.hash(purpose), 3)
  }

  /// The 64 random bits of an element.
  public func bits(at index: Int) -> UInt64 { tincture_random(key, UInt64(index)) }

  /// The number of an element, uniform in [0, 1) with 53 bits.
  public func uniform(at index: Int) -> Double { Double(bits(at: index) >> 11) * 0x1p-53 }

  /// The number of an element of a row, uniform in [0, 1) with 32 bits: half of the bits that two elements share.
  ///
  /// - Parameters:
  ///   - index: The index of the element in its row; even ones have the lower half.
  ///   - start: The index of the row's first element in its tensor.
  /// - Returns: The number.
  public func uniform(at index: Int, ofRowFrom start: Int) -> Double {
    Double(tincture_random_half(key, UInt64(start), UInt64(index))) * 0x1p-32
  }

  /// Sets elements to zero, each with probability 1 − `probability`, and scales the others.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - probability: The probability to stay.
  ///   - start: The index of the first element in its tensor.
  ///   - scale: What the elements that stay are multiplied by.
  /// - Complexity: O(n).
  public func drop(
    _ x: inout MutableSpan<Float>, keeping probability: Double, from start: Int, scale: Float = 1
  ) {
    let threshold = UInt64(max(0, min(1, probability)) * 0x1p53)
    x.withUnsafeMutableBufferPointer { x in
      guard let p = x.baseAddress else { return }
      tincture_random_drop(key, UInt64(start), threshold, scale, p, x.count)
    }
  }

  /// Decides which elements of one row stay, with a probability that grows with their magnitude's rank.
  ///
  /// The element of ascending rank r (0 to n − 1, ties by index) stays with probability
  /// low + 2 spread r / (n − 1), independently of the others; a single element with low + spread.
  /// No ranks are worked out: one of the n − 1 other elements, picked at random, is smaller with
  /// probability r / (n − 1). Of an element's number u, `uniform(at:ofRowFrom:)`, an element stays below
  /// low and goes from low + 2 spread on; between them (u − low) / (2 spread) (n − 1), rounded down, is
  /// the place among the others of the element it is compared with, and it stays when it is the larger.
  ///
  /// - Parameters:
  ///   - row: The elements of a row.
  ///   - low: The probability of the smallest element to stay.
  ///   - spread: Half the distance to the probability of the largest.
  ///   - start: The index of the first element in its tensor.
  ///   - bits: Receives one bit for each element, the first lowest; as many bytes as are needed.
  /// - Complexity: O(n).
  public func keepByRank(
    _ row: Span<Float>, low: Double, spread: Double, from start: Int,
    bits: inout MutableSpan<UInt8>
  ) {
    precondition(bits.count == (row.count + 7) / 8, "The mask and the row differ in length.")
    bits.withUnsafeMutableBufferPointer { bits in
      row.withUnsafeBufferPointer { row in
        guard let x = row.baseAddress, let bits = bits.baseAddress else { return }
        tincture_rank_mask(key, UInt64(start), low, spread, x, row.count, bits)
      }
    }
  }

  // FNV-1a over the bytes.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
