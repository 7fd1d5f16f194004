import Testing
import TinctureSafetensors
import TinctureTensors

@Suite("Headers that are right")
struct HeaderTests {
  @Test("Tensors come in the order of their bytes, with offsets from the start of the file")
  func order() throws {
    let file = try SafetensorsBytes.open(SafetensorsBytes.small)
    let header = file.header
    #expect(header.tensors.map(\.name) == ["a", "e", "b"])
    #expect(header.tensors.map(\.dtype) == [.f32, .i64, .bf16])
    #expect(header.tensors.map(\.shape.extents) == [[2, 3], [0, 4], []])
    #expect(header.tensors.map { $0.byteOffset - header.dataOffset } == [0, 24, 24])
    #expect(header.metadata.map(\.key) == ["format"])
    #expect(header.dataOffset == SafetensorsBytes.small.count - 26)
  }

  @Test("Spaces around the JSON, unknown entries and a file without tensors are accepted")
  func tolerance() throws {
    let padded = SafetensorsBytes.file(
      "  {\"a\":{\"shape\":[1],\"note\":null,\"data_offsets\":[0,1],\"dtype\":\"BOOL\"}} \n ",
      dataSize: 1)
    #expect(try SafetensorsBytes.open(padded).header.tensors.count == 1)
    #expect(try SafetensorsBytes.open(SafetensorsBytes.file("{}")).header.tensors.isEmpty)
  }

  @Test("Names that are canonically equal but differ in bytes are two tensors")
  func exactNames() throws {
    let header = """
      {"\u{E9}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},\
      "e\u{301}":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}
      """
    #expect(
      try SafetensorsBytes.open(SafetensorsBytes.file(header, dataSize: 2)).header.tensors.count
        == 2)
  }

  @Test("An encoded header reads back as it was, whatever the names hold")
  func roundTrip() throws {
    let names = ["plain", "quo\"te", "back\\slash", "new\nline", "\u{1}", "emoji \u{1F9EA}", ""]
    let tensors = try names.map { name in
      (name: name, dtype: DType.f16, shape: try #require(Shape([2, 3])))
    }
    let metadata = [(key: "format", value: "pt"), (key: "tab\t", value: "\u{7F}\u{0}")]
    let bytes = SafetensorsHeader.encode(tensors: tensors, metadata: metadata)
    #expect(bytes.count % 8 == 0)
    let header = try SafetensorsHeader(
      parsing: Array(bytes[8...]), fileSize: bytes.count + 12 * names.count)
    #expect(header.tensors.map(\.name) == names)
    #expect(header.tensors.enumerated().allSatisfy { $1.byteOffset == bytes.count + 12 * $0 })
    #expect(header.metadata.map(\.value) == metadata.map(\.value))
  }
}
