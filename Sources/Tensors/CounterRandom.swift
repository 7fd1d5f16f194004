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
  /// low + 2 spread r / (n − 1); a single element with low + spread. Elements that are zero are not
  /// among those that stay, which changes nothing.
  ///
  /// - Parameters:
  ///   - row: The elements of a row.
  ///   - low: The probability of the smallest element to stay.
  ///   - spread: Half the distance to the probability of the largest.
  ///   - start: The index of the first element in its tensor.
  ///   - sum: The sum of the row's magnitudes, which makes the search fast.
  ///   - bits: Receives one bit for each element, the first lowest; as many bytes as are needed.
  ///   - scratch: Reused working memory.
  /// - Complexity: O(n) for ordinary data, O(n log n) for any.
  public func keepByRank(
    _ row: Span<Float>, low: Double, spread: Double, from start: Int, sum: Double,
    bits: inout MutableSpan<UInt8>, scratch: inout [UInt64]
  ) {
    precondition(bits.count == (row.count + 7) / 8, "The mask and the row differ in length.")
    let needed = tincture_rank_scratch(row.count)
    if scratch.count < needed { scratch = [UInt64](repeating: 0, count: needed) }
    let mean = sum / Double(max(1, row.count))
    scratch.withUnsafeMutableBufferPointer { scratch in
      bits.withUnsafeMutableBufferPointer { bits in
        row.withUnsafeBufferPointer { row in
          guard let x = row.baseAddress, let memory = scratch.baseAddress,
            let bits = bits.baseAddress
          else { return }
          tincture_rank_mask(key, UInt64(start), low, spread, mean, x, row.count, bits, memory)
        }
      }
    }
  }

  // FNV-1a over the bytes.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
