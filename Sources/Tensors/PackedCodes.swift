internal import CTinctureKernels

/// Codes of a few bits, packed without gaps.
///
/// Code i takes the bits i·b to i·b + b − 1 of the bytes read as one little-endian number, so eight codes
/// fill b bytes. The bytes are padded with zeros to a multiple of eight.
public enum PackedCodes {
  /// The widths that are stored.
  public static let widths = 1...8

  /// The number of bytes for a number of codes, padding included.
  public static func byteCount(_ count: Int, bits: Int) -> Int { (count * bits + 63) / 64 * 8 }

  /// The bytes that hold a range of codes, whole eights of them.
  public static func bytes(of range: Range<Int>, bits: Int) -> Range<Int> {
    range.lowerBound / 8 * bits..<(range.upperBound + 7) / 8 * bits
  }

  /// Reads packed codes, one into each byte.
  ///
  /// - Parameters:
  ///   - bytes: Packed codes, from the first one on; eight bytes must be readable where the last eight
  ///     codes begin.
  ///   - start: The first code to read.
  ///   - bits: The bits of a code.
  ///   - codes: Receives the codes.
  public static func unpack(
    _ bytes: UnsafeRawBufferPointer, from start: Int, bits: Int,
    into codes: inout MutableSpan<UInt8>
  ) {
    check(bytes, bits, start, codes.count)
    codes.withUnsafeMutableBufferPointer { codes in
      guard let p = bytes.baseAddress, let q = codes.baseAddress else { return }
      tincture_unpack(p.assumingMemoryBound(to: UInt8.self), start, Int32(bits), q, codes.count)
    }
  }

  static func check(_ bytes: UnsafeRawBufferPointer, _ bits: Int, _ start: Int, _ count: Int) {
    precondition(widths.contains(bits) && start >= 0, "There are no codes of \(bits) bits.")
    precondition(
      count == 0 || (start + count - 1) / 8 * bits + 8 <= bytes.count,
      "\(count) codes from \(start) on do not lie in \(bytes.count) bytes.")
  }
}

/// Packs codes that arrive piece by piece.
public struct CodePacker: Sendable {
  private let bits: Int
  private var bytes: [UInt8] = []
  private var waiting: [UInt8] = []
  /// How many codes were taken.
  public private(set) var count = 0

  /// Prepares for a number of codes.
  public init(bits: Int, expecting count: Int = 0) {
    precondition(PackedCodes.widths.contains(bits), "There are no codes of \(bits) bits.")
    self.bits = bits
    bytes.reserveCapacity(PackedCodes.byteCount(count, bits: bits))
  }

  /// Takes the next codes.
  public mutating func append(_ codes: Span<UInt8>) {
    count += codes.count
    codes.withUnsafeBufferPointer { codes in
      var rest = codes[...]
      if !waiting.isEmpty {
        let missing = min(8 - waiting.count, rest.count)
        waiting.append(contentsOf: rest.prefix(missing))
        rest = rest.dropFirst(missing)
        if waiting.count == 8 {
          waiting.withUnsafeBufferPointer { pack($0) }
          waiting = []
        }
      }
      let whole = rest.count / 8 * 8
      pack(UnsafeBufferPointer(rebasing: rest.prefix(whole)))
      waiting.append(contentsOf: rest.dropFirst(whole))
    }
  }

  private mutating func pack(_ codes: UnsafeBufferPointer<UInt8>) {
    guard let source = codes.baseAddress else { return }
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: codes.count / 8 * bits))
    bytes.withUnsafeMutableBufferPointer { bytes in
      guard let target = bytes.baseAddress else { return }
      tincture_pack(source, Int32(bits), target + start, codes.count)
    }
  }

  /// All bytes, padded to a multiple of eight.
  public consuming func finish() -> [UInt8] {
    if !waiting.isEmpty {
      waiting += [UInt8](repeating: 0, count: 8 - waiting.count)
      waiting.withUnsafeBufferPointer { pack($0) }
    }
    // The last eight codes may have ended in bytes that no code uses.
    let size = PackedCodes.byteCount(count, bits: bits)
    if bytes.count > size { bytes.removeLast(bytes.count - size) }
    bytes += [UInt8](repeating: 0, count: size - bytes.count)
    return bytes
  }
}
