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
  case ranked(RankedDrop)
  /// The same, and each that stays is divided by its own probability.
  case rankedInverse(RankedDrop)
  /// The elements that an earlier pass kept.
  case recorded(RecordedMask)

  /// Sets the elements of a block that do not survive to zero and scales the others.
  mutating func apply(
    to x: inout MutableSpan<Float>, from start: Int, rowLength: Int, _ workspace: Workspace,
    scale: Float = 1
  ) {
    var isScaled = scale == 1
    switch self {
    case .everything: break
    case .nothing: Kernels.clear(&x)
    case .largest(var cut):
      cut.keepLargest(&x)
      self = .largest(cut)
    case .band(var keep, var drop):
      if var upper = drop {
        keep.keepLargest(&x, butNotThoseOf: &upper)
        drop = upper
      } else {
        keep.keepLargest(&x)
      }
      self = .band(keep: keep, drop: drop)
    case .recorded(var mask):
      // Taken out of `self`, so that the mask is not copied.
      self = .everything
      mask.apply(to: &x, rowLength: rowLength, scale: scale)
      isScaled = true
      self = .recorded(mask)
    case .random(let random, let probability):
      random.drop(&x, keeping: probability, from: start, scale: scale)
      isScaled = true
    case .ranked(let drop):
      Self.forEachRow(&x, rowLength) { row, offset in
        drop.apply(to: &row, from: start + offset, workspace, scale: scale)
      }
      isScaled = true
    case .rankedInverse(let drop):
      Self.forEachRow(&x, rowLength) { row, offset in
        drop.applyInverse(to: &row, from: start + offset, workspace)
      }
    case .rowBand(let drop, let keep):
      Self.forEachRow(&x, rowLength) { row, _ in Self.keepBand(&row, drop: drop, keep: keep) }
    }
    if !isScaled { Kernels.scale(&x, by: scale) }
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

  private static func keepBand(_ row: inout MutableSpan<Float>, drop: Int, keep: Int) {
    // Of equal elements the first count as larger, as everywhere.
    let sizes = (0..<row.count).map { row[$0].magnitude }
    let order = sizes.indices.sorted { (sizes[$1], $0) < (sizes[$0], $1) }
    let first = min(drop, order.count)
    let last = min(first + keep, order.count)
    for index in order[..<first] { row[index] = 0 }
    for index in order[last...] { row[index] = 0 }
  }
}
