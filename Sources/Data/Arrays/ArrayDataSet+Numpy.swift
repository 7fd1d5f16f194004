public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

extension ArrayDataSet {
  /// Opens an npy file as one column; the first axis counts examples.
  ///
  /// Types: booleans, integers and floats of 8 to 64 bits, in either byte order, in C or Fortran order
  /// (where reading takes one read for each number of an example).
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - name: The name of the column; nil takes the file's name without its extension.
  /// - Returns: The data set.
  /// - Throws: `missingInput` when the file cannot be opened, `data` when it is malformed.
  public static func npy(
    _ path: FilePath, column name: String? = nil
  ) throws(TinctureError) -> ArrayDataSet {
    let file = try InputFile(opening: path)
    let array = try array(
      name ?? path.stem ?? path.string, in: file, from: 0..<file.size, source: path.string)
    return try ArrayDataSet([array], source: path.string)
  }

  /// Opens an npz archive; arrays are columns, the first axis counts examples.
  ///
  /// Compressed arrays are unpacked into temporary files when the archive is opened; set TMPDIR where the
  /// usual folder is small. Their checksums are compared.
  ///
  /// - Parameters:
  ///   - path: The archive.
  ///   - names: The arrays that are wanted; nil takes all that have an axis.
  /// - Returns: The data set.
  /// - Throws: `missingInput` when the file cannot be opened, `data` when it is malformed, an array is
  ///   missing or they do not belong together, `missingFacility` without zlib when an array is compressed.
  public static func npz(
    _ path: FilePath, columns names: [String]? = nil
  ) throws(TinctureError) -> ArrayDataSet {
    let file = try InputFile(opening: path)
    do throws(TinctureError) {
      let archive = try ZipArchive(reading: file)
      var arrays: [StoredArray] = []
      for entry in archive.entries where entry.name.hasSuffix(".npy") {
        let name = String(entry.name.dropLast(4))
        guard names?.contains(name) ?? true else { continue }
        let source = "\(path.string):\(entry.name)"
        let (stored, range) = try contents(of: entry, in: archive, source: source)
        if names == nil {
          let header = try header(in: stored, from: range, source: source)
          if header.extents.isEmpty { continue }
        }
        arrays.append(try array(name, in: stored, from: range, source: source))
      }
      try requireAll(
        names,
        of: archive.entries.filter { $0.name.hasSuffix(".npy") }.map {
          String($0.name.dropLast(4))
        }, in: path.string)
      return try ArrayDataSet(arrays, source: path.string)
    } catch {
      var error = error.located(file: path.string)
      if error.code == .checkpoint { error.code = .data }
      throw error
    }
  }

  /// The file and range that hold the unpacked bytes of an entry.
  private static func contents(
    of entry: ZipEntry, in archive: ZipArchive, source: String
  ) throws(TinctureError) -> (InputFile, Range<Int>) {
    switch entry.method {
    case 0: return (archive.file, try archive.range(of: entry))
    case 8:
      let packed = CompressedRange(
        file: archive.file, source: source, range: try archive.storedRange(of: entry),
        wrapping: .none)
      let file = try packed.unpacked(size: entry.size, checksum: entry.checksum)
      return (file, 0..<file.size)
    default:
      throw TinctureError(
        .data,
        "The entry is compressed by method \(entry.method); save it with numpy.savez_compressed or"
          + " numpy.savez.", at: .init(file: source, byteOffset: entry.headerOffset))
    }
  }

  private static func header(
    in file: InputFile, from range: Range<Int>, source: String
  ) throws(TinctureError) -> NumpyHeader {
    do throws(TinctureError) {
      let prefix = try file.bytes(
        at: range.lowerBound, count: min(NumpyHeader.prefixSize, range.count))
      let size = try NumpyHeader.size(prefix)
      guard size <= range.count else {
        throw TinctureError(
          .data, "The npy header claims \(size) bytes, more than the \(range.count) of the array.",
          at: .init(byteOffset: range.lowerBound))
      }
      return try NumpyHeader(parsing: file.bytes(at: range.lowerBound, count: size))
    } catch {
      var error = error
      error.place.file = source
      throw error
    }
  }

  private static func array(
    _ name: String, in file: InputFile, from range: Range<Int>, source: String
  ) throws(TinctureError) -> StoredArray {
    let header = try header(in: file, from: range, source: source)
    let array = try StoredArray(
      file: file, source: source, name: name, dtype: header.dtype, extents: header.extents,
      offset: range.lowerBound + header.size, isBigEndian: header.isBigEndian,
      isFortranOrder: header.isFortranOrder)
    let size = header.extents.reduce(header.dtype.byteWidth ?? 0, *)
    guard size == range.count - header.size else {
      throw TinctureError(
        .data,
        "An array of \(header.extents) \(header.dtype.rawValue) has \(size) bytes, but"
          + " \(range.count - header.size) follow its header; the file is damaged.",
        at: .init(file: source, byteOffset: array.offset))
    }
    return array
  }
}
