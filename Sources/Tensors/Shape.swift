/// The extents of a tensor, outermost first; an empty list is a single number.
public struct Shape: Sendable, Hashable {
  /// The extents, each at least zero.
  public let extents: [Int]
  /// The number of elements.
  public let elementCount: Int

  /// Creates a shape, or returns nil when an extent is negative or the element count overflows.
  public init?(_ extents: [Int]) {
    var count = 1
    for extent in extents {
      guard extent >= 0 else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      count = product
    }
    self.extents = extents
    elementCount = count
  }

  /// A list of `count` numbers.
  public init(vector count: Int) {
    precondition(count >= 0, "A vector cannot have \(count) elements.")
    extents = [count]
    elementCount = count
  }

  /// A matrix, whose number of elements must be a number.
  public init(rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0, "A matrix cannot be \(rows) × \(columns).")
    extents = [rows, columns]
    elementCount = rows * columns
  }

  /// The number of axes.
  public var rank: Int { extents.count }

  /// The extent of the last axis, one for a single number.
  public var rowLength: Int { extents.last ?? 1 }

  /// The number of slices along the last axis.
  public var rowCount: Int {
    let length = rowLength
    return length == 0 ? 0 : elementCount / length
  }

  /// The number of bytes that a contiguous tensor of this shape takes, or nil when it overflows or
  /// does not end on a byte.
  public func byteCount(of dtype: DType) -> Int? {
    let (bits, overflow) = elementCount.multipliedReportingOverflow(by: dtype.bitWidth)
    guard !overflow, bits % 8 == 0 else { return nil }
    return bits / 8
  }
}

extension Shape: CustomStringConvertible {
  /// The extents in brackets: `[4096, 11008]`.
  public var description: String {
    "[" + extents.map(String.init).joined(separator: ", ") + "]"
  }
}
