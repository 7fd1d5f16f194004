public import TinctureTensors

extension RunLengthMask {
  /// Reads COCO's compressed runs.
  ///
  /// Each length is written in groups of five bits, lowest first, as the characters from "0" on, where 32
  /// is added to all groups but the last; bit 16 of the last is the sign. From the fourth length on the
  /// difference to the length two before is written.
  ///
  /// - Parameters:
  ///   - height: The number of rows of the image.
  ///   - width: The number of columns of the image.
  ///   - text: The compressed runs.
  /// - Throws: `data` when a character is out of range, the text ends within a number, or the lengths do
  ///   not add up to height × width.
  public init(height: Int, width: Int, compressed text: String) throws(TinctureError) {
    var runs: [Int] = []
    var value = 0
    var shift = 0
    for (index, byte) in text.utf8.enumerated() {
      guard (48..<112).contains(byte), shift < 60 else {
        throw TinctureError(
          .data,
          "Character \(index + 1) of the runs of a mask is no part of COCO's compressed form; check"
            + " that backslashes were unescaped.")
      }
      let group = Int(byte) - 48
      value |= (group & 31) << shift
      shift += 5
      guard group & 32 == 0 else { continue }
      if group & 16 != 0 { value |= -1 << shift }
      if runs.count > 2 {
        let (sum, overflow) = value.addingReportingOverflow(runs[runs.count - 2])
        value = overflow ? -1 : sum
      }
      runs.append(value)
      value = 0
      shift = 0
    }
    guard shift == 0 else {
      throw TinctureError(
        .data, "The compressed runs of a mask end within a number; the text was cut.")
    }
    try self.init(height: height, width: width, runs: runs)
  }

  /// Fills polygons, as COCO's tools do.
  ///
  /// The outline is traced on a grid five times finer; where it crosses the middle of a column of pixels
  /// decides how far the column is filled. Pixels inside at least one polygon are inside.
  ///
  /// - Parameters:
  ///   - height: The number of rows of the image.
  ///   - width: The number of columns of the image.
  ///   - polygons: The corners of each polygon: x, y, x, y, ….
  /// - Throws: `data` when a polygon has fewer than three corners, half a corner, or a corner that is far
  ///   outside or not a number.
  /// - Complexity: O(n log n) in the length of the outlines.
  public init(height: Int, width: Int, polygons: [[Double]]) throws(TinctureError) {
    guard (0...1 << 20).contains(height), (0...1 << 20).contains(width) else {
      throw TinctureError(.data, "Polygons are not filled in \(height) × \(width) pixels.")
    }
    var masks: [RunLengthMask] = []
    for polygon in polygons {
      guard polygon.count >= 6, polygon.count.isMultiple(of: 2),
        polygon.allSatisfy({ $0.magnitude <= 0x1p21 })
      else {
        throw TinctureError(
          .data,
          "A polygon of \(polygon.count) coordinates is not filled; it needs x and y of at least three"
            + " corners that are numbers.")
      }
      masks.append(
        try RunLengthMask(
          height: height, width: width,
          runs: PolygonOutline(polygon).runs(height: height, width: width)))
    }
    try self.init(height: height, width: width, uniting: masks)
  }
}

/// The outline of a polygon on a grid five times finer than the pixels.
private struct PolygonOutline {
  private static let scale = 5.0
  private var points: [(x: Int, y: Int)] = []

  init(_ polygon: [Double]) {
    var corners = stride(from: 0, to: polygon.count, by: 2).map {
      (x: Int(Self.scale * polygon[$0] + 0.5), y: Int(Self.scale * polygon[$0 + 1] + 0.5))
    }
    corners.append(corners[0])
    for index in 1..<corners.count { trace(from: corners[index - 1], to: corners[index]) }
  }

  private mutating func trace(from first: (x: Int, y: Int), to last: (x: Int, y: Int)) {
    let across = abs(last.x - first.x)
    let down = abs(last.y - first.y)
    let isFlat = across >= down
    let isReversed = isFlat ? first.x > last.x : first.y > last.y
    let (start, end) = isReversed ? (last, first) : (first, last)
    let length = max(across, down)
    let slope =
      length == 0 ? 0 : Double(isFlat ? end.y - start.y : end.x - start.x) / Double(length)
    for step in 0...length {
      let t = isReversed ? length - step : step
      if isFlat {
        points.append((t + start.x, Int(Double(start.y) + slope * Double(t) + 0.5)))
      } else {
        points.append((Int(Double(start.x) + slope * Double(t) + 0.5), t + start.y))
      }
    }
  }

  /// The runs of the pixels inside.
  func runs(height: Int, width: Int) -> [Int] {
    var crossings: [Int] = []
    for index in 1..<points.count where points[index].x != points[index - 1].x {
      let (before, after) = (points[index - 1], points[index])
      let column = (Double(after.x < before.x ? after.x : after.x - 1) + 0.5) / Self.scale - 0.5
      guard column.rounded(.down) == column, column >= 0, column <= Double(width - 1) else {
        continue
      }
      let row = (Double(min(after.y, before.y)) + 0.5) / Self.scale - 0.5
      crossings.append(
        Int(column) * height + Int(min(Double(height), max(0, row)).rounded(.up)))
    }
    crossings.append(height * width)
    crossings.sort()
    var runs: [Int] = []
    var previous = 0
    var isJoining = false
    for crossing in crossings {
      let run = crossing - previous
      previous = crossing
      if isJoining {
        runs[runs.count - 1] += run
        isJoining = false
      } else if run > 0 || runs.isEmpty {
        runs.append(run)
      } else {
        isJoining = true
      }
    }
    return runs
  }
}
