public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

extension ArrayDataSet {
  /// Opens an IDX file as one column, the format of MNIST and its family, plain or packed by gzip.
  ///
  /// Two zeros, a byte for the type, a byte for the number of axes, the extents in four bytes each, and
  /// the numbers; the highest byte comes first. What is packed is unpacked into a temporary file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - name: The name of the column.
  /// - Returns: The data set.
  /// - Throws: `missingInput` when the file cannot be opened, `data` when it is malformed,
  ///   `missingFacility` without zlib when it is packed.
  public static func idx(
    _ path: FilePath, column name: String
  ) throws(TinctureError) -> ArrayDataSet {
    try ArrayDataSet([try idxArray(path, name)], source: path.string)
  }

  /// Opens one part of a data set of the MNIST family: the columns `image` and `label`.
  ///
  /// The files are `PART-images-idx3-ubyte` and `PART-labels-idx1-ubyte`, with or without `.gz`, as MNIST,
  /// Fashion-MNIST, KMNIST and Debian's `dataset-fashion-mnist` have them.
  ///
  /// - Parameters:
  ///   - folder: The folder with the files.
  ///   - part: `train` or `t10k`; also what else the files' names begin with.
  /// - Returns: The data set.
  /// - Throws: `missingInput` when there are no such files, and as `idx(_:column:)`.
  public static func mnist(
    _ folder: FilePath, part: String
  ) throws(TinctureError) -> ArrayDataSet {
    var arrays: [StoredArray] = []
    for (column, suffix) in [("image", "images-idx3-ubyte"), ("label", "labels-idx1-ubyte")] {
      let name = "\(part)-\(suffix)"
      let candidates = [name, name + ".gz", name.replacing("-idx", with: ".idx")]
        .map { folder.appending($0) }
      guard let path = candidates.first(where: { FileKind(of: $0) == .file }) else {
        throw TinctureError(
          .missingInput, "There is no file \(name) or \(name).gz; name a folder that has it.",
          at: .init(file: folder.string))
      }
      arrays.append(try idxArray(path, column))
    }
    return try ArrayDataSet(arrays, source: "\(folder.string) (\(part))")
  }

  private static func idxArray(
    _ path: FilePath, _ name: String
  ) throws(TinctureError) -> StoredArray {
    let packed = try InputFile(opening: path)
    var file = packed
    let source = path.string
    let start = try packed.bytes(at: 0, count: min(2, packed.size))
    let range = CompressedRange(
      file: packed, source: source, range: 0..<packed.size, wrapping: .gzip)
    let isPacked = start == [0x1F, 0x8B]
    func prefix(_ count: Int) throws(TinctureError) -> [UInt8] {
      isPacked ? try range.prefix(count) : try packed.bytes(at: 0, count: min(count, packed.size))
    }
    let magic = try prefix(4)
    guard magic.count == 4, magic[0] == 0, magic[1] == 0, let dtype = idxType(magic[2]) else {
      throw TinctureError(
        .data, "This is no IDX file; it does not begin with two zeros, a type and a rank.",
        at: .init(file: source, byteOffset: 0))
    }
    let headerSize = 4 + 4 * Int(magic[3])
    let header = try prefix(headerSize)
    guard header.count == headerSize else {
      throw TinctureError(
        .data, "The IDX header of \(headerSize) bytes is cut after \(header.count).",
        at: .init(file: source, byteOffset: 4))
    }
    let extents = stride(from: 4, to: headerSize, by: 4).map { start in
      header[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    guard let size = Shape(extents)?.byteCount(of: dtype), size <= Int.max - headerSize else {
      throw TinctureError(
        .data, "The number of bytes of an array of \(extents) \(dtype.rawValue) overflows.",
        at: .init(file: source, byteOffset: 4))
    }
    if isPacked { file = try range.unpacked(size: headerSize + size) }
    guard file.size == headerSize + size else {
      throw TinctureError(
        .data,
        "An array of \(extents) \(dtype.rawValue) has \(size) bytes, but \(file.size - headerSize)"
          + " follow its header; the file is truncated or damaged.",
        at: .init(file: source, byteOffset: headerSize))
    }
    return try StoredArray(
      file: file, source: source, name: name, dtype: dtype, extents: extents, offset: headerSize,
      isBigEndian: true)
  }

  private static func idxType(_ code: UInt8) -> DType? {
    switch code {
    case 0x08: .u8
    case 0x09: .i8
    case 0x0B: .i16
    case 0x0C: .i32
    case 0x0D: .f32
    case 0x0E: .f64
    default: nil
    }
  }
}
