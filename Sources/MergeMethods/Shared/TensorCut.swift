internal import TinctureMerging
internal import TinctureTensors

/// Which elements of one task vector survive sparsification.
///
/// A cut is applied block by block, in order: elements that tie with a threshold are counted down, so
/// every pass over a tensor starts from a fresh copy.
enum TensorCut {
  /// All elements.
  case everything
  /// None.
  case nothing
  /// The largest magnitudes.
  case largest(MagnitudeCut)
  /// The band between the smallest magnitudes and the largest.
  case band(keep: MagnitudeCut, drop: MagnitudeCut?)
  /// In every row, the band below its `drop` largest magnitudes, `keep` elements wide.
  case rowBand(drop: Int, keep: Int)
  /// Each element by chance.
  case random(CounterRandom, probability: Double)
  /// Each element by chance, larger ones of a row more likely.
  case ranked(CounterRandom, low: Double, spread: Double, inverse: Bool)
  /// The elements that an earlier pass kept.
  case recorded(RecordedMask)

  /// Sets the elements of a block that do not survive to zero.
  mutating func apply(
    to x: inout MutableSpan<Float>, from start: Int, rowLength: Int, _ workspace: Workspace
  ) {
    switch self {
    case .everything: break
    case .nothing: Kernels.clear(&x)
    case .largest(var cut):
      cut.keepLargest(&x)
      self = .largest(cut)
    case .band(var keep, var drop):
      keep.keepLargest(&x)
      drop?.dropLargest(&x)
      self = .band(keep: keep, drop: drop)
    case .recorded(var mask):
      // Taken out of `self`, so that the mask is not copied.
      self = .everything
      mask.apply(to: &x)
      self = .recorded(mask)
    case .random(let random, let probability):
      random.drop(&x, keeping: probability, from: start)
    case .ranked(let random, let low, let spread, let inverse):
      Self.forEachRow(&x, rowLength) { row, offset in
        if inverse {
          Self.dropAndScale(&row, random, low, spread, start + offset, workspace)
        } else {
          random.dropByRank(
            &row, low: low, spread: spread, from: start + offset, scratch: &workspace.ranking)
        }
      }
    case .rowBand(let drop, let keep):
      Self.forEachRow(&x, rowLength) { row, _ in Self.keepBand(&row, drop: drop, keep: keep) }
    }
  }

  private static func forEachRow(
    _ x: inout MutableSpan<Float>, _ rowLength: Int, _ body: (inout MutableSpan<Float>, Int) -> Void
  ) {
    let length = max(1, rowLength)
    for start in stride(from: 0, to: x.count, by: length) {
      var row = x._mutatingExtracting(start..<min(start + length, x.count))
      body(&row, start)
    }
  }

  /// The order of a row's elements by magnitude, ascending, ties by position.
  private static func ascending(_ row: borrowing MutableSpan<Float>) -> [Int] {
    let sizes = (0..<row.count).map { row[$0].magnitude }
    return sizes.indices.sorted { (sizes[$0], $0) < (sizes[$1], $1) }
  }

  private static func keepBand(_ row: inout MutableSpan<Float>, drop: Int, keep: Int) {
    // Of equal elements the first count as larger, as everywhere.
    let sizes = (0..<row.count).map { row[$0].magnitude }
    let order = sizes.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
    let first = min(drop, order.count)
    let last = min(first + keep, order.count)
    for index in order[..<first] { row[index] = 0 }
    for index in order[last...] { row[index] = 0 }
  }

  /// Drops by rank and divides what is kept by its own probability, as the paper does.
  private static func dropAndScale(
    _ row: inout MutableSpan<Float>, _ random: CounterRandom, _ low: Double, _ spread: Double,
    _ start: Int, _ workspace: Workspace
  ) {
    let order = ascending(row)
    let step = order.count > 1 ? 2 * spread / Double(order.count - 1) : 0
    let base = order.count > 1 ? low : low + spread
    for (rank, index) in order.enumerated() {
      let probability = base + step * Double(rank)
      let kept = random.uniform(at: start + index) < probability
      row[index] = kept ? row[index] / Float(probability) : 0
    }
  }
}

/// Which elements of a tensor an earlier pass kept, one bit for each, block by block.
///
/// Blocks come in the same order and sizes in every pass; each starts on a byte.
struct RecordedMask {
  private var bits: [UInt8] = []
  private var position = 0

  /// Remembers which elements of the next block are not zero.
  mutating func append(_ x: Span<Float>) { Kernels.appendSupport(of: x, to: &bits) }

  /// Sets the other elements of the next block to zero.
  mutating func apply(to x: inout MutableSpan<Float>) {
    Kernels.keep(&x, where: bits, from: position)
    position += (x.count + 7) / 8
  }
}

extension OrderStatistic.Finding {
  /// A cut that keeps exactly the `count` largest of `total` magnitudes, found at the rank of the
  /// smallest kept one.
  func cut(keeping count: Int, of total: Int) -> MagnitudeCut {
    MagnitudeCut(at: value, ties: count - (total - smaller - equal))
  }
}
