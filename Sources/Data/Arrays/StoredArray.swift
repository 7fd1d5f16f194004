internal import SystemPackage
internal import TinctureSafetensors
internal import TinctureTensors

/// An array in a file whose first axis counts examples, read by ranges of examples.
struct StoredArray: Sendable {
  /// The open file, which may be a temporary one that holds what was compressed.
  let file: InputFile
  /// The file as the user named it.
  let source: String
  /// The name of the column.
  let name: String
  /// The type of the numbers, of whole bytes.
  let dtype: DType
  /// The number of examples.
  let count: Int
  /// The extents of one example.
  let extents: [Int]
  /// The position of the first number in the file.
  let offset: Int
  /// Whether the highest byte comes first.
  let isBigEndian: Bool
  /// Whether the first axis is the fastest.
  let isFortranOrder: Bool

  /// Describes an array after checking that the file holds all of it.
  ///
  /// - Throws: `data` when it has no first axis, its type shares bytes, or it is not within the file.
  init(
    file: InputFile, source: String, name: String, dtype: DType, extents: [Int], offset: Int,
    isBigEndian: Bool = false, isFortranOrder: Bool = false
  ) throws(TinctureError) {
    let place = TinctureError.Place(file: source, byteOffset: offset, tensor: name)
    guard let first = extents.first else {
      throw TinctureError(
        .data, "A single number is no column; a column's first extent is the number of examples.",
        at: place)
    }
    guard let width = dtype.byteWidth, dtype != .c64 else {
      throw TinctureError(
        .data, "Numbers of the type \(dtype.rawValue) cannot be a column; convert them.", at: place)
    }
    guard !extents.dropFirst().contains(0) else {
      throw TinctureError(
        .data, "The examples of an array of \(extents) hold nothing; leave it out.", at: place)
    }
    guard let size = Shape(extents)?.byteCount(of: dtype) else {
      throw TinctureError(
        .data, "The number of bytes of an array of \(extents) \(dtype.rawValue) overflows.",
        at: place)
    }
    guard offset >= 0, offset <= file.size, size <= file.size - offset else {
      throw TinctureError(
        .data,
        "An array of \(extents) \(dtype.rawValue) needs \(size) bytes, but \(file.size - offset)"
          + " follow its header; the file is truncated, so copy or download it again.", at: place)
    }
    self.file = file
    self.source = source
    self.name = name
    self.dtype = dtype
    count = first
    self.extents = Array(extents.dropFirst())
    self.offset = offset
    self.isBigEndian = isBigEndian && width > 1
    self.isFortranOrder = isFortranOrder && extents.count > 1
  }

  /// The column that the array is.
  var column: DataColumn { DataColumn(name, .numbers(dtype, extents: extents)) }

  /// Reads examples, last axis fastest and lowest byte first.
  ///
  /// - Throws: `io` when reading fails.
  /// - Complexity: One read, and in Fortran order one for each number of an example.
  func read(_ range: Range<Int>) throws(TinctureError) -> NumberBlock {
    let width = dtype.byteWidth ?? 1
    let size = extents.reduce(1, *)
    var bytes: [UInt8]
    do throws(TinctureError) {
      if isFortranOrder {
        bytes = try readColumns(range, width: width, size: size)
      } else {
        bytes = try file.bytes(
          at: offset + range.lowerBound * size * width, count: range.count * size * width)
      }
    } catch {
      var error = error
      error.place.file = source
      throw error
    }
    if isBigEndian {
      for start in stride(from: 0, to: bytes.count, by: width) {
        bytes[start..<start + width].reverse()
      }
    }
    return NumberBlock(dtype: dtype, extents: extents, count: range.count, bytes: bytes)
  }

  /// Reads an array whose first axis is the fastest.
  private func readColumns(
    _ range: Range<Int>, width: Int, size: Int
  ) throws(TinctureError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: range.count * size * width)
    // Indices of the numbers of one example, first axis fastest as stored.
    var index = [Int](repeating: 0, count: extents.count)
    for stored in 0..<size {
      let position = zip(index, extents).reduce(0) { $0 * $1.1 + $1.0 }
      let run = try file.bytes(
        at: offset + (stored * count + range.lowerBound) * width, count: range.count * width)
      for example in 0..<range.count {
        for byte in 0..<width {
          result[(example * size + position) * width + byte] = run[example * width + byte]
        }
      }
      for axis in index.indices {
        index[axis] += 1
        if index[axis] < extents[axis] { break }
        index[axis] = 0
      }
    }
    return result
  }
}
