import Foundation
import SystemPackage
import Testing
import TinctureData
import TinctureMergeTesting
import TinctureTensors

@Suite("Arrays")
struct ArrayTests {
  @Test("All types, byte orders and axis orders of NumPy are read, deflated", .needsZlib)
  func numpy() throws {
    let data = try ArrayDataSet.npz(fixture("arrays.npz"))
    #expect(data.count == 5)
    #expect(data.columns.count == 48)
    for column in data.columns {
      for indices in [[0, 1, 2, 3, 4], [3], [4, 0, 1, 1], []] {
        let expected = indices.flatMap { example in
          (0..<6).map { expectedNumber(6 * example + $0, column.name) }
        }
        let doubles = try data.doubles(column.name, at: indices)
        #expect(doubles == expected, "\(column.name)")
        #expect(try data.floats(column.name, at: indices) == expected.map { Float($0) })
        if !column.name.hasPrefix("f") {
          #expect(try data.integers(column.name, at: indices) == expected.map { Int($0) })
        }
      }
    }
  }

  @Test("Long deflated arrays are unpacked in steps", .needsZlib)
  func long() throws {
    let data = try ArrayDataSet.npz(fixture("long.npz"))
    #expect(data.count == 200_000)
    #expect(try data.integers("x", at: [0, 6, 7, 199_999]) == [0, 0, 1, 28571])
  }

  @Test("Stored archives are read in place, by names")
  func stored() throws {
    let data = try ArrayDataSet.npz(fixture("stored.npz"))
    #expect(data.columns.map(\.name) == ["x", "y"])
    #expect(try data.integers("y", at: [4, 3]) == [4, 3])
    #expect(try ArrayDataSet.npz(fixture("stored.npz"), columns: ["y"]).columns.count == 1)
    expectFailure("no array \"z\"; the file holds \"x\", \"y\"") {
      _ = try ArrayDataSet.npz(fixture("stored.npz"), columns: ["z"])
    }
    expectFailure("no column \"z\"; there are \"x\", \"y\"") { _ = try data.floats("z", at: [0]) }
    expectFailure("whole") { _ = try data.integers("x", at: [0]) }
    expectFailure("not text") { _ = try data.texts("x", at: [0]) }
    expectFailure("not U8 pictures") { _ = try data.images("x", at: [0]) }
  }

