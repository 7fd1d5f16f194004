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
      ("\"affine\",\"bits\":3", "\"affine\",\"bits\":4"),
      ("\"kind\":\"affine\"", "\"kind\":\"magic!\""),
      ("\"group\":\"tensor\"", "\"group\":\"column\""),
      ("\"role\":\"difference\"", "\"role\":\"shared\""),
      ("\"name\":\"e0\"", "\"name\":\"e1\""), ("\"shape\":[37,29]", "\"shape\":[37,28]"),
      ("expert/e0", "expert/zz"), ("\"sha256\":\"", "\"sha256\":\"x"),
      ("\"codec\":{\"kind\":\"tvq\"", "\"codec\":{\"kind\":\"xyz\""),
      ("\"clip\":false", "\"clip\":0"),
    ])
  func contradictions(old: String, new: String) async throws {
    let fixture = try BankFixture(experts: 2)
    try await fixture.create(BankCodec(.tvq, bits: 3))
    let container = try SafetensorsFile(opening: fixture.path("x.bank"))
    let text = try #require(
      container.header.metadata.first { $0.key == BankManifest.metadataKey }?.value)
    #expect(text.contains(old))
    let changed = text.replacing(old, with: new, maxReplacements: 1)
    for digest in [BankManifest.digest(of: changed), BankManifest.digest(of: text)] {
      let path = try rewrite(container, changed, digest, in: fixture)
      let error = try await failure { _ = try ExpertBank(opening: path) }
      #expect(error.code == .checkpoint)
      #expect(error.place.file == path.string)
      #expect(error.message.contains("not the one that was stored") == (digest != own(changed)))
    }
  }

  private func own(_ text: String) -> String { BankManifest.digest(of: text) }

  /// The container with another description.
  private func rewrite(
    _ container: SafetensorsFile, _ text: String, _ digest: String, in fixture: BankFixture
  ) throws -> FilePath {
    let data = try container.file.bytes(
      at: container.header.dataOffset, count: container.file.size - container.header.dataOffset)
    let header = SafetensorsHeader.encode(
      tensors: container.header.tensors.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [(BankManifest.metadataKey, text), (BankManifest.digestKey, digest)])
    return try fixture.folder.write("odd.bank", header + data)
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

  @Test(
    "NaN and infinity in an expert are refused with their place, and nothing is left behind",
    arguments: BankFixture.usable([
      BankCodec(.raw), BankCodec(.affine), BankCodec(.tvq), BankCodec(.rtvq),
      BankCodec(.tvq, grouping: .run(64)), BankCodec(.tall), BankCodec(.emr), BankCodec(.svd),
      BankCodec(.sparse), BankCodec(.binary),
    ]), ["a.weight", "b.bias"])
  func notFinite(codec: BankCodec, tensor: String) async throws {
    for value in [Float.nan, -.infinity] {
      let fixture = try BankFixture(experts: 3)
      var model = try fixture.expert("e1")
      model.replace(23, of: tensor, by: value)
      _ = try fixture.folder.write("e1.safetensors", model.safetensors)
      let before = try fixture.folder.names()
      let error = try await failure { try await fixture.create(codec) }
      #expect(error.code == .checkpoint)
      #expect(error.place.tensor == tensor)
      // The mean of all experts is not finite either, and belongs to none of them.
      if codec.kind != .rtvq { #expect(error.place.model == "e1") }
      #expect(error.message.contains("Element 23 "))
      #expect(try fixture.folder.names() == before)
    }
  }

  @Test("Infinities that the base has, too, take no room", arguments: BankFixture.kinds)
  func sharedInfinities(kind: BankCodec.Kind) async throws {
    let fixture = try BankFixture(experts: 2)
    for name in ["base", "e0", "e1"] {
      var model = try name == "base" ? fixture.base : fixture.expert(name)
      model.replace(5, of: "frozen.weight", by: -.infinity)
      _ = try fixture.folder.write("\(name).safetensors", model.safetensors)
    }
    let bank = try await fixture.create(BankCodec(kind))
    #expect(try bank.record("frozen.weight", of: "e0") == nil)
    #expect(try fixture.read("e0")["frozen.weight"]?[5] == -.infinity)
  }

  @Test("A bank never replaces one of its inputs or a directory")
  func inputsStay() async throws {
    let fixture = try BankFixture(experts: 2)
    let before = try InputFile(opening: fixture.path("e0.safetensors")).contents()
    for name in ["e0.safetensors", "base.safetensors"] {
      let error = try await failure { try await fixture.create(BankCodec(.raw), as: name) }
      #expect(error.code == .cannotCreate)
      #expect(error.message.contains("is an input"))
    }
    #expect(try InputFile(opening: fixture.path("e0.safetensors")).contents() == before)
    let folder = try await failure { try await fixture.create(BankCodec(.raw), as: ".") }
    #expect(folder.code == .cannotCreate)
  }

  @Test(
    "A codec that needs a shared vector is refused where there is none of its kind",
    arguments: [
      (BankCodec.Kind.tvq, BankCodec.Kind.rtvq), (.tvq, .emr), (.rtvq, .tall), (.raw, .tall),
    ])
  func lackingShared(bank: BankCodec.Kind, added: BankCodec.Kind) async throws {
    let fixture = try BankFixture(experts: 3)
    try await fixture.create(BankCodec(bank), ["e0", "e1"])
    let before = try InputFile(opening: fixture.path("x.bank")).contents()
    let error = try await failure { try await fixture.add("e2", BankCodec(added)) }
    #expect(error.code == .usage)
    #expect(error.message.contains(bank.rawValue))
    #expect(try InputFile(opening: fixture.path("x.bank")).contents() == before)
  }
}
