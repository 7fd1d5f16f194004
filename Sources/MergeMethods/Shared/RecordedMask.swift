internal import TinctureTensors

/// Which elements of a tensor an earlier pass kept: one bit for each, piece by piece, each piece starting
/// on a byte.
///
/// A pass that reads it goes through the same elements in the same order; its pieces may be longer when
/// those of the first were whole bytes.
struct RecordedMask {
  private var bits: ContiguousArray<UInt8> = []
  private var position = 0

  /// Bytes for a tensor whose pieces are its rows.
  static func bytes(_ elementCount: Int, rowLength: Int) -> Int {
    elementCount / max(1, rowLength) * ((rowLength + 7) / 8)
  }

  /// Prepares for this many bytes.
  mutating func reserve(_ bytes: Int) { bits.reserveCapacity(bytes) }

  /// Remembers the mask of the next piece.
  mutating func append(_ mask: Span<UInt8>) {
    mask.withUnsafeBufferPointer { bits.append(contentsOf: $0) }
  }

  /// The mask of the next piece.
  @_lifetime(&self)
  mutating func next(_ count: Int) -> Span<UInt8> {
    let start = position
    position += (count + 7) / 8
    return bits.span.extracting(start..<position)
  }

  /// Sets the other elements of the next rows to zero and scales these.
  mutating func apply(to x: inout MutableSpan<Float>, rowLength: Int, scale: Float) {
    // Rows of whole bytes follow one another without a gap.
    let piece = rowLength % 8 == 0 ? x.count : max(1, rowLength)
    var start = 0
    while start < x.count {
      let count = min(piece, x.count - start)
      var row = x._mutatingExtracting(start..<start + count)
      Kernels.keep(&row, where: next(count), scale: scale)
      start += count
    }
  }
}
