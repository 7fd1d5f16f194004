import Foundation
import SystemPackage
import Testing
import TinctureData
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

extension Trait where Self == ConditionTrait {
  /// Skips a test where pictures cannot be decoded, and says what to install.
  static var needsImageLibraries: Self {
    .enabled(
      if: ["rgb.png", "rgb.jpg"].allSatisfy { (try? decoded($0)) != nil },
      "Install the decoders: apt install libturbojpeg0 libpng16-16 zlib1g")
  }
}

/// A picture of the fixtures, decoded.
func decoded(_ name: String) throws -> PixelImage {
  try ImageDecoder.decode(contents(name), source: name)
}

/// The bytes of a fixture.
func contents(_ name: String) throws -> [UInt8] {
  try InputFile(opening: fixture(name)).contents()
}

@Suite("Pictures")
struct ImageTests {
  static let exact = [
    "rgb.png", "rgba.png", "grey.png", "grey_alpha.png", "palette.png", "gamma.png",
  ]
  static let near = ["rgb.jpg", "rgb_420.jpg", "progressive.jpg", "grey.jpg", "wide.png"]

  @Test("Pixels are Pillow's", .needsImageLibraries, .needsZlib, arguments: exact + near)
  func pixels(name: String) throws {
    let image = try decoded(name)
    let expected = try ArrayDataSet.npz(fixture("images.npz")).numbers(name, at: [0])
    #expect(
      [image.height, image.width] + (image.channels == 1 ? [] : [image.channels])
        == expected.extents)
    let difference = zip(image.bytes, expected.bytes).map { abs(Int($0) - Int($1)) }.max()
    // Versions of libjpeg-turbo round differently, and Pillow cuts 16 bits where libpng rounds.
    #expect((difference ?? 0) <= (Self.near.contains(name) ? 1 : 0))
  }

  @Test("Truncated and damaged pictures are refused, never a crash", .needsImageLibraries)
  func damaged() throws {
    for name in Self.exact + Self.near {
      let bytes = try contents(name)
      for count in stride(from: 0, to: bytes.count - 2, by: max(1, bytes.count / 40)) {
        expectFailure("", .data) {
          _ = try ImageDecoder.decode(Array(bytes[..<count]), source: name)
        }
      }
      for position in stride(from: 8, to: bytes.count, by: 13) {
        var changed = bytes
        changed[position] = ~changed[position]
        _ = try? ImageDecoder.decode(changed, source: name)
      }
    }
  }

  @Test("Huge extents are refused before anything is allocated", .needsImageLibraries)
  func huge() throws {
    var jpeg = try contents("rgb.jpg")
    let frame = try #require(
      jpeg.indices.dropLast().first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0xFD, 0xE8, 0xFD, 0xE8])
    expectFailure("65000 × 65000") { _ = try ImageDecoder.decode(jpeg, source: "a.jpg") }
    jpeg.replaceSubrange(frame + 5..<frame + 9, with: [0x20, 0, 0x20, 0])
    expectFailure("cannot hold") { _ = try ImageDecoder.decode(jpeg, source: "a.jpg") }
    expectFailure("neither JPEG nor PNG") {
      _ = try ImageDecoder.decode(Array("GIF89a".utf8), source: "a.gif")
    }
  }

  @Test("Resizing and cropping are Pillow's to the last bit", .needsZlib)
  func resizing() throws {
    for (height, width, size) in [
      (37, 53, 24), (53, 37, 24), (40, 40, 24), (37, 53, 61), (200, 31, 24), (24, 24, 24),
      (25, 60, 24), (90, 70, 32),
    ] {
      let name = "\(height)_\(width)_\(size)"
      let data = try ArrayDataSet.npz(fixture("sizes.npz"), columns: ["in_" + name, "out_" + name])
      let image = try data.images("in_" + name, at: [0])[0]
      let expected = try data.images("out_" + name, at: [0])[0]
      var preprocessor = ImagePreprocessor.clip
      preprocessor.size = size
      let differences = zip(preprocessor.cropped(image).bytes, expected.bytes).map {
        abs(Int($0) - Int($1))
      }
      #expect(differences.count == size * size * 3)
      #expect(differences.allSatisfy { $0 == 0 }, "\(name): \(differences.max() ?? 0)")
    }
  }

  @Test("CLIP's numbers: red first, scaled and normalised")
  func clip() {
    let image = PixelImage(
      width: 300, height: 224,
      channels: 3, bytes: (0..<300 * 224).flatMap { _ in [UInt8(255), 0, 128] })
    let numbers = ImagePreprocessor.clip.apply(to: image)
    let area = 224 * 224
    #expect(numbers.count == 3 * area)
    let expected: [Float] = [
      (1 - 0.481_454_66) / 0.268_629_54, -0.457_827_5 / 0.261_302_58,
      (128 / 255 - 0.408_210_73) / 0.275_777_11,
    ]
    for (channel, value) in expected.enumerated() {
      #expect((numbers[channel * area + 5] - value).magnitude < 1e-6)
    }
  }

  @Test("A picture of one row is not made huge")
  func thin() {
    let image = PixelImage(
      width: 1_000_000, height: 1, channels: 1, bytes: [UInt8](repeating: 9, count: 1_000_000))
    let small = ImagePreprocessor.clip.cropped(image)
    #expect(small.bytes == [UInt8](repeating: 9, count: 3 * 224 * 224))
  }

  @Test("Grey is repeated, alpha dropped or laid over a ground")
  func channels() {
    let grey = PixelImage(width: 2, height: 1, channels: 2, bytes: [10, 0, 20, 255])
    #expect(grey.rgb().bytes == [10, 10, 10, 20, 20, 20])
    #expect(grey.rgb(alpha: .composite(over: 255)).bytes == [255, 255, 255, 20, 20, 20])
    let planar = NumberBlock(
      dtype: .u8, extents: [3, 1, 2], count: 1, bytes: [1, 2, 3, 4, 5, 6])
    #expect(planar.exampleSize == 6)
  }

  @Test("A folder for each class, and lists", .needsImageLibraries)
  func folders() throws {
    let scratch = try ScratchDirectory()
    let png = try contents("rgb.png")
    let jpeg = try contents("rgb.jpg")
    for folder in ["b", "a", "a/deep", ".hidden"] {
      try FileManager.default.createDirectory(
        atPath: scratch.path.appending(folder).string, withIntermediateDirectories: true)
    }
    for (name, bytes) in [
      ("b/1.png", png), ("a/2.JPG", jpeg), ("a/deep/3.jpeg", jpeg), ("a/notes.txt", [1]),
      ("a/.4.png", png), ("top.png", png),
    ] { try scratch.write(name, bytes) }
    let data = try ImageFolder(opening: scratch.path)
    #expect(data.classes == ["a", "b"])
    #expect(try data.texts("path", at: [0, 1, 2]) == ["a/2.JPG", "a/deep/3.jpeg", "b/1.png"])
    #expect(try data.integers("label", at: [0, 1, 2]) == [0, 0, 1])
    #expect(try data.images("image", at: [2, 0]).map(\.width) == [53, 53])
    let chosen = try ImageFolder(opening: scratch.path, classes: ["b"])
    #expect(chosen.count == 1)
    expectFailure("", .missingInput) { _ = try ImageFolder(opening: scratch.path, classes: ["c"]) }
    let list = try scratch.write("list.txt", Array("# a\n\nb/1.png 1\r\na/2.JPG\t0\n".utf8))
    let listed = try ImageFolder(list: list)
    #expect(try listed.integers("label", at: [0, 1]) == [1, 0])
    #expect(try listed.images("image", at: [1]).count == 1)
    let named = try scratch.write("named.txt", Array("b/1.png cat\nb/1.png dog\n".utf8))
    #expect(
      try ImageFolder(list: named, classes: ["dog", "cat"]).integers("label", at: [0, 1]) == [1, 0])
    expectFailure("no whole number", line: 1) { _ = try ImageFolder(list: named) }
    expectFailure("none of the classes", line: 2) {
      _ = try ImageFolder(list: named, classes: ["cat"])
    }
    let bare = try scratch.write("bare.txt", Array("x.png\n".utf8))
    expectFailure("no label", line: 1) { _ = try ImageFolder(list: bare) }
    try scratch.write("a/5.png", Array(png[..<200]))
    let broken = try ImageFolder(opening: scratch.path)
    expectFailure("truncated") { _ = try broken.images("image", at: [1]) }
  }
}
