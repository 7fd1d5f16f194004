import Testing
import TinctureCheckpoints
import TinctureTensors

/// A file that must be refused, and a part of the message that says why.
struct HostileFile: CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  let fragment: String
  var testDescription: String { name }

  /// A file as it is.
  init(_ name: String, _ bytes: [UInt8], _ fragment: String) {
    self.name = name
    self.bytes = bytes
    self.fragment = fragment
  }

  /// A valid archive with one change.
  init(_ name: String, _ fragment: String, change: (inout PyTorchZip) -> Void) {
    var zip = PyTorchZip(pickle: PyTorchPickle.state(PyTorchPickle.tensor()))
    change(&zip)
    self.init(name, zip.bytes, fragment)
  }
}

@Suite("Hostile archives")
struct PyTorchHostileArchiveTests {
  @Test(
    "An archive that is damaged, ambiguous or compressed is refused",
    arguments: archives + formats)
  func refused(hostile: HostileFile) {
    let error = #expect(throws: TinctureError.self) { try PyTorchScratch.open(hostile.bytes) }
    #expect(error?.code == .checkpoint)
    let message = error?.message ?? ""
    #expect(message.contains(hostile.fragment), "\(message)")
  }

  static let archives: [HostileFile] = [
    .init("compressed data", "compressed (method 8)") { $0.entries[2].method = 8 },
    .init("compressed pickle", "\"archive/data.pkl\" is compressed") {
      $0.entries[0].method = 8
    },
    .init("encrypted data", "is encrypted") { $0.entries[2].flags = 1 },
    .init("two entries of one name", "two entries named \"archive/byteorder\"") {
      $0.entries.append($0.entries[1])
    },
    .init("two pickles", "holds 2 files data.pkl") {
      $0.entries.append(.init(name: "other/data.pkl", bytes: []))
    },
    .init("no pickle", "holds no data.pkl") { $0.entries.removeFirst() },
    .init("no data", "no data for the storage \"0\"") { $0.entries.removeLast() },
    .init("data cut short", "holds 12 bytes of it") {
      $0.entries[2].bytes.removeLast(4)
    },
    .init("TorchScript", "TorchScript program") {
      $0.entries.append(.init(name: "archive/constants.pkl", bytes: []))
    },
    .init("big-endian", "byte order \"big\"") {
      $0.entries[1].bytes = PyTorchPickle.ascii("big")
    },
    .init("several disks", "several files") { $0.diskNumber = 1 },
    .init("size beyond the file", "more than the file holds") {
      $0.entries[2].claimedSize = 100_000
    },
    .init("two sizes", "claims both 16 and 12 bytes") { $0.entries[2].claimedStoredSize = 12 },
    .init("offset beyond the file", "outside the") { $0.entries[2].claimedOffset = 1 << 30 },
    .init("offset into nothing", "no local header") { $0.entries[2].claimedOffset = 3 },
    .init("local name differs", "contradicts the directory") {
      $0.entries[2].localName = "archive/data/1"
    },
    .init("more entries than records", "claims 60000 entries") { $0.claimedCount = 60000 },
    .init("one entry too many", "directory of the archive is damaged") {
      $0.entries[2].name += String(repeating: "x", count: 60)
      $0.claimedCount = 4
    },
    .init("directory beyond the file", "lie outside the file") {
      $0.claimedDirectoryOffset = 1 << 30
    },
    .init("directory larger than the file", "lie outside the file") {
      $0.claimedDirectorySize = 1 << 30
    },
    .init("directory in the wrong place", "directory of the archive is damaged") {
      $0.claimedDirectoryOffset = 1
    },
    .init("zip64 record beyond the file", "zip64 record of the archive lies outside") {
      $0.hasZip64End = true
      $0.claimedZip64Position = .max
    },
    .init("zip64 record elsewhere", "not where its locator says") {
      $0.hasZip64End = true
      $0.claimedZip64Position = 4
    },
    .init("zip64 count of 2^60", "claims 1152921504606846976 entries") {
      $0.hasZip64End = true
      $0.claimedCount = 1 << 60
    },
    .init("zip64 directory of 2^62 bytes", "lie outside the file") {
      $0.hasZip64End = true
      $0.claimedDirectorySize = 1 << 62
    },
    .init("zip64 number that overflows", "overflows") {
      $0.hasZip64End = true
      $0.claimedDirectoryOffset = -1
    },
    .init("zip64 size of 2^62", "more than the file holds") {
      $0.entries[2].isZip64 = true
      $0.entries[2].claimedSize = 1 << 62
    },
    .init("zip64 offset that overflows", "no valid zip64 field") {
      $0.entries[2].isZip64 = true
      $0.entries[2].claimedOffset = -1
    },
    .init("zip64 field missing", "no valid zip64 field") {
      $0.entries[2].isZip64 = true
      $0.entries[2].zip64Field = []
    },
    .init("zip64 field too short", "no valid zip64 field") {
      $0.entries[2].isZip64 = true
      $0.entries[2].zip64Field = [1, 0, 8, 0, 16, 0, 0, 0, 0, 0, 0, 0]
    },
    .init("zip64 field longer than the record", "no valid zip64 field") {
      $0.entries[2].isZip64 = true
      $0.entries[2].zip64Field = [1, 0, 255, 255, 0, 0, 0, 0]
    },
    .init("empty archive", "holds no data.pkl") { $0.entries = [] },
  ]

  static let formats: [HostileFile] = [
    .init("nothing", [], "The file is empty"),
    .init("one byte", [0x50], "no checkpoint of PyTorch"),
    .init("start of an archive", [0x50, 0x4B, 3, 4], "no directory at its end"),
    .init(
      "pointer of Git LFS",
      PyTorchPickle.ascii("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
      "git lfs pull"),
    .init(
      "tar", [UInt8](repeating: 0x61, count: 257) + PyTorchPickle.ascii("ustar\u{0}00"),
      "tar format"),
    .init(
      "safetensors", [2, 0, 0, 0, 0, 0, 0, 0] + PyTorchPickle.ascii("{}"), ".safetensors"),
    .init(
      "pickle of another program", PyTorchPickle.document(PyTorchPickle.ascii("}")),
      "none of torch.save"),
    .init(
      "pickle that runs code",
      PyTorchPickle.document(
        PyTorchPickle.call("os", "system", [])), "'os.system'"),
  ]

  @Test(
    "A file that is cut anywhere is refused",
    arguments: ["views.pt", "wrapped_protocol4.ckpt", "stream_protocol2.bin"])
  func truncated(name: String) throws {
    let bytes = try PyTorchScratch.fixtureBytes(name)
    for count in 0..<bytes.count {
      let error = #expect(throws: TinctureError.self) {
        try PyTorchScratch.open(Array(bytes[..<count]))
      }
      #expect(error?.code == .checkpoint)
    }
  }
}
