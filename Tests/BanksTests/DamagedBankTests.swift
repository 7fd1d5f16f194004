import SystemPackage
import Testing
import TinctureBanks
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@Suite("Damaged banks and wrong uses")
struct DamagedBankTests {
  private func failure(_ body: () async throws -> Void) async throws -> TinctureError {
    do {
      try await body()
    } catch let error as TinctureError {
      return error
    }
    throw TinctureError(.internalError, "Nothing failed.")
  }

  @Test("A truncated bank is refused wherever it was cut")
  func truncated() async throws {
    let fixture = try BankFixture(experts: 2)
    try await fixture.create(BankCodec(.tvq, bits: 3))
    let bytes = try InputFile(opening: fixture.path("x.bank")).contents()
    for length in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
      let path = try fixture.folder.write("cut.bank", Array(bytes[..<length]))
      let error = try await failure { _ = try ExpertBank(opening: path) }
      #expect(error.code == .checkpoint)
      #expect(error.place.file == path.string)
    }
  }

  @Test("Every flipped bit of the data is found")
  func flippedBits() async throws {
    let fixture = try BankFixture(experts: 2)
    let bank = try await fixture.create(BankCodec(.rtvq, bits: 2, baseBits: 3))
    #expect(try bank.faults().isEmpty)
    let bytes = try InputFile(opening: fixture.path("x.bank")).contents()
    let header = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) } + 8
    for place in stride(from: header, to: bytes.count, by: 97) {
      var damaged = bytes
      damaged[place] ^= 1 << UInt8(place % 8)
      let path = try fixture.folder.write("flip.bank", damaged)
      let faults = try ExpertBank(opening: path).faults()
      #expect(!faults.isEmpty)
      #expect(faults.allSatisfy { $0.place.tensor != nil })
    }
  }

  @Test(
    "A description that contradicts itself is refused",
    arguments: [
      ("\"version\":1", "\"version\":2"), ("\"bits\":3", "\"bits\":9"),
      ("\"bits\":3", "\"bits\":4"), ("\"kind\":\"affine\"", "\"kind\":\"magic!\""),
      ("\"group\":\"tensor\"", "\"group\":\"column\""),
      ("\"role\":\"difference\"", "\"role\":\"shared\""),
      ("\"name\":\"e0\"", "\"name\":\"e1\""), ("\"shape\":[37,29]", "\"shape\":[37,28]"),
      ("expert/e0", "expert/zz"), ("\"sha256\":\"", "\"sha256\":\"x"),
    ])
  func contradictions(old: String, new: String) async throws {
    let fixture = try BankFixture(experts: 2)
    try await fixture.create(BankCodec(.tvq, bits: 3))
    let container = try SafetensorsFile(opening: fixture.path("x.bank"))
    let text = try #require(
      container.header.metadata.first { $0.key == BankManifest.metadataKey }?.value)
    #expect(text.contains(old))
    let data = try container.file.bytes(
      at: container.header.dataOffset, count: container.file.size - container.header.dataOffset)
    let header = SafetensorsHeader.encode(
      tensors: container.header.tensors.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [(BankManifest.metadataKey, text.replacing(old, with: new, maxReplacements: 1))])
    let path = try fixture.folder.write("odd.bank", header + data)
    let error = try await failure { _ = try ExpertBank(opening: path) }
    #expect(error.code == .checkpoint)
    #expect(error.place.file == path.string)
  }

  @Test("An ordinary checkpoint is no bank")
  func noBank() async throws {
    let fixture = try BankFixture(experts: 1)
    let error = try await failure {
      _ = try ExpertBank(opening: fixture.path("base.safetensors"))
    }
    #expect(error.message.contains("no expert bank"))
  }

  @Test("Another base, a missing expert and taken names are refused")
  func wrongUses() async throws {
    let fixture = try BankFixture(experts: 2)
    let codec = BankCodec(.tvq, bits: 3)
    let bank = try await fixture.create(codec)
    let other = fixture.base.mapValues { $0 == "a.weight" && $1 == 3 ? $2 + 1 : $2 }
    _ = try fixture.folder.write("other.safetensors", other.safetensors)
    let wrongBase = try await failure { try bank.requireBase(try fixture.source("other")) }
    #expect(wrongBase.code == .checkpoint)
    let missing = try await failure { _ = try fixture.read("cars") }
    #expect(missing.code == .missingInput)
    #expect(missing.message.contains("e0, e1"))
    let taken = try await failure { try await fixture.add("e1", codec) }
    #expect(taken.code == .usage)
    let odd = try await failure {
      _ = try await BankBuilder(codec: codec).create(
        fixture.path("y.bank"), base: try fixture.source("base"),
        experts: [("../e", try fixture.source("e0"))])
    }
    #expect(odd.code == .usage)
    #expect(try !fixture.folder.names().contains("y.bank"))
  }

  @Test("NaN in an expert is refused with its place, and nothing is left behind")
  func notFinite() async throws {
    let fixture = try BankFixture(experts: 2)
    var model = try fixture.expert("e1")
    model.replace(123, of: "a.weight", by: .nan)
    _ = try fixture.folder.write("e1.safetensors", model.safetensors)
    let before = try fixture.folder.names()
    let error = try await failure { try await fixture.create(BankCodec(.tvq, bits: 3)) }
    #expect(error.code == .checkpoint)
    #expect(error.place.tensor == "a.weight")
    #expect(error.message.contains("123"))
    #expect(try fixture.folder.names() == before)
  }
}
