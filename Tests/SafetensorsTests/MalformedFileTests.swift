import SystemPackage
import Testing
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

/// A wrong file, named after what is wrong with it.
struct MalformedFile: Sendable, CustomStringConvertible {
  let description: String
  let bytes: [UInt8]
  let message: String
  var tensor: String?
  var byteOffset: Int?

  init(
    _ description: String, _ bytes: [UInt8], _ message: String, tensor: String? = nil,
    byteOffset: Int? = nil
  ) {
    self.description = description
    self.bytes = bytes
    self.message = message
    self.tensor = tensor
    self.byteOffset = byteOffset
  }

  /// A file whose only fault is in the header's text.
  init(
    _ description: String, header: String, data: Int = 0, _ message: String,
    tensor: String? = nil, byteOffset: Int? = nil
  ) {
    self.init(
      description, SafetensorsBytes.file(header, dataSize: data), message, tensor: tensor,
      byteOffset: byteOffset)
  }

  /// A file whose only fault is in the entry of the tensor `a`.
  init(entry description: String, _ entry: String, data: Int = 8, _ message: String) {
    self.init(description, header: "{\"a\":\(entry)}", data: data, message, tensor: "a")
  }

  static let all = lengths + texts + entries + shapes + offsets + layouts + metadata

  static let lengths: [MalformedFile] = [
    .init("empty", [], "has 0 bytes", byteOffset: 0),
    .init("seven bytes", [UInt8](repeating: 0, count: 7), "has 7 bytes", byteOffset: 0),
    .init(
      "header just over the limit", SafetensorsBytes.file("{}", length: 100_000_001),
      "claims 100000001 bytes, more than the limit", byteOffset: 0),
    .init(
      "header length with all bits set", SafetensorsBytes.file("{}", length: .max),
      "more than the limit", byteOffset: 0),
    .init(
      "header length that is negative when signed", SafetensorsBytes.file("{}", length: 1 << 63),
      "more than the limit", byteOffset: 0),
    .init("a web page", Array("<!DOCTYPE html><html></html>".utf8), "probably no safetensors file"),
    .init(
      "header one byte longer than the file", SafetensorsBytes.file("{}", length: 3),
      "only 2 follow; the file is truncated", byteOffset: 0),
    .init("header of no bytes", SafetensorsBytes.file(""), "ends where a value", byteOffset: 8),
  ]

  static let texts: [MalformedFile] = [
    .init("header is a list", header: "[]", "not a JSON object", byteOffset: 8),
    .init("header is a number", header: "12", "not a JSON object", byteOffset: 8),
    .init("header is null", header: "null", "not a JSON object", byteOffset: 8),
    .init("byte order mark", header: "\u{FEFF}{}", "cannot start with", byteOffset: 8),
    .init(
      "zeros after the header", SafetensorsBytes.file([0x7B, 0x7D, 0, 0]), "text after the end"),
    .init("two documents", header: "{}{}", "text after the end", byteOffset: 10),
    .init("object not closed", header: "{\"a\":{}", "',' or '}'", byteOffset: 15),
    .init("trailing comma", header: "{\"a\":{},}", "A JSON key was expected"),
    .init("key without quotes", header: "{a:{}}", "A JSON key was expected", byteOffset: 9),
    .init("no colon", header: "{\"a\" {}}", "A ':' was expected"),
    .init("text not closed", header: "{\"a", "no closing quote", byteOffset: 9),
    .init(
      "name that is not UTF-8",
      SafetensorsBytes.file(Array("{\"".utf8) + [0xC3, 0x28] + Array("\":{}}".utf8)),
      "not valid UTF-8", byteOffset: 9),
    .init(
      "name with a surrogate in UTF-8",
      SafetensorsBytes.file(Array("{\"".utf8) + [0xED, 0xA0, 0x80] + Array("\":{}}".utf8)),
      "not valid UTF-8"),
    .init(
      "name with half a surrogate pair", header: "{\"\\uD800\":{}}", "half of a surrogate pair"),
    .init("name with an unknown escape", header: "{\"\\x41\":{}}", "unknown escape"),
    .init("name with a raw newline", header: "{\"a\nb\":{}}", "raw control character"),
    .init("misspelt word", header: "{\"a\":nul}", "misspelt"),
    .init(
      "nested too deeply", header: String(repeating: "{\"a\":", count: 200), "nested deeper than"),
    .init(
      "nested lists by the million",
      SafetensorsBytes.file([UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)),
      "nested deeper than"),
    .init(
      "tensor written twice",
      header: """
        {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},\
        "a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}
        """, data: 2, "\"a\" is written twice"),
    .init(
      "tensor written twice, once with an escape",
      header: """
        {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},\
        "\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}
        """, data: 2, "\"a\" is written twice"),
  ]

