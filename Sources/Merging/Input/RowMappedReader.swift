internal import Synchronization
public import TinctureCheckpoints
public import TinctureSafetensors
public import TinctureTensors

/// A token embedding with its rows brought into the order of another vocabulary.
///
/// Rows come from the model itself, from another model, from the mean of several, or are zero; padding
/// rows are the mean of all others.
public struct RowMappedReader: TensorReader {
  private let own: any TensorReader
  private let donors: [(any TensorReader)?]
  private let map: RowMap
  private let padding: PaddingRow
  /// The extents, with the rows of the new vocabulary.
  public let shape: Shape

  /// Creates a reader, or returns nil when the embedding has no rows and columns.
  ///
  /// - Parameters:
  ///   - own: The model's embedding.
  ///   - map: Where each row comes from.
  ///   - donors: The embeddings of all models, in the numbering of the map; nil where a model has none.
  public init?(_ own: any TensorReader, map: RowMap, donors: [(any TensorReader)?]) {
    guard own.shape.rank >= 1,
      let shape = Shape([map.count] + own.shape.extents.dropFirst())
    else { return nil }
    self.own = own
    self.donors = donors
    self.map = map
    self.shape = shape
    padding = PaddingRow()
  }

  /// The type of the model's own elements.
  public var dtype: DType { own.dtype }
  /// The model's embedding.
  public var place: TinctureError.Place { own.place }
  /// None: rows are gathered.
  public var storedRange: (file: InputFile, offset: Int)? { nil }
  /// Two rows.
  public var workingBytes: Int { width * 12 }

  private var width: Int { shape.extents.dropFirst().reduce(1, *) }

  /// Reads elements as floats.
  public func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    let width = max(1, width)
    var largest: UInt32 = 0
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / width
      let first = position % width
      var count = min(width - first, range.upperBound - position)
      let start = position - range.lowerBound
      switch map[row] {
      case .own(let source):
        // Neighbouring rows that stay neighbours are read together.
        var next = row + 1
        while position + count < range.upperBound, next < map.count,
          case .own(source + (next - row)) = map[next]
        {
          count += min(width, range.upperBound - position - count)
          next += 1
        }
        var target = output._mutatingExtracting(start..<start + count)
        let begin = source * width + first
        largest = max(
          largest, try own.read(begin..<begin + count, into: &target, window: window))
      case .meanOfAll:
        let mean = try padding.value { () throws(TinctureError) in try meanRow(window) }
        for index in 0..<count { output[start + index] = mean[first + index] }
      case let source:
        let values = try Self.row(source, columns: first..<first + count, width, donors, window)
        for index in 0..<count {
          output[start + index] = values[index]
          largest = max(largest, values[index].magnitude.bitPattern)
        }
      }
      position += count
    }
    return largest
  }

  private static func row(
    _ source: RowMap.Source, columns: Range<Int>, _ width: Int, _ donors: [(any TensorReader)?],
    _ window: ReadWindow
  ) throws(TinctureError) -> ContiguousArray<Float> {
    var parts: [RowMap.Donor] = []
    switch source {
    case .model(let model, let row): parts = [RowMap.Donor(model: model, row: row)]
    case .mean(let donors): parts = donors
    case .zero, .own, .meanOfAll: break
    }
    var sum = ContiguousArray<Float>(repeating: 0, count: columns.count)
    for part in parts {
      guard let donor = donors[part.model] else { continue }
      let values = try read(
        donor, part.row * width + columns.lowerBound, count: columns.count, window)
      for index in sum.indices { sum[index] += values[index] }
    }
    if parts.count > 1 { for index in sum.indices { sum[index] /= Float(parts.count) } }
    return sum
  }

  private static func read(
    _ reader: any TensorReader, _ start: Int, count: Int, _ window: ReadWindow
  ) throws(TinctureError) -> ContiguousArray<Float> {
    var values = ContiguousArray<Float>(repeating: 0, count: count)
    var span = values.mutableSpan
    _ = try reader.read(start..<start + count, into: &span, window: window)
    return values
  }

  // The mean over all rows that are no padding, in double precision, row by row.
  private func meanRow(_ window: ReadWindow) throws(TinctureError) -> ContiguousArray<Float> {
    var sum = [Double](repeating: 0, count: width)
    var rows = 0
    for row in 0..<map.count {
      if case .meanOfAll = map[row] { continue }
      rows += 1
      let values: ContiguousArray<Float>
      if case .own(let source) = map[row] {
        values = try Self.read(own, source * width, count: width, window)
      } else {
        values = try Self.row(map[row], columns: 0..<width, width, donors, window)
      }
      for index in sum.indices { sum[index] += Double(values[index]) }
    }
    return ContiguousArray(sum.map { Float($0 / Double(max(1, rows))) })
  }
}

/// The padding row of one embedding, worked out once.
private final class PaddingRow: Sendable {
  private let stored = Mutex<ContiguousArray<Float>?>(nil)

  func value(_ make: () throws(TinctureError) -> ContiguousArray<Float>) throws(TinctureError)
    -> ContiguousArray<Float>
  {
    if let known = stored.withLock({ $0 }) { return known }
    let made = try make()
    stored.withLock { $0 = made }
    return made
  }
}