  @Test("Versions 1 to 3 of npy", arguments: [UInt8(1), 2, 3])
  func versions(_ version: UInt8) throws {
    let scratch = try ScratchDirectory()
    let header = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }   \n"
    let path = try scratch.write(
      "labels.npy", npy(version: version, header: header, data: littleEndian([Int16(1), -2, 3])))
    let data = try ArrayDataSet.npy(path)
    #expect(data.columns == [DataColumn("labels", .numbers(.i16, extents: []))])
    #expect(try data.integers("labels", at: [2, 1]) == [3, -2])
  }

  @Test("Malformed npy files are refused", arguments: hostile)
  func refused(_ hostile: HostileBytes) throws {
    let scratch = try ScratchDirectory()
    let path = try scratch.write("x.npy", hostile.bytes)
    expectFailure(hostile.fragment) { _ = try ArrayDataSet.npy(path) }
  }

  static func header(
    _ descr: String = "'<f4'", _ order: String = "False", _ shape: String = "(2, 3)"
  ) -> String {
    "{'descr': \(descr), 'fortran_order': \(order), 'shape': \(shape), }\n"
  }

  static let hostile: [HostileBytes] = [
    .init("empty", [], "no npy file"),
    .init("magic", Array("PK\u{3}\u{4}aaaaaaaaaa".utf8), "no npy file"),
    .init("magic alone", [0x93] + Array("NUMPY".utf8) + [2, 0, 1, 0], "cut"),
    .init("version", npy(version: 9, header: header(), data: []), "version 9.0"),
    .init("long header", npy(version: 2, header: "{", claimedLength: 1 << 30, data: []), "at most"),
    .init("cut header", npy(header: header(), claimedLength: 999, data: []), "more than"),
    .init("no text", npy(header: "{", data: []), "not a description"),
    .init("object", npy(header: header("'|O'"), data: []), "\"|O\" is not read"),
    .init("complex", npy(header: header("'<c8'"), data: []), "\"<c8\" is not read"),
    .init("structured", npy(header: header("[('a', '<f4')]"), data: []), "not a description"),
    .init("order", npy(header: header("'<f4'", "None"), data: []), "not a description"),
    .init(
      "negative", npy(header: header("'<f4'", "False", "(-1,)"), data: []), "not a description"),
    .init(
      "huge", npy(header: header("'<f4'", "False", "(9999999999, 9999999999)"), data: []),
      "overflows"),
    .init(
      "digits", npy(header: header("'<f4'", "False", "(99999999999999999999,)"), data: []),
      "not a description"),
    .init("truncated", npy(header: header(), data: [0, 0, 0]), "needs 24 bytes, but 3"),
    .init("surplus", npy(header: header(), data: Array(repeating: 0, count: 25)), "25 follow"),
    .init(
      "no axis", npy(header: header("'<f4'", "False", "()"), data: [0, 0, 0, 0]), "single number"),
    .init(
      "no numbers", npy(header: header("'<f4'", "False", "(4611686018427387904, 0)"), data: []),
      "hold nothing"),
    .init("code", npy(header: "__import__('os')", data: []), "not a description"),
    .init("trailing", npy(header: header() + "1", data: []), "not a description"),
  ]

  @Test("A damaged archive is refused, wherever a byte is wrong", .needsZlib)
  func damaged() throws {
    let scratch = try ScratchDirectory()
    let bytes = try Array(Data(contentsOf: URL(filePath: fixture("long.npz").string)))
    for count in stride(from: 0, to: bytes.count, by: 97) {
      let path = try scratch.write("cut.npz", Array(bytes[..<count]))
      #expect(throws: TinctureError.self) { try ArrayDataSet.npz(path) }
    }
    var refused = 0
    for position in stride(from: 60, to: bytes.count - 200, by: 211) {
      var changed = bytes
      changed[position] ^= 0x10
      let path = try scratch.write("changed.npz", changed)
      let error = #expect(throws: TinctureError.self) { try ArrayDataSet.npz(path) }
      #expect(error?.place.file?.contains("changed.npz") == true)
      #expect(error?.code == .data)
      refused += 1
    }
    #expect(refused > 3)
  }

  @Test("Tensors of a safetensors file are columns")
  func safetensorsColumns() throws {
    let scratch = try ScratchDirectory()
    let path = try scratch.write(
      "data.safetensors",
      safetensors(
        #"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"#
          + #""y":{"dtype":"I64","shape":[2],"data_offsets":[16,32]},"#
          + #""z":{"dtype":"U8","shape":[3],"data_offsets":[32,35]}}"#,
        littleEndian([Float(1), 2, 3, 4].map(\.bitPattern)) + littleEndian([Int64(-7), 8])
          + [1, 2, 3]))
    let data = try ArrayDataSet.safetensors(path, columns: ["x", "y"])
    #expect(try data.floats("x", at: [1, 0]) == [3, 4, 1, 2])
    #expect(try data.integers("y", at: [0, 1]) == [-7, 8])
    expectFailure("\"x\" has 2 examples and \"z\" has 3") { _ = try ArrayDataSet.safetensors(path) }
    expectFailure("no array \"w\"") { _ = try ArrayDataSet.safetensors(path, columns: ["w"]) }
  }

  @Test("IDX files, plain and packed, and their folders")
  func idxFiles() throws {
    let scratch = try ScratchDirectory()
    try scratch.write("train-labels-idx1-ubyte", idx(extents: [5], data: [4, 3, 2, 1, 0]))
    let packed = try Array(Data(contentsOf: URL(filePath: fixture("numbers-idx3-ubyte.gz").string)))
    try scratch.write("train-images-idx3-ubyte.gz", packed)
    let data = try ArrayDataSet.mnist(scratch.path, part: "train")
    #expect(data.columns.map(\.name) == ["image", "label"])
    #expect(try data.integers("label", at: [0, 4]) == [4, 0])
    #expect(try data.integers("image", at: [4]) == (24..<30).map { Int(expectedNumber($0, "u1")) })
    #expect(try data.images("image", at: [1])[0].width == 3)
    expectFailure("t10k-images-idx3-ubyte", .missingInput) {
      _ = try ArrayDataSet.mnist(scratch.path, part: "t10k")
    }
    let wide = try scratch.write(
      "wide", idx(type: 0x0C, extents: [2], data: [0, 0, 1, 0, 255, 255, 255, 255]))
    #expect(try ArrayDataSet.idx(wide, column: "n").integers("n", at: [0, 1]) == [256, -1])
    for count in stride(from: 0, to: packed.count, by: 3) {
      let path = try scratch.write("cut.gz", Array(packed[..<count]))
      #expect(throws: TinctureError.self) { try ArrayDataSet.idx(path, column: "n") }
    }
    expectFailure("Bytes follow") {
      _ = try ArrayDataSet.idx(scratch.write("joined.gz", packed + packed), column: "n")
    }
  }

  @Test("Malformed IDX files are refused", arguments: hostileIDX)
  func refusedIDX(_ hostile: HostileBytes) throws {
    let scratch = try ScratchDirectory()
    let path = try scratch.write("x-idx", hostile.bytes)
    expectFailure(hostile.fragment) { _ = try ArrayDataSet.idx(path, column: "n") }
  }

  static let hostileIDX: [HostileBytes] = [
    .init("empty", [], "no IDX file"),
    .init("type", [0, 0, 7, 1, 0, 0, 0, 0], "no IDX file"),
    .init("cut", [0, 0, 8, 3, 0, 0, 0, 1], "cut after 8"),
    .init("no axis", [0, 0, 8, 0, 1], "single number"),
    .init("huge", idx(extents: Array(repeating: .max, count: 3), data: []), "overflows"),
    .init("large", idx(extents: [.max, 1000], data: [1]), "but 1 follow"),
    .init("surplus", idx(extents: [1], data: [1, 2]), "but 2 follow"),
  ]

  @Test("Joined data sets have the columns of all")
  func joined() throws {
    let scratch = try ScratchDirectory()
    let a = try ArrayDataSet.idx(scratch.write("a", idx(extents: [2], data: [1, 2])), column: "a")
    let b = try ArrayDataSet.idx(scratch.write("b", idx(extents: [2], data: [3, 4])), column: "b")
    let c = try ArrayDataSet.idx(scratch.write("c", idx(extents: [1], data: [3])), column: "c")
    let joined = try JoinedDataSet([a, b])
    #expect(try joined.integers("b", at: [1]) == [4])
    expectFailure("no column \"c\"") { _ = try joined.integers("c", at: [1]) }
    #expect(throws: TinctureError.self) { try JoinedDataSet([a, c]) }
    #expect(throws: TinctureError.self) { try JoinedDataSet([a, a]) }
  }
}

/// Bytes that must be refused, and a part of the message that says why.
struct HostileBytes: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]
  let fragment: String

  init(_ name: String, _ bytes: [UInt8], _ fragment: String) {
    testDescription = name
    self.bytes = bytes
    self.fragment = fragment
  }
}
