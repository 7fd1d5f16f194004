import TinctureTensors

/// A product of matrices in a linear layer, shared by threads: result = left · right + bias.
struct LayerProduct {
  /// [rows, inner].
  var left: Kernels.Factor
  /// [inner, columns].
  var right: Kernels.Factor
  /// A number for each column.
  var bias: UnsafePointer<Float>?
  /// [rows, columns], row after row.
  var result: UnsafeMutablePointer<Float>
  var rows: Int
  var columns: Int
  var inner: Int

  /// Rows and columns of the tiles that a thread's part is made of, so that none is cut.
  private static let tile = (rows: 14, columns: 32)

  /// Computes a thread's part.
  ///
  /// The result is cut into a grid of rectangles, one for each thread, of the kind that leaves the most work to a
  /// thread at the least. How it is cut does not change the bits.
  func compute(part: Int, of count: Int) {
    let tiles = (
      rows: (rows + Self.tile.rows - 1) / Self.tile.rows,
      columns: (columns + Self.tile.columns - 1) / Self.tile.columns
    )
    var (across, least) = (1, Int.max)
    for strips in 1...count where count % strips == 0 {
      let down = count / strips
      // What a thread multiplies, and what it must copy for that in proportion.
      let (high, wide) = ((tiles.rows + down - 1) / down, (tiles.columns + strips - 1) / strips)
      let cost = high * wide * 16 + high + wide
      if cost < least { (across, least) = (strips, cost) }
    }
    let down = count / across
    let band = Self.share(part / across, of: down, tiles.rows, Self.tile.rows, rows)
    let strip = Self.share(part % across, of: across, tiles.columns, Self.tile.columns, columns)
    guard !band.isEmpty, !strip.isEmpty else { return }
    Kernels.multiply(
      left.from(band.lowerBound, 0), right.from(0, strip.lowerBound),
      bias: bias.map { $0 + strip.lowerBound },
      into: result + (band.lowerBound * columns + strip.lowerBound), rowsApart: columns,
      rows: band.count, columns: strip.count, inner: inner)
  }

  private static func share(
    _ part: Int, of count: Int, _ tiles: Int, _ size: Int, _ extent: Int
  ) -> Range<Int> {
    min(extent, part * tiles / count * size)..<min(extent, (part + 1) * tiles / count * size)
  }

  /// The number of multiplications.
  var work: Int { rows * columns * inner }
}
