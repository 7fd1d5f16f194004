import SystemPackage
import TinctureSafetensors
import TinctureTensors

/// The central directory of a zip archive, with or without the zip64 extension.
struct ZipDirectory {
  static let localHeaderSignature = 0x0403_4B50
  static let localHeaderSize = 30
  private static let recordSignature = 0x0201_4B50
  private static let recordSize = 46
  private static let endSignature = 0x0605_4B50
  private static let endSize = 22
  private static let locatorSignature = 0x0706_4B50
  private static let locatorSize = 20
  private static let zip64EndSignature = 0x0606_4B50
  private static let zip64EndSize = 56
  private static let entryLimit = 1 << 20
  private static let sizeLimit = 256 << 20

  /// The entries in the order of the directory.
  private(set) var entries: [ZipEntry] = []

  private let file: InputFile
  private var start = 0
  private var size = 0
  private var count = 0

  /// Finds and reads the directory.
  ///
  /// - Parameter file: The archive.
  /// - Throws: `checkpoint` when the directory is damaged or spread over several files.
  init(reading file: InputFile) throws(TinctureError) {
    self.file = file
    try locate()
    try readEntries()
  }

  /// Finds the end record, which says where the directory is.
  private mutating func locate() throws(TinctureError) {
    let tailSize = min(file.size, Self.endSize + 0xFFFF)
    let tailStart = file.size - tailSize
    let tail = ZipRecord(try file.bytes(at: tailStart, count: tailSize))
    var position = tailSize - Self.endSize
    while position >= 0 {
      if tail.u32(at: position) == Self.endSignature,
        position + Self.endSize + tail.u16(at: position + 20) == tailSize
      {
        break
      }
      position -= 1
    }
    guard position >= 0 else {
      throw file.failure(
        "The archive has no directory at its end; the file is incomplete, so download or copy it"
          + " again.", at: file.size)
    }
    let end = tailStart + position
    var limit = end
    if end >= Self.locatorSize {
      let locator = ZipRecord(
        try file.bytes(at: end - Self.locatorSize, count: Self.locatorSize))
      if locator.u32(at: 0) == Self.locatorSignature {
        limit = try readZip64End(locator, before: end - Self.locatorSize)
      }
    }
    if limit == end {
      guard tail.u16(at: position + 4) == 0, tail.u16(at: position + 6) == 0,
        tail.u16(at: position + 8) == tail.u16(at: position + 10)
      else { throw multipleFiles(at: end) }
      count = tail.u16(at: position + 10)
      size = tail.u32(at: position + 12)
      start = tail.u32(at: position + 16)
    }
    guard start <= limit, size <= limit - start else {
      throw file.failure(
        "The directory of the archive claims \(size) bytes from byte \(start) on, which lie"
          + " outside the file; it is damaged.", at: limit)
    }
    guard size <= Self.sizeLimit else {
      throw file.failure(
        "The directory of the archive has \(size) bytes; at most \(Self.sizeLimit) are read.",
        at: limit)
    }
    guard count <= Self.entryLimit, count <= size / Self.recordSize else {
      throw file.failure(
        "The archive claims \(count) entries, more than its directory can hold.", at: limit)
    }
  }

  /// Reads the zip64 end record and returns its position.
  private mutating func readZip64End(_ locator: ZipRecord, before limit: Int)
    throws(TinctureError) -> Int
  {
    guard let position = locator.u64(at: 8), position <= limit - Self.zip64EndSize else {
      throw file.failure(
        "The zip64 record of the archive lies outside the file; it is damaged.", at: limit)
    }
    let record = ZipRecord(try file.bytes(at: position, count: Self.zip64EndSize))
    guard record.u32(at: 0) == Self.zip64EndSignature else {
      throw file.failure(
        "The zip64 record of the archive is not where its locator says; the file is damaged.",
        at: position)
    }
    guard locator.u32(at: 4) == 0, locator.u32(at: 16) <= 1, record.u32(at: 16) == 0,
      record.u32(at: 20) == 0, record.u64(at: 24) == record.u64(at: 32)
    else { throw multipleFiles(at: position) }
    guard let count = record.u64(at: 32), let size = record.u64(at: 40),
      let start = record.u64(at: 48)
    else {
      throw file.failure("A number in the zip64 record of the archive overflows.", at: position)
    }
    self.count = count
    self.size = size
    self.start = start
    return position
  }

