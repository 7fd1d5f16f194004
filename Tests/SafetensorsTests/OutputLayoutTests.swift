import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@Suite("Layouts of outputs")
struct OutputLayoutTests {
  /// One tensor of every type, in an order that mixes widths.
  static let everyType: [OutputLayout.Tensor] = DType.allCases.sorted {
    ($0.rawValue.count, $0.rawValue) < ($1.rawValue.count, $1.rawValue)
  }.compactMap { dtype in
    Shape([4, 6]).map { .init(name: "t." + dtype.rawValue, dtype: dtype, shape: $0) }
  }

  static func bytes(_ position: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: position * 31 + $0 * 7) }
  }

  @Test(
    "Every type comes back byte for byte, from one file and from shards",
    arguments: [20, 100, 1 << 30])
  func roundTrip(shardSize: Int) throws {
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending("out")
    let layout = OutputLayout(tensors: Self.everyType, shardSize: shardSize)
    let writer = try CheckpointWriter.create(output, layout: layout, fingerprint: "f")
    for (position, tensor) in Self.everyType.enumerated() {
      let place = layout.places[position]
      let bytes = Self.bytes(position, tensor.shape.byteCount(of: tensor.dtype) ?? 0)
      try bytes.withUnsafeBytes {
        try writer.ranges.write($0, file: place.file, offset: place.offset)
      }
    }
    try writer.finish()
    let checkpoint = try Checkpoint.open(output)
    #expect(Set(checkpoint.names) == Set(Self.everyType.map(\.name)))
    #expect(checkpoint.byteCount == layout.dataSize)
    for (position, tensor) in Self.everyType.enumerated() {
      let entry = try #require(checkpoint[tensor.name])
      #expect(entry.tensor.dtype == tensor.dtype)
      #expect(entry.tensor.shape == tensor.shape)
      let stored = try entry.file.bytes(
        at: entry.tensor.byteOffset, count: entry.tensor.byteCount)
      #expect(stored == Self.bytes(position, entry.tensor.byteCount))
    }
    #expect(try scratch.names() == ["out"])
  }

  @Test("Every tensor is aligned to its elements", arguments: [20, 100, 1 << 30])
  func alignment(shardSize: Int) throws {
    var tensors = Self.everyType
    for (position, count) in [1, 3, 0, 5, 7].enumerated() {
      for dtype in [DType.u8, .bf16, .f32, .f64] {
        tensors.append(
          .init(name: "\(dtype.rawValue).\(position)", dtype: dtype, shape: Shape(vector: count)))
      }
    }
    let layout = OutputLayout(tensors: tensors, shardSize: shardSize)
    for (tensor, place) in zip(tensors, layout.places) {
      #expect(place.offset % (tensor.dtype.byteWidth ?? 1) == 0)
      #expect(place.offset >= layout.files[place.file].header.count)
    }
    #expect(layout.files.reduce(0) { $0 + $1.size - $1.header.count } == layout.dataSize)
    for file in layout.files {
      _ = try SafetensorsHeader(parsing: Array(file.header[8...]), fileSize: file.size)
    }
  }

  @Test("Files hold at most the wanted bytes, and a larger tensor stands alone")
  func shards() throws {
    let sizes = [10, 20, 30, 100, 1, 0, 49, 50, 51]
    let tensors = sizes.enumerated().map {
      OutputLayout.Tensor(name: "t\($0)", dtype: .u8, shape: Shape(vector: $1))
    }
    let layout = OutputLayout(tensors: tensors, shardSize: 50)
    #expect(layout.places.map(\.file) == [0, 0, 1, 2, 3, 3, 3, 4, 5])
    #expect(layout.files.first?.name == "model-00001-of-00006.safetensors")
    let index = try JSONValue(parsing: try #require(layout.index))
    #expect(index["metadata"]?["total_size"]?.intValue == sizes.reduce(0, +))
    let map = try #require(index["weight_map"]?.objectValue)
    for (tensor, place) in zip(tensors, layout.places) {
      #expect(map[tensor.name]?.stringValue == layout.files[place.file].name)
    }
    #expect(map.count == tensors.count)
  }

  @Test("One file needs no index and no numbers")
  func single() {
    let layout = OutputLayout(tensors: [], shardSize: 10)
    #expect(layout.index == nil)
    #expect(layout.files.map(\.name) == ["model.safetensors"])
    #expect(layout.dataSize == 0)
  }

  @Test("Metadata is sorted and says which library's layout the tensors have")
  func metadata() throws {
    let layout = OutputLayout(
      tensors: [], shardSize: 10, metadata: [("z", "1"), ("a", "2")])
    let file = try #require(layout.files.first)
    let header = try SafetensorsHeader(parsing: Array(file.header[8...]), fileSize: file.size)
    #expect(header.metadata.map(\.key) == ["a", "format", "z"])
  }
}
