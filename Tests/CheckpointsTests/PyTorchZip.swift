/// A tiny zip writer with a switch for each way in which an archive can be wrong.
struct PyTorchZip {
  /// One entry.
  struct Entry {
    var name: String
    var bytes: [UInt8]
    var method = 0
    var flags = 0
    /// What the directory claims instead of the true size.
    var claimedSize: Int?
    var claimedStoredSize: Int?
    var claimedOffset: Int?
    /// The name in the local header, when it differs.
    var localName: String?
    /// Padding in the local header, which the directory does not have.
    var localExtra = 0
    /// Whether sizes and offset stand in a zip64 field.
    var isZip64 = false
    /// Whether only the offset stands in a zip64 field.
    var isOffsetZip64 = false
    /// The zip64 field instead of the right one.
    var zip64Field: [UInt8]?
  }

  var entries: [Entry] = []
  var claimedCount: Int?
  var claimedDirectorySize: Int?
  var claimedDirectoryOffset: Int?
  var diskNumber = 0
  var hasZip64End = false
  var claimedZip64Position: Int?
  var comment: [UInt8] = []

  /// A checkpoint with a pickle and one storage of sixteen bytes.
  init(pickle: [UInt8], prefix: String = "archive/") {
    entries = [
      Entry(name: prefix + "data.pkl", bytes: pickle),
      Entry(name: prefix + "byteorder", bytes: Array("little".utf8)),
      Entry(
        name: prefix + "data/0", bytes: [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64],
        localExtra: 21),
    ]
  }

  /// Little-endian bytes of a number.
  static func number(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// The archive.
  var bytes: [UInt8] {
    func n(_ value: Int, _ count: Int) -> [UInt8] { Self.number(value, count) }
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let offset = file.count
      let local = Array((entry.localName ?? entry.name).utf8)
      file += n(0x0403_4B50, 4) + n(20, 2) + n(entry.flags, 2) + n(entry.method, 2) + n(0, 8)
      file += n(entry.bytes.count, 4) + n(entry.bytes.count, 4)
      file += n(local.count, 2) + n(entry.localExtra, 2) + local
      file += [UInt8](repeating: 0x5A, count: entry.localExtra) + entry.bytes
      let size = entry.claimedSize ?? entry.bytes.count
      let stored = entry.claimedStoredSize ?? entry.claimedSize ?? entry.bytes.count
      let place = entry.claimedOffset ?? offset
      let wide = n(1, 2) + n(24, 2) + n(size, 8) + n(stored, 8) + n(place, 8)
      let isWide = entry.isZip64 || entry.isOffsetZip64
      let right = entry.isZip64 ? wide : n(1, 2) + n(8, 2) + n(place, 8)
      let extra = isWide ? n(0x9999, 2) + n(1, 2) + [7] + (entry.zip64Field ?? right) : []
      directory += n(0x0201_4B50, 4) + n(20, 2) + n(20, 2) + n(entry.flags, 2) + n(entry.method, 2)
      directory += n(0, 8)
      directory += n(entry.isZip64 ? -1 : stored, 4) + n(entry.isZip64 ? -1 : size, 4)
      directory += n(entry.name.utf8.count, 2) + n(extra.count, 2) + n(0, 10)
      directory += n(isWide ? -1 : place, 4) + Array(entry.name.utf8) + extra
    }
    let start = claimedDirectoryOffset ?? file.count
    file += directory
    let count = claimedCount ?? entries.count
    let size = claimedDirectorySize ?? directory.count
    if hasZip64End {
      let position = claimedZip64Position ?? file.count
      file += n(0x0606_4B50, 4) + n(44, 8) + n(45, 2) + n(45, 2) + n(0, 4) + n(0, 4)
      file += n(count, 8) + n(count, 8) + n(size, 8) + n(start, 8)
      file += n(0x0706_4B50, 4) + n(0, 4) + n(position, 8) + n(1, 4)
      file += n(0x0605_4B50, 4) + n(-1, 8) + n(-1, 8) + n(comment.count, 2) + comment
    } else {
      file += n(0x0605_4B50, 4) + n(diskNumber, 2) + n(0, 2) + n(count, 2) + n(count, 2)
      file += n(size, 4) + n(start, 4) + n(comment.count, 2) + comment
    }
    return file
  }
}