  private func multipleFiles(at offset: Int) -> TinctureError {
    file.failure(
      "The archive is spread over several files; join them and save it again.",
      at: offset)
  }

  private mutating func readEntries() throws(TinctureError) {
    let directory = ZipRecord(try file.bytes(at: start, count: size))
    entries.reserveCapacity(count)
    var position = 0
    for _ in 0..<count {
      guard position <= size - Self.recordSize,
        directory.u32(at: position) == Self.recordSignature
      else { throw damaged(at: position) }
      let nameStart = position + Self.recordSize
      let extraStart = nameStart + directory.u16(at: position + 28)
      let extraEnd = extraStart + directory.u16(at: position + 30)
      let next = extraEnd + directory.u16(at: position + 32)
      guard next <= size else { throw damaged(at: position) }
      guard let name = String(validating: directory[nameStart..<extraStart], as: UTF8.self) else {
        throw file.failure(
          "The name of an entry of the archive is not valid UTF-8.", at: start + position)
      }
      entries.append(
        try entry(name, directory, at: position, extra: extraStart..<extraEnd))
      position = next
    }
  }

  /// Reads one record, taking what does not fit in 32 bits from its zip64 field.
  private func entry(_ name: String, _ record: ZipRecord, at position: Int, extra: Range<Int>)
    throws(TinctureError) -> ZipEntry
  {
    let size32 = record.u32(at: position + 24)
    let stored32 = record.u32(at: position + 20)
    let header32 = record.u32(at: position + 42)
    let disk16 = record.u16(at: position + 34)
    let wide = [size32, stored32, header32].count { $0 == 0xFFFF_FFFF }
    var values = try zip64Values(name, record, at: position, extra: extra, count: wide)[...]
    let size = size32 == 0xFFFF_FFFF ? values.removeFirst() : size32
    let stored = stored32 == 0xFFFF_FFFF ? values.removeFirst() : stored32
    let header = header32 == 0xFFFF_FFFF ? values.removeFirst() : header32
    guard disk16 == 0 || disk16 == 0xFFFF else { throw multipleFiles(at: start + position) }
    return ZipEntry(
      name: name, method: record.u16(at: position + 10),
      isEncrypted: record.u16(at: position + 8) & 1 != 0, size: size, storedSize: stored,
      checksum: UInt32(truncatingIfNeeded: record.u32(at: position + 16)), headerOffset: header,
      recordOffset: start + position)
  }

  /// The first `count` eight-byte numbers of the zip64 extra field.
  private func zip64Values(
    _ name: String, _ record: ZipRecord, at position: Int, extra: Range<Int>, count: Int
  ) throws(TinctureError) -> [Int] {
    guard count > 0 else { return [] }
    var field = extra.lowerBound
    while field + 4 <= extra.upperBound {
      let end = field + 4 + record.u16(at: field + 2)
      guard end <= extra.upperBound else { break }
      if record.u16(at: field) == 0x0001 {
        guard field + 4 + 8 * count <= end else { break }
        let values = (0..<count).compactMap { record.u64(at: field + 4 + 8 * $0) }
        guard values.count == count else { break }
        return values
      }
      field = end
    }
    throw file.failure(
      "The entry \"\(name)\" has no valid zip64 field for its size or place.",
      at: start + position)
  }

  private func damaged(at position: Int) -> TinctureError {
    file.failure(
      "The directory of the archive is damaged; download or copy the file again.",
      at: start + position)
  }
}