  static let entries: [MalformedFile] = [
    .init(entry: "entry is a list", "[]", "not an object"),
    .init(entry: "entry is null", "null", "not an object"),
    .init(entry: "no dtype", #"{"shape":[2],"data_offsets":[0,8]}"#, "no dtype"),
    .init(entry: "dtype is a number", #"{"dtype":4,"shape":[2],"data_offsets":[0,8]}"#, "no dtype"),
    .init(
      entry: "unknown dtype", #"{"dtype":"F31","shape":[2],"data_offsets":[0,8]}"#,
      "\"F31\" is not one"),
    .init(
      entry: "dtype in lower case", #"{"dtype":"f32","shape":[2],"data_offsets":[0,8]}"#,
      "\"f32\" is not one"),
    .init(
      "dtype written twice",
      header: #"{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}}"#, data: 8,
      "\"dtype\" is written twice"),
  ]

  static let shapes: [MalformedFile] = [
    .init(entry: "no shape", #"{"dtype":"F32","data_offsets":[0,8]}"#, "no shape"),
    .init(
      entry: "shape is a number", #"{"dtype":"F32","shape":2,"data_offsets":[0,8]}"#, "no shape"),
    .init(
      entry: "negative extent", #"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#, "holds -2"),
    .init(
      entry: "two negative extents", #"{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}"#,
      "holds -1"),
    .init(
      entry: "fractional extent", #"{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}"#,
      "holds 2.0"),
    .init(
      entry: "extent with an exponent", #"{"dtype":"F32","shape":[2e0],"data_offsets":[0,8]}"#,
      "holds 2e0"),
    .init(
      entry: "extent is a text", #"{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}"#,
      "holds \"2\""),
    .init(
      entry: "extent beyond 64 bits",
      #"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]}"#, "which is no extent"),
    .init(
      entry: "element count overflows",
      #"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}"#, "no valid size"),
    .init(
      entry: "bit count overflows",
      #"{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,8]}"#, "no valid size"),
    .init(
      entry: "four-bit elements that do not fill a byte",
      #"{"dtype":"F4","shape":[15],"data_offsets":[0,8]}"#, "no valid size"),
    .init(
      entry: "six-bit elements that do not fill a byte",
      #"{"dtype":"F6_E2M3","shape":[3],"data_offsets":[0,2]}"#, "no valid size"),
  ]

  static let offsets: [MalformedFile] = [
    .init(entry: "no offsets", #"{"dtype":"F32","shape":[2]}"#, "two whole numbers"),
    .init(
      entry: "one offset", #"{"dtype":"F32","shape":[2],"data_offsets":[8]}"#, "two whole numbers"),
    .init(
      entry: "three offsets", #"{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}"#,
      "two whole numbers"),
    .init(
      entry: "offsets are texts", #"{"dtype":"F32","shape":[2],"data_offsets":["0","8"]}"#,
      "two whole numbers"),
    .init(
      entry: "fractional offset", #"{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}"#,
      "two whole numbers"),
    .init(
      entry: "offset beyond 64 bits",
      #"{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}"#, "two whole numbers"),
    .init(
      entry: "negative offset", #"{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}"#,
      "[-8, 0] do not lie within"),
    .init(
      entry: "offsets reversed", #"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
      "[8, 0] do not lie within"),
    .init(
      entry: "data cut short", #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, data: 7,
      "within the 7 bytes of data; the file may be truncated"),
    .init(
      entry: "offsets at the largest number",
      #"{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775799,9223372036854775807]}"#,
      "do not lie within"),
    .init(
      entry: "offsets span too much", #"{"dtype":"F32","shape":[1],"data_offsets":[0,8]}"#,
      "span 8 bytes, but F32 [1] takes 4"),
    .init(
      entry: "offsets span too little", #"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#,
      "span 8 bytes, but F32 [3] takes 12"),
  ]

  static let layouts: [MalformedFile] = [
    .init(
      "data does not start at zero",
      header: #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#, data: 8,
      "starts at data byte 4 and leaves a hole after byte 0", tensor: "a", byteOffset: 65),
    .init(
      "hole between tensors",
      header: """
        {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},\
        "b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}
        """, data: 3, "leaves a hole after byte 1", tensor: "b"),
    .init(
      "overlapping tensors",
      header: """
        {"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},\
        "b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}
        """, data: 4, "overlaps what lies before byte 3", tensor: "b"),
    .init(
      "two tensors of the same bytes",
      header: """
        {"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},\
        "b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}
        """, data: 3, "overlaps what lies before byte 3"),
    .init(
      "empty tensor inside another",
      header: """
        {"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},\
        "b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}
        """, data: 3, "overlaps what lies before byte 3", tensor: "b"),
    .init(
      "bytes after the last tensor",
      header: #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, data: 5,
      "end at data byte 4, but the file holds 5"),
    .init(
      "data without tensors", header: "{}", data: 1, "end at data byte 0, but the file holds 1"),
  ]

  static let metadata: [MalformedFile] = [
    .init("metadata is a list", header: #"{"__metadata__":[]}"#, "not an object of texts"),
    .init("metadata is a text", header: #"{"__metadata__":"pt"}"#, "not an object of texts"),
    .init(
      "metadata holds a number", header: #"{"__metadata__":{"step":12}}"#,
      "entry \"step\" is not a text"),
    .init(
      "metadata key written twice", header: #"{"__metadata__":{"k":"1","k":"2"}}"#,
      "\"k\" is written twice"),
  ]
}

@Suite("Malformed safetensors files")
struct MalformedFileTests {
  @Test("Each fault is named, with its place", arguments: MalformedFile.all)
  func isRejected(file: MalformedFile) throws {
    let scratch = try ScratchDirectory()
    let path = try scratch.write("wrong.safetensors", file.bytes)
    let error = try #require(throws: TinctureError.self) { try SafetensorsFile(opening: path) }
    #expect(error.code == .checkpoint)
    #expect(error.message.contains(file.message), "\(error.message)")
    #expect(error.place.file == path.string)
    if let tensor = file.tensor { #expect(error.place.tensor == tensor) }
    if let offset = file.byteOffset { #expect(error.place.byteOffset == offset) }
    #expect(error.message.utf8.count < 400, "the message stays short")
  }

  @Test("A file cut at any length is rejected")
  func truncation() throws {
    let bytes = SafetensorsBytes.small
    _ = try SafetensorsBytes.open(bytes)
    for length in 0..<bytes.count {
      let error = #expect(throws: TinctureError.self) {
        try SafetensorsBytes.open(Array(bytes[..<length]))
      }
      #expect(error?.code == .checkpoint, "cut to \(length) bytes")
    }
  }

  @Test("No change of a few bytes crashes the reader, and what it accepts lies within the file")
  func mutations() throws {
    let random = CounterRandom(seed: 5, tensor: "mutations", purpose: "tests")
    var draws = 0
    func next(_ bound: Int) -> Int {
      draws += 1
      return Int(random.bits(at: draws) % UInt64(max(1, bound)))
    }
    let scratch = try ScratchDirectory()
    let interesting: [UInt8] = [
      0, 0x20, 0x22, 0x2C, 0x2D, 0x30, 0x39, 0x5B, 0x7B, 0x7F, 0x80, 0xFF,
    ]
    var accepted = 0
    for _ in 0..<5000 {
      var bytes = SafetensorsBytes.small
      for _ in 0...next(4) {
        let position = next(bytes.count)
        switch next(4) {
        case 0: bytes[position] = interesting[next(interesting.count)]
        case 1: bytes[position] ^= 1 << UInt8(next(8))
        case 2: bytes.remove(at: position)
        default: bytes.insert(bytes[next(bytes.count)], at: position)
        }
      }
      let path = try scratch.write("mutated.safetensors", bytes)
      guard let file = try? SafetensorsFile(opening: path) else { continue }
      accepted += 1
      for tensor in file.header.tensors {
        _ = try file.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
      }
    }
    #expect(accepted > 100, "changes of names and data are harmless")
    #expect(accepted < 4000, "most changes of the header are not")
  }

  @Test("What is no regular file is refused at once", arguments: ["/", "/dev/null", "/dev/zero"])
  func irregular(path: String) {
    let error = #expect(throws: TinctureError.self) { try InputFile(opening: FilePath(path)) }
    #expect(error?.code == .io)
  }

  @Test("A file that does not exist is a missing input")
  func missing() throws {
    let path = try ScratchDirectory().path.appending("none.safetensors")
    let error = #expect(throws: TinctureError.self) { try SafetensorsFile(opening: path) }
    #expect(error?.code == .missingInput)
    #expect(error?.place.file == path.string)
  }

  @Test("A file that is cut while it is read is an input failure with the byte")
  func cutInUse() throws {
    let scratch = try ScratchDirectory()
    let path = try scratch.write("model.safetensors", SafetensorsBytes.small)
    let file = try SafetensorsFile(opening: path)
    try scratch.write("model.safetensors", Array(SafetensorsBytes.small[..<40]))
    let tensor = try #require(file.header.tensors.first)
    let error = #expect(throws: TinctureError.self) {
      try file.file.bytes(at: tensor.byteOffset, count: tensor.byteCount)
    }
    #expect(error?.code == .io)
    #expect(error?.place.byteOffset == tensor.byteOffset)
  }
}
