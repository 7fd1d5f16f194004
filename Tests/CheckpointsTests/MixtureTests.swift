import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureJSON
import TinctureSafetensors
import TinctureTensors

@Suite("Files of mixtures")
struct MixtureTests {
  private let values: [Float] = [0, 2, 0, -1, 0.5, 0, 0, 0, 3, 0]

  private func shape(_ extents: Int...) -> Shape { Shape(extents) ?? Shape(vector: 0) }

  private func writer(_ routing: Mixture.Routing = .features) -> MixtureWriter {
    var writer = MixtureWriter(method: "test", routing: routing, tasks: ["a", "b"])
    writer.add(.dense(values.span, shape: shape(2, 5), dtype: .f32), of: 0, for: "w")
    writer.add(.sparse(values.span, shape: shape(2, 5), dtype: .f16), of: 1, for: "w")
    let (left, right): ([Float], [Float]) = ([1, 2], [1, 0, -1])
    writer.add(
      .lowRank(left: left.span, right: right.span, rank: 1, shape: shape(2, 3), dtype: .f32),
      of: 0, for: "m")
    writer.addRouter(
      routing == .features ? [] : ["blocks.0", "blocks.1"], [("layers.0.bias", shape(2), [1, 2])])
    writer.settings["activation"] = "relu"
    let means: [Float] =
      routing == .features ? [0.9, 0.1, 0.2, 0.8] : [1, 2, 3, 4, 5, 6, 7, 8]
    writer.setMeans(means, moduleCount: routing == .features ? 1 : 2)
    return writer
  }

  private func opened(_ bytes: [UInt8]) throws -> Mixture {
    let path = FilePath(NSTemporaryDirectory()).appending("mixture-\(UUID().uuidString)")
    try Data(bytes).write(to: URL(filePath: path.string))
    defer { try? FileManager.default.removeItem(atPath: path.string) }
    return try Mixture(opening: path)
  }

