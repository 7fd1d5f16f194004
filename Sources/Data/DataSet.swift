public import TinctureTensors

/// Examples with named columns, read by ranges.
///
/// Opening a data set reads its description alone; examples are read when they are asked for, so memory
/// is bounded by the size of a batch, not of the data set. Reading changes nothing, and any number of
/// tasks may read at once.
///
/// A type that conforms says what there is in `columns` and reads one range of one column; everything else
/// comes from extensions.
public protocol DataSet: Sendable {
  /// Where the data comes from, as the user named it.
  var source: String { get }
  /// The number of examples.
  var count: Int { get }
  /// The columns, in the order of the source.
  var columns: [DataColumn] { get }

  /// Reads a range of examples of a column.
  ///
  /// - Parameters:
  ///   - column: The name of the column.
  ///   - range: The examples, within 0 to `count`.
  /// - Returns: One value for each example.
  /// - Throws: `data` when there is no such column or it is malformed, with file and place; `io` when
  ///   reading fails.
  func read(_ column: String, _ range: Range<Int>) throws(TinctureError) -> ColumnValues
}

/// What a column of a data set holds.
public struct DataColumn: Sendable, Hashable {
  /// The kind of a column's values.
  public enum Content: Sendable, Hashable {
    /// Numbers: for each example an array of these extents, a single number if there are none.
    case numbers(DType, extents: [Int])
    /// A text for each example.
    case text
    /// A picture for each example, of any size.
    case images
  }

  /// The name.
  public let name: String
  /// The kind of the values.
  public let content: Content

  /// Describes a column.
  public init(_ name: String, _ content: Content) {
    self.name = name
    self.content = content
  }
}

/// Values of one column, one for each example that was asked for.
public enum ColumnValues: Sendable {
  /// Arrays of numbers.
  case numbers(NumberBlock)
  /// Texts.
  case text([String])
  /// Pictures.
  case images([PixelImage])

  /// The number of examples.
  public var count: Int {
    switch self {
    case .numbers(let block): block.count
    case .text(let texts): texts.count
    case .images(let images): images.count
    }
  }
}

extension DataSet {
  /// The column of a name.
  ///
  /// - Throws: `data` with the names that there are.
  public func column(named name: String) throws(TinctureError) -> DataColumn {
    if let column = columns.first(where: { $0.name == name }) { return column }
    let names = columns.map { "\"\($0.name)\"" }.joined(separator: ", ")
    throw TinctureError(
      .data, "There is no column \"\(name)\"; there are \(names.isEmpty ? "none" : names).",
      at: .init(file: source))
  }

  /// Reads examples in any order, with as few reads as their order allows.
  ///
  /// - Parameters:
  ///   - column: The name of the column.
  ///   - indices: The examples; each within 0 to `count`, repeated or not.
  /// - Returns: One value for each index, in that order.
  /// - Throws: As `read(_:_:)`.
  public func read(_ column: String, at indices: [Int]) throws(TinctureError) -> ColumnValues {
    let content = try self.column(named: column).content
    var parts: [ColumnValues] = []
    var start = 0
    while start < indices.count {
      var end = start + 1
      while end < indices.count, indices[end] == indices[end - 1] + 1 { end += 1 }
      parts.append(try read(column, indices[start]..<indices[end - 1] + 1))
      start = end
    }
    return ColumnValues(joining: parts, of: content)
  }

  /// The failure of a column that holds something else.
  func mismatch(_ column: DataColumn, wanted: String) -> TinctureError {
    let held =
      switch column.content {
      case .numbers(let dtype, let extents): "\(dtype.rawValue) numbers of extents \(extents)"
      case .text: "text"
      case .images: "images"
      }
    return TinctureError(
      .data, "The column \"\(column.name)\" holds \(held), not \(wanted); name another column.",
      at: .init(file: source))
  }

  func check(_ range: Range<Int>) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count,
      "The examples \(range) are not among the \(count) of \(source).")
  }
}

extension ColumnValues {
  /// Puts parts of one column together.
  init(joining parts: [ColumnValues], of content: DataColumn.Content) {
    var blocks: [NumberBlock] = []
    var texts: [String] = []
    var images: [PixelImage] = []
    for part in parts {
      switch part {
      case .numbers(let block): blocks.append(block)
      case .text(let some): texts += some
      case .images(let some): images += some
      }
    }
    switch content {
    case .numbers(let dtype, let extents):
      self = .numbers(NumberBlock(joining: blocks, dtype: dtype, extents: extents))
    case .text: self = .text(texts)
    case .images: self = .images(images)
    }
  }
}
