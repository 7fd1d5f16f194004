internal import CTinctureKernels

/// The places of the elements that a block keeps, in about as few bits as there are to choose from.
///
/// A block of no places takes no bytes. Otherwise the first byte says how they are coded:
///
/// - w from 0 to 20: the gap g before each place, which is the number of elements skipped since the
///   place before it, as ⌊g / 2ʷ⌋ zero bits, a one bit and the lower w bits of g, the lowest first.
///   Gaps between places that are chosen at random with probability d are geometrically distributed, for
///   which such a code (Golomb 1966, Rice 1979) takes some hundredths of a bit more than the entropy
///   H(d) / d.
/// - 255: one bit for each element of the block, set where it is kept.
///
/// The bits of a byte are filled from the lowest on; those after the last one are zero.
public enum PlaceCode {
  /// The lengths that a block may have at most.
  public static let largestLength = 1 << 20
  private static let largestWidth = 20
  private static let bitmap: UInt8 = 255

  /// The most bytes that the places of a block take.
  public static func largestSize(_ length: Int) -> Int { 1 + (length + 7) / 8 }

  /// Appends the code of some places, the shorter one of both ways.
  ///
  /// - Parameters:
  ///   - places: The places in ascending order.
  ///   - length: The length of the block.
  ///   - bytes: Receives the code.
  /// - Complexity: O(n log n) for n places at most.
  public static func append(_ places: Span<UInt32>, of length: Int, to bytes: inout [UInt8]) {
    guard !places.isEmpty else { return }
    precondition(length <= largestLength, "A block cannot have \(length) elements.")
    let (width, bits) = width(places)
    guard (bits + 7) / 8 + 1 < largestSize(length) else {
      appendBitmap(places, length, &bytes)
      return
    }
    bytes.append(UInt8(width))
    var writer = BitWriter(bytes: bytes)
    bytes = []
    var next: UInt32 = 0
    for index in 0..<places.count {
      let gap = places[index] - next
      writer.append(gap, width: width)
      next = places[index] + 1
    }
    bytes = writer.finish()
  }

  private static func appendBitmap(
    _ places: Span<UInt32>, _ length: Int, _ bytes: inout [UInt8]
  ) {
    let start = bytes.count + 1
    bytes.append(bitmap)
    bytes += [UInt8](repeating: 0, count: (length + 7) / 8)
    for index in 0..<places.count {
      let place = Int(places[index])
      bytes[start + place / 8] |= 1 << UInt8(place % 8)
    }
  }

  /// The best width with the bits that it takes, which are a convex function of it.
  private static func width(_ places: Span<UInt32>) -> (width: Int, bits: Int) {
    var best = (width: 0, bits: Int.max)
    for width in 0...largestWidth {
      var bits = places.count * (width + 1)
      var next: UInt32 = 0
      for index in 0..<places.count {
        bits += Int((places[index] - next) >> UInt32(width))
        next = places[index] + 1
      }
      guard bits < best.bits else { break }
      best = (width, bits)
    }
    return best
  }

  /// Appends the places that a block's code stands for.
  ///
  /// - Parameters:
  ///   - range: The code in the bytes, behind which eight more must follow.
  ///   - bytes: Any bytes.
  ///   - count: The number of places.
  ///   - length: The length of the block.
  ///   - places: Receives the places in ascending order.
  /// - Returns: Whether the bytes are the code of that many places in a block of that length, with
  ///   nothing after it.
  /// - Complexity: O(n) for n places, or elements for one bit each.
  public static func read(
    _ range: Range<Int>, of bytes: [UInt8], count: Int, length: Int,
    into places: inout ContiguousArray<UInt32>
  ) -> Bool {
    precondition(range.upperBound + 8 <= bytes.count, "Eight bytes must follow the code.")
    precondition(length <= largestLength && count <= length, "The block is too long.")
    guard count > 0 else { return range.isEmpty }
    guard let kind = range.first.map({ bytes[$0] }),
      kind == bitmap || kind <= UInt8(largestWidth)
    else { return false }
    let start = places.count
    let code = range.dropFirst()
    if kind == bitmap {
      guard code.count == (length + 7) / 8 else { return false }
      places += repeatElement(0, count: length)
      let found = withPointers(bytes, code, &places, start) {
        tincture_set_bits($0, length, $1)
      }
      places.removeLast(length - found)
      return found == count && isEmpty(bytes, from: 8 * code.lowerBound + length, code.upperBound)
    }
    places += repeatElement(0, count: count)
    let bits = withPointers(bytes, code, &places, start) {
      tincture_read_gaps($0, code.count, Int32(kind), UInt32(length), $1, count)
    }
    guard bits != .max, (bits + 7) / 8 == code.count else { return false }
    return isEmpty(bytes, from: 8 * code.lowerBound + bits, code.upperBound)
  }

  /// The places of the bits that are set among the first `count`, counted from the lowest.
  public static func setBits(
    _ bits: Span<UInt8>, count: Int, into places: inout ContiguousArray<UInt32>
  ) {
    precondition(bits.count >= (count + 7) / 8, "There are fewer than \(count) bits.")
    if places.count < count { places += repeatElement(0, count: count - places.count) }
    let found = bits.withUnsafeBufferPointer { bits in
      places.withUnsafeMutableBufferPointer { places in
        guard let p = bits.baseAddress, let q = places.baseAddress else { return 0 }
        return tincture_set_bits(p, count, q)
      }
    }
    places.removeLast(places.count - found)
  }

  private static func withPointers(
    _ bytes: [UInt8], _ code: Range<Int>, _ places: inout ContiguousArray<UInt32>, _ start: Int,
    _ body: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt32>) -> Int
  ) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
      places.withUnsafeMutableBufferPointer { places in
        guard let p = bytes.baseAddress, let q = places.baseAddress else { return 0 }
        return body(p + code.lowerBound, q + start)
      }
    }
  }

  /// Whether the bits from one on are zero up to the end of a byte.
  private static func isEmpty(_ bytes: [UInt8], from bit: Int, _ end: Int) -> Bool {
    bit / 8 == end || bytes[bit / 8] >> UInt8(bit % 8) == 0
  }
}

/// Writes bits one after the other, the lowest of a byte first.
private struct BitWriter {
  private var bytes: [UInt8]
  private var pending: UInt64 = 0
  private var filled = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Appends the code of a gap.
  mutating func append(_ gap: UInt32, width: Int) {
    var zeros = Int(gap >> UInt32(width))
    while zeros >= 32 {
      append(0, bits: 32)
      zeros -= 32
    }
    append(1 << UInt64(zeros), bits: zeros + 1)
    append(UInt64(gap) & (1 << UInt64(width) - 1), bits: width)
  }

  private mutating func append(_ value: UInt64, bits: Int) {
    pending |= value << UInt64(filled)
    filled += bits
    while filled >= 8 {
      bytes.append(UInt8(truncatingIfNeeded: pending))
      pending >>= 8
      filled -= 8
    }
  }

  consuming func finish() -> [UInt8] {
    if filled > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
    return bytes
  }
}
