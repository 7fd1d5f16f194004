import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@Suite("Indices and their shards")
struct ShardIndexTests {
  private static let shard = SafetensorsBytes.file(
    #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, dataSize: 2)

  private static func open(_ index: String, shards: [String] = ["one.safetensors"]) throws
    -> Checkpoint
  {
    let scratch = try ScratchDirectory()
    try scratch.write("model.safetensors.index.json", Array(index.utf8))
    for name in shards { try scratch.write(name, shard) }
    return try Checkpoint.open(scratch.path)
  }

  @Test("A right index opens, extra tensors of a shard are left out")
  func right() throws {
    let checkpoint = try Self.open(#"{"weight_map":{"a":"one.safetensors"}}"#)
    #expect(checkpoint.names == ["a"])
    #expect(try Self.open(#"{"weight_map":{}}"#).names.isEmpty)
  }

  @Test(
    "Each fault is named",
    arguments: [
      (#"{"weight_map":{"a":"two.safetensors"}}"#, "the download may be incomplete", nil),
      (#"{"weight_map":{"a":"one.safetensors","b":"one.safetensors"}}"#, "does not hold it", "b"),
      (#"{"weight_map":{"a":"../one.safetensors"}}"#, "must lie beside the index", "a"),
      (#"{"weight_map":{"a":"/etc/passwd"}}"#, "must lie beside the index", "a"),
      (#"{"weight_map":{"a":".."}}"#, "must lie beside the index", "a"),
      (#"{"weight_map":{"a":"."}}"#, "must lie beside the index", "a"),
      (#"{"weight_map":{"a":""}}"#, "must lie beside the index", "a"),
      (#"{"weight_map":{"a":"one.safetensors\u0000.txt"}}"#, "must lie beside the index", "a"),
      (#"{"weight_map":{"a":7}}"#, "does not name a file", "a"),
      (#"{"weight_map":[]}"#, "no weight_map", nil),
      (#"{"metadata":{}}"#, "no weight_map", nil),
      (#"[]"#, "no weight_map", nil),
      (#"{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}"#, "written twice", nil),
      (#"{"weight_map":"#, "ends where a value", nil),
    ])
  func wrong(index: String, message: String, tensor: String?) throws {
    let error = try #require(throws: TinctureError.self) { try Self.open(index) }
    #expect(error.message.contains(message), "\(error.message)")
    #expect(error.place.tensor == tensor)
    #expect(error.place.file != nil)
  }

  @Test("The same tensor in two shards counts where the index places it")
  func twice() throws {
    let checkpoint = try Self.open(
      #"{"weight_map":{"a":"two.safetensors"}}"#, shards: ["one.safetensors", "two.safetensors"])
    #expect(checkpoint["a"]?.file.path.lastComponent?.string == "two.safetensors")
  }

  @Test("A malformed shard is named")
  func malformed() throws {
    let scratch = try ScratchDirectory()
    try scratch.write(
      "model.safetensors.index.json", Array(#"{"weight_map":{"a":"one.safetensors"}}"#.utf8))
    let shard = try scratch.write("one.safetensors", [1, 2, 3])
    let error = #expect(throws: TinctureError.self) { try Checkpoint.open(scratch.path) }
    #expect(error?.code == .checkpoint)
    #expect(error?.place.file == shard.string)
  }
}
