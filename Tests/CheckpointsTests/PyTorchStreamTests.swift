import Testing
import TinctureCheckpoints
import TinctureSafetensors
import TinctureTensors

@Suite("The PyTorch format before 1.6")
struct PyTorchStreamTests {
  private typealias P = PyTorchPickle

  /// A stream with one storage, and a switch for each way in which it can be wrong.
  struct Stream {
    var version = 1001
    var isLittleEndian = true
    var tensor = P.tensor()
    var keys = [P.text("0")]
    var keyList: [UInt8]?
    var count = 4
    var data = [UInt8](0..<16)

    var bytes: [UInt8] {
      let magic: [UInt8] = [
        0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
      ]
      let facts = P.dictionary([(P.text("little_endian"), [isLittleEndian ? 0x88 : 0x89])])
      let list = keyList ?? P.ascii("](") + keys.joined() + P.ascii("e")
      return P.document(magic) + P.document(P.integer(version)) + P.document(facts)
        + P.state(tensor) + P.document(list) + PyTorchZip.number(count, 8) + data
    }
  }

  /// A storage of which only a part is seen.
  private static func view(_ offset: Int, _ count: Int) -> [UInt8] {
    P.tuple([
      P.text("storage"), P.global("torch", "FloatStorage"), P.text("0"), P.text("cpu"),
      P.integer(4), P.tuple([P.text("view"), P.integer(offset), P.integer(count)]),
    ]) + P.ascii("Q")
  }

  @Test("A tensor in a view of a storage starts where the view starts")
  func views() throws {
    var stream = Stream()
    stream.tensor = P.tensor(storage: Self.view(1, 3), offset: P.integer(1), extents: [2])
    let file = try PyTorchScratch.open(stream.bytes)
    #expect(try file.hexadecimal(of: file.tensors[0]) == "08090a0b0c0d0e0f")
  }

  @Test("A stream that is damaged is refused", arguments: hostile)
  func refused(hostile: HostileFile) {
    let error = #expect(throws: TinctureError.self) { try PyTorchScratch.open(hostile.bytes) }
    #expect(error?.code == .checkpoint)
    let message = error?.message ?? ""
    #expect(message.contains(hostile.fragment), "\(message)")
  }

  static let hostile: [HostileFile] = [
    stream("unknown version", "unknown version") { $0.version = 1002 },
    stream("big-endian", "byte order \"big\"") { $0.isLittleEndian = false },
    stream("keys that are no list", "list of storages is a dictionary") {
      $0.keyList = P.ascii("}")
    },
    stream("key that no tensor uses", "no tensor uses") { $0.keys = [P.text("1")] },
    stream("key that is a number", "no tensor uses") { $0.keys = [P.integer(0)] },
    stream("no keys", "no data for the storage \"0\"") { $0.keys = [] },
    stream("key twice", "listed twice") {
      $0.keys = [P.text("0"), P.text("0")]
      $0.data = [UInt8](repeating: 0, count: 16) + [4] + [UInt8](repeating: 0, count: 40)
    },
    stream("data cut short", "beyond the end of the file") { $0.data.removeLast() },
    stream("other count", "has 3 elements in the file") { $0.count = 3 },
    stream("count that overflows", "has too many elements") { $0.count = -1 },
    stream("storage of 2^62 elements", "beyond the end of the file") {
      $0.count = 1 << 62
      $0.tensor = P.tensor(storage: P.storage(count: P.integer(1 << 62)))
    },
    stream("tensor beyond its view", "reaches beyond its storage of 3 elements") {
      $0.tensor = P.tensor(storage: view(1, 3))
    },
    stream("view beyond its storage", "lies outside of it") {
      $0.tensor = P.tensor(storage: view(2, 3))
    },
    stream("view that overflows", "lies outside of it") {
      $0.tensor = P.tensor(storage: view(1, .max))
    },
    stream("code", "'os.system'") { $0.tensor = P.call("os", "system", []) },
  ]

  private static func stream(
    _ name: String, _ fragment: String, change: (inout Stream) -> Void
  ) -> HostileFile {
    var stream = Stream()
    change(&stream)
    return HostileFile(name, stream.bytes, fragment)
  }
}
