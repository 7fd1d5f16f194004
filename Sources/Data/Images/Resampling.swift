/// Resizing of pictures by bicubic filters, with the rounding of Pillow.
///
/// Where a picture shrinks the filter widens in proportion, which averages instead of dropping pixels
/// (antialiasing). Rows are filtered before columns, with weights of 22 fractional bits, and rounded to
/// bytes in between, so that results equal those of `Image.resize(…, BICUBIC)` of Pillow 11 bit by bit.
/// (Pillow 13 sometimes filters columns first, which changes bytes by at most one.) The filter is Keys'
/// with a = −1/2. Source: Pillow, "Resample"; Keys, IEEE ASSP 29 (1981).
enum Resampling {
  private static let precision = 32 - 8 - 2

  /// The weights of the pixels that make each new pixel of an axis.
  private struct Weights {
    /// For each new pixel the first old one.
    var starts: [Int] = []
    /// For each new pixel where its weights begin in `values`, and at last where all end.
    var bounds: [Int] = [0]
    /// The weights.
    var values: [Int32] = []

    /// The old pixels that are needed.
    var needed: Range<Int> {
      guard let first = starts.first, let last = starts.last else { return 0..<0 }
      return first..<last + (bounds[starts.count] - bounds[starts.count - 1])
    }

    /// The weights of some of the `new` pixels that are made of `old` ones.
    init(from old: Int, to new: Int, only range: Range<Int>) {
      if old == new {
        starts = Array(range)
        bounds = Array(0...range.count)
        values = [Int32](repeating: 1 << Int32(Resampling.precision), count: range.count)
        return
      }
      let scale = Double(old) / Double(new)
      let filterScale = max(scale, 1)
      let support = 2 * filterScale
      let inverse = 1 / filterScale
      for pixel in range {
        let centre = (Double(pixel) + 0.5) * scale
        let start = max(0, Int(centre - support + 0.5))
        let end = min(old, Int(centre + support + 0.5))
        var weights = (start..<end).map {
          Resampling.bicubic((Double($0) - centre + 0.5) * inverse)
        }
        let sum = weights.reduce(0, +)
        if sum != 0 { for index in weights.indices { weights[index] /= sum } }
        starts.append(start)
        values += weights.map {
          Int32(($0 < 0 ? -0.5 : 0.5) + $0 * Double(1 << Resampling.precision))
        }
        bounds.append(values.count)
      }
    }
  }

  private static func bicubic(_ position: Double) -> Double {
    let a = -0.5
    let x = position.magnitude
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }

  /// A part of the picture with other extents.
  ///
  /// Only the pixels that the part needs are filtered, so that memory is bounded by the part even where
  /// the whole would be huge.
  ///
  /// - Parameters:
  ///   - image: The picture, without alpha.
  ///   - width: The number of columns of the whole, at least 1.
  ///   - height: The number of rows of the whole, at least 1.
  ///   - columns: The columns that are wanted.
  ///   - rows: The rows that are wanted.
  /// - Returns: The wanted pixels; an axis that keeps its extent is not filtered.
  /// - Complexity: O(wanted columns · needed rows + wanted pixels), times the filter's width.
  static func bicubic(
    _ image: PixelImage, width: Int, height: Int, columns: Range<Int>, rows: Range<Int>
  ) -> PixelImage {
    let across = Weights(from: image.width, to: width, only: columns)
    let down = Weights(from: image.height, to: height, only: rows)
    let needed = down.needed
    let length = columns.count * image.channels
    let narrow = filterRows(image, across, rows: needed)
    return PixelImage(
      width: columns.count, height: rows.count, channels: image.channels,
      bytes: filterColumns(narrow, down, from: needed.lowerBound, length: length))
  }

  private static func filterRows(
    _ image: PixelImage, _ weights: Weights, rows: Range<Int>
  ) -> [UInt8] {
    let channels = image.channels
    let new = weights.starts.count
    let source = image.bytes
    var output = [UInt8](repeating: 0, count: new * rows.count * channels)
    for row in rows {
      for pixel in 0..<new {
        let bounds = weights.bounds[pixel]..<weights.bounds[pixel + 1]
        let start = (row * image.width + weights.starts[pixel]) * channels
        let target = ((row - rows.lowerBound) * new + pixel) * channels
        for channel in 0..<channels {
          var sum = Int32(1) << Int32(precision - 1)
          var position = start + channel
          for index in bounds {
            sum &+= Int32(source[position]) &* weights.values[index]
            position += channels
          }
          output[target + channel] = byte(sum)
        }
      }
    }
    return output
  }

  private static func filterColumns(
    _ source: [UInt8], _ weights: Weights, from first: Int, length: Int
  ) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: length * weights.starts.count)
    var sums = [Int32](repeating: 0, count: length)
    for row in weights.starts.indices {
      for index in sums.indices { sums[index] = Int32(1) << Int32(precision - 1) }
      var position = (weights.starts[row] - first) * length
      for weight in weights.bounds[row]..<weights.bounds[row + 1] {
        let value = weights.values[weight]
        for index in 0..<length { sums[index] &+= Int32(source[position + index]) &* value }
        position += length
      }
      for index in 0..<length { output[row * length + index] = byte(sums[index]) }
    }
    return output
  }

  private static func byte(_ sum: Int32) -> UInt8 {
    UInt8(clamping: sum >> Int32(precision))
  }
}
