public import TinctureTensors

/// The pixels of an object as lengths of runs, column by column, first of pixels outside.
///
/// This is COCO's form: runs alternate between outside and inside and add up to height × width.
public struct RunLengthMask: Sendable, Hashable {
  /// The number of rows of the image.
  public let height: Int
  /// The number of columns of the image.
  public let width: Int
  /// The lengths of the runs, of pixels outside and inside in turn.
  public let runs: [Int]

  /// Creates a mask from the lengths of its runs.
  ///
  /// - Parameters:
  ///   - height: The number of rows of the image.
  ///   - width: The number of columns of the image.
  ///   - runs: The lengths, of pixels outside and inside in turn.
  /// - Throws: `data` when a length is negative or they do not add up to height × width.
  public init(height: Int, width: Int, runs: [Int]) throws(TinctureError) {
    guard height >= 0, width >= 0,
      case let (pixels, overflow) = height.multipliedReportingOverflow(by: width), !overflow
    else {
      throw TinctureError(.data, "A mask cannot have \(height) × \(width) pixels.")
    }
    var rest = pixels
    for run in runs {
      guard (0...rest).contains(run) else {
        throw TinctureError(
          .data,
          "The runs of a mask of \(height) × \(width) pixels hold \(run), which is negative or more"
            + " than is left.")
      }
      rest -= run
    }
    guard rest == 0 else {
      throw TinctureError(
        .data,
        "The runs of a mask leave \(rest) of its \(height) × \(width) pixels out; check its height"
          + " and width.")
    }
    self.height = height
    self.width = width
    self.runs = runs
  }

  /// Creates a mask from its pixels, row by row.
  ///
  /// - Parameters:
  ///   - height: The number of rows.
  ///   - width: The number of columns.
  ///   - pixels: Whether each pixel is inside.
  /// - Complexity: O(height × width).
  public init(height: Int, width: Int, pixels: [Bool]) {
    precondition(
      height >= 0 && width >= 0 && pixels.count == height * width,
      "A mask of \(height) × \(width) cannot have \(pixels.count) pixels.")
    var runs: [Int] = []
    var isInside = false
    var run = 0
    for column in 0..<width {
      for row in 0..<height {
        if pixels[row * width + column] != isInside {
          runs.append(run)
          run = 0
          isInside.toggle()
        }
        run += 1
      }
    }
    runs.append(run)
    self.height = height
    self.width = width
    self.runs = runs
  }

  /// The number of pixels inside.
  public var area: Int {
    stride(from: 1, to: runs.count, by: 2).reduce(0) { $0 + runs[$1] }
  }

  /// The ranges of pixels inside, column by column.
  var inside: [Range<Int>] {
    var ranges: [Range<Int>] = []
    var position = 0
    for (index, run) in runs.enumerated() {
      if index % 2 == 1, run > 0 { ranges.append(position..<position + run) }
      position += run
    }
    return ranges
  }

  /// The number of pixels that are inside both masks, which have the same extents.
  ///
  /// - Complexity: O(number of runs).
  func intersection(with other: RunLengthMask) -> Int {
    let first = inside
    let second = other.inside
    var count = 0
    var i = 0
    var j = 0
    while i < first.count, j < second.count {
      let start = max(first[i].lowerBound, second[j].lowerBound)
      let end = min(first[i].upperBound, second[j].upperBound)
      count += max(0, end - start)
      if first[i].upperBound < second[j].upperBound { i += 1 } else { j += 1 }
    }
    return count
  }

  /// The share of the union that two masks of one image have in common.
  ///
  /// - Parameters:
  ///   - annotation: The other mask.
  ///   - isCrowd: Whether the other mask holds many objects; the share is then that of this mask alone.
  /// - Returns: A number from 0 to 1; 0 when both are empty.
  public func overlap(with annotation: RunLengthMask, isCrowd: Bool = false) -> Double {
    let both = intersection(with: annotation)
    guard both > 0 else { return 0 }
    return Double(both) / Double(isCrowd ? area : area + annotation.area - both)
  }

  /// The pixels that are inside at least one of some masks of one image.
  ///
  /// - Parameters:
  ///   - height: The number of rows of the image.
  ///   - width: The number of columns of the image.
  ///   - masks: The masks.
  /// - Throws: `data` when a mask has other extents.
  /// - Complexity: O(n log n) in the number of runs.
  public init(
    height: Int, width: Int, uniting masks: [RunLengthMask]
  ) throws(TinctureError) {
    for mask in masks where mask.height != height || mask.width != width {
      throw TinctureError(
        .data,
        "A mask of \(mask.height) × \(mask.width) pixels cannot be united with those of an image of"
          + " \(height) × \(width).")
    }
    var runs: [Int] = []
    var position = 0
    var end = 0
    for range in masks.flatMap(\.inside).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > end || runs.isEmpty {
        if !runs.isEmpty { runs.append(end - position) }
        runs.append(range.lowerBound - end)
        position = range.lowerBound
        end = range.upperBound
      } else {
        end = max(end, range.upperBound)
      }
    }
    if !runs.isEmpty { runs.append(end - position) }
    try self.init(height: height, width: width, runs: runs + [height * width - end])
  }
}
