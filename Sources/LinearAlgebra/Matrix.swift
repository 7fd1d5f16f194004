internal import TinctureTensors

/// A matrix of numbers that owns its memory, row after row.
///
/// A value: copies share memory until one of them changes. Rows follow each other without gaps, as
/// they do in a checkpoint, in memory that is aligned to 64 bytes, so that results of libraries do
/// not depend on where a matrix happens to lie.
///
/// `@unchecked Sendable`: the memory changes only here and only while this value holds the one
/// reference to it (`makeUnique`), so nobody else can read it meanwhile.
public struct Matrix<Element: MatrixElement>: @unchecked Sendable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  private var storage: MatrixStorage<Element>
  // The storage's memory, again: looking into the class for a span crashes the optimiser of Swift
  // 6.3.1.
  @usableFromInline private(set) var start: UnsafeMutablePointer<Element>

  /// Creates a matrix of zeros.
  ///
  /// - Parameters:
  ///   - rows: The number of rows, zero or more.
  ///   - columns: The number of columns, zero or more.
  /// - Complexity: O(rows · columns).
  public init(rows: Int, columns: Int) {
    self.init(uninitialisedRows: rows, columns: columns)
    let byteCount = count * MemoryLayout<Element>.stride
    // Zero is zero bytes in every type; as bytes it is quick without knowing which type it is.
    write { elements in
      UnsafeMutableRawPointer(elements).withMemoryRebound(to: UInt8.self, capacity: byteCount) {
        $0.update(repeating: 0, count: byteCount)
      }
    }
  }

  /// Creates a matrix from its elements, row after row.
  ///
  /// - Parameters:
  ///   - rows: The number of rows.
  ///   - columns: The number of columns.
  ///   - elements: As many elements as the matrix has.
  public init(rows: Int, columns: Int, _ elements: some Collection<Element>) {
    self.init(uninitialisedRows: rows, columns: columns)
    precondition(
      elements.count == count,
      "A \(rows) × \(columns) matrix has \(rows * columns) elements, not \(elements.count).")
    write { target in
      let copied: Void? = elements.withContiguousStorageIfAvailable { source in
        if let base = source.baseAddress { target.update(from: base, count: source.count) }
      }
      if copied == nil {
        for (i, element) in elements.enumerated() { target[i] = element }
      }
    }
  }

  /// Creates a matrix from a span of its elements, row after row.
  ///
  /// - Parameters:
  ///   - rows: The number of rows.
  ///   - columns: The number of columns.
  ///   - elements: As many elements as the matrix has.
  public init(rows: Int, columns: Int, copying elements: Span<Element>) {
    self.init(uninitialisedRows: rows, columns: columns)
    precondition(
      elements.count == count,
      "A \(rows) × \(columns) matrix has \(rows * columns) elements, not \(elements.count).")
    write { target in
      elements.withUnsafeBufferPointer { source in
        if let base = source.baseAddress { target.update(from: base, count: source.count) }
      }
    }
  }

  /// Creates a matrix whose elements are written before they are read.
  init(uninitialisedRows rows: Int, columns: Int) {
    precondition(
      rows >= 0 && columns >= 0, "A matrix cannot have \(rows) rows and \(columns) columns.")
    self.rows = rows
    self.columns = columns
    storage = MatrixStorage(count: rows * columns)
    start = storage.pointer
  }

  /// The number of elements.
  public var count: Int { rows * columns }

  /// The smaller of the two extents, which bounds the rank.
  public var smallerExtent: Int { min(rows, columns) }
  /// The side whose inner products make the smaller matrix.
  public var shorterSide: GramSide { rows <= columns ? .rows : .columns }

  /// The element of a row and a column, both counted from zero.
  @inlinable public subscript(row: Int, column: Int) -> Element {
    get {
      precondition(contains(row, column), "There is no element there.")
      return start[row * columns + column]
    }
    set {
      precondition(contains(row, column), "There is no element there.")
      makeUnique()
      start[row * columns + column] = newValue
    }
  }

  /// All elements, row after row.
  public var elements: Span<Element> {
    @_lifetime(borrow self) get {
      let span = Span<Element>(_unsafeStart: start, count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// The elements of one row.
  ///
  /// - Parameter index: The row, counted from zero.
  /// - Returns: Its elements.
  @_lifetime(borrow self)
  public func row(_ index: Int) -> Span<Element> {
    precondition((0..<rows).contains(index), "A matrix of \(rows) rows has no row \(index).")
    let span = Span<Element>(_unsafeStart: start + index * columns, count: columns)
    return _overrideLifetime(span, borrowing: self)
  }

  /// All elements, row after row, as an array.
  ///
  /// - Complexity: O(rows · columns).
  public var array: [Element] {
    read { [Element](UnsafeBufferPointer(start: $0, count: count)) }
  }

  /// Changes elements in place.
  ///
  /// - Parameter body: Receives all elements, row after row.
  /// - Returns: What `body` returns.
  public mutating func change<Result>(_ body: (inout MutableSpan<Element>) -> Result) -> Result {
    makeUnique()
    var span = MutableSpan<Element>(_unsafeStart: start, count: count)
    return body(&span)
  }

  /// Takes memory of its own if the memory is shared.
  @usableFromInline mutating func makeUnique() {
    if !isKnownUniquelyReferenced(&storage) {
      storage = MatrixStorage(copying: storage)
      start = storage.pointer
    }
  }

  /// Lends the memory to a routine that reads it.
  func read<Result>(_ body: (UnsafePointer<Element>) -> Result) -> Result {
    withExtendedLifetime(storage) { body(UnsafePointer(start)) }
  }

  /// Lends the memory to a routine that changes it, once nobody else holds it.
  mutating func write<Result>(_ body: (UnsafeMutablePointer<Element>) -> Result) -> Result {
    makeUnique()
    return withExtendedLifetime(storage) { body(start) }
  }

  @usableFromInline func contains(_ row: Int, _ column: Int) -> Bool {
    row >= 0 && row < rows && column >= 0 && column < columns
  }
}

/// The memory of a matrix.
private final class MatrixStorage<Element: MatrixElement> {
  let pointer: UnsafeMutablePointer<Element>
  let count: Int

  init(count: Int) {
    self.count = count
    let size = Self.size(count)
    let memory =
      size < LargeBlocks.leastSize
      ? UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64) : LargeBlocks.take(size)
    pointer = memory.bindMemory(to: Element.self, capacity: max(1, count))
  }

  convenience init(copying other: MatrixStorage) {
    self.init(count: other.count)
    pointer.update(from: other.pointer, count: count)
  }

  deinit {
    let (memory, size) = (UnsafeMutableRawPointer(pointer), Self.size(count))
    if size < LargeBlocks.leastSize { memory.deallocate() } else { LargeBlocks.free(memory, size) }
  }

  private static func size(_ count: Int) -> Int { max(64, count * MemoryLayout<Element>.stride) }
}

extension Matrix: Equatable {
  /// Whether extents and all elements are equal; NaN equals nothing.
  public static func == (a: Matrix, b: Matrix) -> Bool {
    guard a.rows == b.rows, a.columns == b.columns else { return false }
    return a.read { x in b.read { y in Loops.areEqual(x, y, a.count) } }
  }
}

extension Matrix: CustomStringConvertible {
  /// The extents and the type: `3 × 4 matrix of Float`.
  public var description: String { "\(rows) × \(columns) matrix of \(Element.self)" }
}
