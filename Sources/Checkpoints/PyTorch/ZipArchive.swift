internal import SystemPackage
internal import TinctureJSON
package import TinctureSafetensors
package import TinctureTensors

/// One file inside a zip archive, as the central directory describes it.
package struct ZipEntry: Sendable {
  /// The path inside the archive.
  package let name: String
  /// The compression method; zero means that the bytes are stored as they are.
  package let method: Int
  /// Whether the bytes are encrypted.
  package let isEncrypted: Bool
  /// The number of bytes once extracted.
  package let size: Int
  /// The number of bytes in the archive.
  package let storedSize: Int
  /// The checksum (CRC-32) of the extracted bytes.
  package let checksum: UInt32
  /// The position of the local header in the file.
  package let headerOffset: Int
  /// The position of the central directory record in the file, for messages.
  package let recordOffset: Int
}

/// A zip archive whose entries are read in place, never extracted.
///
/// Checksums are not compared: `torch.save` can be told not to compute them.
package struct ZipArchive: Sendable {
  /// The file that holds the archive.
  package let file: InputFile
  /// The entries in the order of the central directory.
  package let entries: [ZipEntry]
  private let indices: [ExactString: Int]

  /// Reads the central directory.
  ///
  /// - Parameter file: The archive.
  /// - Throws: `checkpoint` when the directory is damaged, ambiguous or spread over several files.
  package init(reading file: InputFile) throws(TinctureError) {
    self.file = file
    let directory = try ZipDirectory(reading: file)
    entries = directory.entries
    var indices: [ExactString: Int] = [:]
    indices.reserveCapacity(entries.count)
    for (index, entry) in entries.enumerated() {
      guard indices.updateValue(index, forKey: ExactString(entry.name)) == nil else {
        throw file.failure(
          "The archive holds two entries named \"\(entry.name)\"; save it again.",
          at: entry.recordOffset)
      }
    }
    self.indices = indices
  }

  /// The entry of a name, or nil.
  package subscript(name: String) -> ZipEntry? { indices[ExactString(name)].map { entries[$0] } }

  /// The bytes of an entry as a range of the file.
  ///
  /// - Parameter entry: The entry.
  /// - Returns: The range that holds nothing but the entry.
  /// - Throws: `checkpoint` when it is compressed, encrypted or not where the directory says.
  package func range(of entry: ZipEntry) throws(TinctureError) -> Range<Int> {
    try refuseEncryption(of: entry)
    guard entry.method == 0 else {
      throw file.failure(
        "The entry \"\(entry.name)\" is compressed (method \(entry.method)); torch.save stores"
          + " entries uncompressed, so load the file and save it again with torch.save.",
        at: entry.recordOffset)
    }
    guard entry.size == entry.storedSize else {
      throw file.failure(
        "The uncompressed entry \"\(entry.name)\" claims both \(entry.size) and"
          + " \(entry.storedSize) bytes.", at: entry.recordOffset)
    }
    return try storedRange(of: entry)
  }

  /// The bytes of an entry as they are stored, compressed or not, as a range of the file.
  ///
  /// - Parameter entry: The entry.
  /// - Returns: The range, as long as `storedSize`.
  /// - Throws: `checkpoint` when it is encrypted or not where the directory says.
  package func storedRange(of entry: ZipEntry) throws(TinctureError) -> Range<Int> {
    try refuseEncryption(of: entry)
    let offset = entry.headerOffset
    guard offset <= file.size - ZipDirectory.localHeaderSize else {
      throw file.failure(
        "The entry \"\(entry.name)\" starts at byte \(offset), outside the \(file.size) bytes of"
          + " the file; the file is damaged or incomplete.", at: entry.recordOffset)
    }
    let header = ZipRecord(try file.bytes(at: offset, count: ZipDirectory.localHeaderSize))
    guard header.u32(at: 0) == ZipDirectory.localHeaderSignature else {
      throw file.failure(
        "The entry \"\(entry.name)\" has no local header where the directory says; the file is"
          + " damaged.", at: offset)
    }
    let nameLength = header.u16(at: 26)
    let start = offset + ZipDirectory.localHeaderSize + nameLength + header.u16(at: 28)
    guard start <= file.size, entry.storedSize <= file.size - start else {
      throw file.failure(
        "The entry \"\(entry.name)\" needs \(entry.storedSize) bytes, more than the file holds; the"
          + " file is damaged or incomplete.", at: offset)
    }
    let name = try file.bytes(at: offset + ZipDirectory.localHeaderSize, count: nameLength)
    guard name.elementsEqual(entry.name.utf8), header.u16(at: 8) == entry.method else {
      throw file.failure(
        "The local header of the entry \"\(entry.name)\" contradicts the directory of the archive.",
        at: offset)
    }
    return start..<start + entry.storedSize
  }

  private func refuseEncryption(of entry: ZipEntry) throws(TinctureError) {
    guard entry.isEncrypted else { return }
    throw file.failure(
      "The entry \"\(entry.name)\" is encrypted; save it again without a password.",
      at: entry.recordOffset)
  }
}

/// A run of bytes with little-endian numbers at known positions.
struct ZipRecord {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The number of bytes.
  var count: Int { bytes.count }

  /// The bytes of a range.
  subscript(range: Range<Int>) -> ArraySlice<UInt8> { bytes[range] }

  /// The two-byte number at a position inside the record.
  func u16(at offset: Int) -> Int { Int(number(at: offset, count: 2)) }

  /// The four-byte number at a position inside the record.
  func u32(at offset: Int) -> Int { Int(number(at: offset, count: 4)) }

  /// The eight-byte number at a position inside the record, or nil when it does not fit.
  func u64(at offset: Int) -> Int? { Int(exactly: number(at: offset, count: 8)) }

  private func number(at offset: Int, count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in (0..<count).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
    return value
  }
}