  @Test("Vectors come back in every form")
  func forms() throws {
    let mixture = try opened(writer().encoded())
    #expect(mixture.experts.map(\.name) == ["a", "b"])
    #expect(mixture.settings == ["activation": "relu"])
    for expert in mixture.experts {
      var sum = ContiguousArray<Float>(repeating: 1, count: 10)
      try mixture.add(#require(expert.vectors["w"]), times: 2, to: &sum)
      #expect(Array(sum) == values.map { 1 + 2 * $0 })
    }
    var product = ContiguousArray<Float>(repeating: 0, count: 6)
    try mixture.add(#require(mixture.experts[0].vectors["m"]), times: 1, to: &product)
    #expect(Array(product) == [1, 0, -1, 2, 0, -2])
    // A bit for each element and two bytes for each value.
    #expect(mixture.experts[1].vectors["w"]?.byteCount == 2 + 4 * 2)
    #expect(try mixture.meanWeights(1) == ["": [0.2, 0.8]])
    let blocks = try opened(writer(.perceptrons).encoded())
    #expect(blocks.modules == ["blocks.0", "blocks.1"])
    #expect(try blocks.meanWeights(1) == ["blocks.0": [5, 6], "blocks.1": [7, 8]])
    #expect(writer().encoded() == writer().encoded())
    #expect(throws: TinctureError.self) { try mixture.index(of: "c") }
  }

  /// The file with a part of its description replaced by another.
  private func changed(_ part: String, to other: String) throws -> [UInt8] {
    let file = FilePath(NSTemporaryDirectory()).appending("mixture-\(UUID().uuidString)")
    let bytes = writer().encoded()
    try Data(bytes).write(to: URL(filePath: file.string))
    defer { try? FileManager.default.removeItem(atPath: file.string) }
    let header = try SafetensorsFile(opening: file).header
    let text = try #require(
      header.metadata.first { $0.key == Mixture.metadataKey }?.value)
    #expect(text.contains(part), "The description has no \(part).")
    let tensors = header.tensors.map { ($0.name, $0.dtype, $0.shape) }
    let length = header.tensors.reduce(0) { $0 + $1.byteCount }
    return SafetensorsHeader.encode(
      tensors: tensors,
      metadata: [(Mixture.metadataKey, text.replacing(part, with: other, maxReplacements: 1))])
      + bytes.suffix(length)
  }

  @Test(
    "A description that is wrong is refused with what is wrong",
    arguments: [
      ("\"version\":1", "\"version\":9", "has version 9"),
      ("\"version\":1", "\"version\":0", "has no version"),
      ("\"routing\":\"features\"", "\"routing\":\"stars\"", "no kind of routing"),
      ("\"experts\":[", "\"expert\":[", "no experts"),
      ("\"name\":\"b\"", "\"name\":\"a\"", "two experts 'a'"),
      (
        "\"dense\":\"experts/a/w\"", "\"dense\":\"experts/a/x\"",
        "'experts/a/x', which is not there"
      ),
      (
        "\"shape\":[2,5],\"form\":\"dense\"", "\"shape\":[5,5],\"form\":\"dense\"",
        "from F32 [2, 5]"
      ),
      ("\"shape\":[2,5],\"form\":\"sparse\"", "\"shape\":[9,5],\"form\":\"sparse\"", "from U8 [2]"),
      ("\"shape\":[2,3]", "\"shape\":[3,2]", "from F32 [2, 1] and F32 [1, 3]"),
      ("\"shape\":[2,3]", "\"shape\":[]", "from F32"),
      ("\"shape\":[2,3]", "\"shape\":[-2,3]", "no shape"),
      ("\"form\":\"dense\"", "\"form\":\"holy\"", "form that is not known"),
      ("\"means\":\"means\"", "\"means\":\"experts/a/w\"", "has means of the shape [2, 5]"),
      ("\"modules\":[]", "\"modules\":[\"x\"]", "more than one router"),
      (
        "\"tensors\":{\"layers.0.bias\":\"routers/0/layers.0.bias\"}", "\"tensors\":{}",
        "without tensors"
      ),
    ])
  func faults(part: String, other: String, message: String) throws {
    let bytes = try changed(part, to: other)
    let error = #expect(throws: TinctureError.self) { try opened(bytes) }
    #expect(error?.code == .checkpoint)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test("Marks and values of a sparse vector must be as many, and numbers finite")
  func damagedValues() throws {
    var bytes = writer().encoded()
    let mixture = try opened(bytes)
    guard case .sparse(let mask, let values) = mixture.experts[1].vectors["w"]?.form else {
      Issue.record("The vector is not sparse.")
      return
    }
    bytes[mask.byteOffset] |= 1
    var sum = ContiguousArray<Float>(repeating: 0, count: 10)
    let marked = try opened(bytes)
    #expect(throws: TinctureError.self) {
      try marked.add(#require(marked.experts[1].vectors["w"]), times: 1, to: &sum)
    }
    bytes[mask.byteOffset] &= 0xfe
    // A mark beyond the elements in place of the last one.
    bytes[mask.byteOffset + 1] = 0b1000
    let beyond = try opened(bytes)
    #expect(throws: TinctureError.self) {
      try beyond.add(#require(beyond.experts[1].vectors["w"]), times: 1, to: &sum)
    }
    bytes[mask.byteOffset + 1] = 0b1
    (bytes[values.byteOffset], bytes[values.byteOffset + 1]) = (0, 0x7c)
    let infinite = try opened(bytes)
    let error = #expect(throws: TinctureError.self) {
      try infinite.add(#require(infinite.experts[1].vectors["w"]), times: 1, to: &sum)
    }
    #expect(error?.message.contains("not finite") == true)
  }

  @Test("A file without a description, and one with text that is no JSON, are refused")
  func noDescription() throws {
    for metadata in [[], [(key: Mixture.metadataKey, value: "{")]] {
      let bytes = SafetensorsHeader.encode(
        tensors: [], metadata: metadata.map { ($0.key, $0.value) })
      #expect(throws: TinctureError.self) { try opened(bytes) }
    }
  }
}
