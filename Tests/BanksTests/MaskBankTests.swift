import Foundation
import SystemPackage
import Testing
import TinctureBanks
import TinctureCheckpoints
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("Banks of masks")
struct MaskBankTests {
  private func fixture(_ name: String) -> FilePath {
    let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/\(name).safetensors")
    return FilePath(url.path)
  }

  private func input(_ path: FilePath, base: ModelInput? = nil) throws -> ModelInput {
    try ModelInput(
      opening: ModelReference(parsing: path.string), locator: ModelLocator(), base: base)
  }

  @Test(
    "Experts are those of the published implementations, within its tolerance",
    arguments: [(BankCodec.Kind.emr, "fb_emr"), (.tall, "fb_tall_40_k2")])
  func goldens(kind: BankCodec.Kind, expected: String) async throws {
    let scratch = try ScratchDirectory()
    let path = scratch.path.appending("x.bank")
    let base = try input(fixture("fb.base"))
    var models: [(name: String, model: any BankModel)] = []
    for number in 0..<4 {
      models.append(
        ("m\(number)", ModelSource(try input(fixture("fb.model\(number)")), base: base)))
    }
    _ = try await BankBuilder(codec: BankCodec(kind), workers: 2).create(
      path, base: ModelSource(base), experts: models)
    #expect(try ExpertBank(opening: path).faults().isEmpty)
    let wanted = try TinyModel(reading: fixture(expected))
    for number in 0..<4 {
      let model = try input(FilePath(path.string + "#m\(number)"), base: base)
      for name in model.checkpoint.names {
        guard let golden = wanted["model\(number).\(name)"] else { continue }
        let reader = try #require(try model.reader(name))
        var values = ContiguousArray<Float>(repeating: 0, count: golden.count)
        let window = ReadWindow(byteCount: 4096)
        for start in stride(from: 0, to: golden.count, by: 333) {
          let range = start..<min(start + 333, golden.count)
          var all = values.mutableSpan
          var part = all._mutatingExtracting(range)
          _ = try reader.read(range, into: &part, window: window)
        }
        for (value, golden) in zip(values, golden) {
          #expect((value - golden).magnitude <= 1e-5 + 1e-4 * golden.magnitude)
        }
      }
    }
  }

  @Test(
    "Masks beside a merged model make the same experts out of it, without the base",
    arguments: [(BankCodec.Kind.emr, "fb_emr"), (.tall, "fb_tall_40_k2")])
  func beside(kind: BankCodec.Kind, expected: String) async throws {
    let scratch = try ScratchDirectory()
    let wanted = try TinyModel(reading: fixture(expected))
    let base = try TinyModel(reading: fixture("fb.base"))
    let models = try (0..<4).map { try TinyModel(reading: fixture("fb.model\($0)")) }
    let merged = base.mapValues { name, index, value in
      if let elected = wanted["unified.\(name)"] { return value + elected[index] }
      return models.reduce(value) { $0 + (($1[name]?[index] ?? value) - value) }
    }
    try scratch.write("model.safetensors", merged.safetensors)
    let masks = TaskMasks(
      BankCodec(kind),
      tasks: (0..<4).map { .init(name: "m\($0)", location: "somewhere", threshold: 0.4) },
      workers: 2)
    let origin = try input(fixture("fb.base"))
    let sources = try (0..<4).map { ModelSource(try input(fixture("fb.model\($0)")), base: origin) }
    let bank = scratch.path.appending(TaskMasks.fileName)
    try await masks.create(
      bank, merged: ModelSource(try input(scratch.path)), tensors: base.tensors.map(\.name).sorted()
    ) { (name) throws(TinctureError) in
      guard let base = try ModelSource(origin).source(name) else { return nil }
      var tasks: [any WeightSource] = []
      for source in sources { if let own = try source.source(name) { tasks.append(own) } }
      return TaskMasks.Tensor(base: base, tasks: tasks)
    }
    #expect(try ExpertBank(opening: bank).faults().isEmpty)
    for number in 0..<4 {
      for place in [scratch.path, bank] {
        let model = try input(FilePath(place.string + "#m\(number)"))
        for name in model.checkpoint.names {
          guard let golden = wanted["model\(number).\(name)"] else { continue }
          let reader = try #require(try model.reader(name))
          var values = ContiguousArray<Float>(repeating: 0, count: golden.count)
          var span = values.mutableSpan
          _ = try reader.read(
            0..<golden.count, into: &span, window: ReadWindow(byteCount: 4096))
          for (value, golden) in zip(values, golden) {
            #expect((value - golden).magnitude <= 1e-5 + 1e-4 * golden.magnitude)
          }
        }
      }
    }
    // Such a bank has no room for further experts.
    await #expect(throws: TinctureError.self) {
      try await BankBuilder(codec: BankCodec(kind)).add(
        to: bank, base: ModelSource(try input(scratch.path)), experts: [("more", sources[0])])
    }
  }

  @Test("One expert alone is given back", arguments: [BankCodec.Kind.emr, .tall])
  func alone(kind: BankCodec.Kind) async throws {
    let fixture = try BankFixture(experts: 1)
    let bank = try await fixture.create(BankCodec(kind))
    let read = try fixture.read("e0")
    for tensor in fixture.experts[0].model.tensors {
      let values = try #require(read[tensor.name])
      let largest = zip(values, tensor.values).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
      #expect(largest < 1e-6, "\(tensor.name)")
    }
    let lost = bank.manifest.records.values.reduce(0.0) { sum, owners in
      sum + owners.values.reduce(0) { $0 + $1.squaredError }
    }
    #expect(lost < 1e-9)
  }

  @Test("What is noted as lost is what is lost", arguments: [BankCodec.Kind.emr, .tall])
  func loss(kind: BankCodec.Kind) async throws {
    let fixture = try BankFixture()
    let bank = try await fixture.create(BankCodec(kind))
    for (name, model) in fixture.experts {
      let read = try fixture.read(name)
      for tensor in model.tensors {
        guard let record = try bank.record(tensor.name, of: name) else { continue }
        let values = try #require(read[tensor.name])
        let lost = zip(values, tensor.values).reduce(0.0) {
          $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
        }
        #expect((lost - record.squaredError).magnitude <= 1e-4 * lost + 1e-8)
      }
    }
  }

  @Test("Rescaled by sums, an expert has the magnitudes of its task vector in sum")
  func sums() async throws {
    let fixture = try BankFixture()
    var codec = BankCodec(.emr)
    codec.rescaling = .sums
    _ = try await fixture.create(codec)
    for (name, model) in fixture.experts {
      let read = try fixture.read(name)
      var sums = (stored: 0.0, own: 0.0)
      for tensor in model.tensors where tensor.name.hasSuffix("weight") {
        let base = try #require(fixture.base.tensors.first { $0.name == tensor.name }).values
        for (index, value) in try #require(read[tensor.name]).enumerated() {
          sums.stored += Double((value - base[index]).magnitude)
          sums.own += Double((tensor.values[index] - base[index]).magnitude)
        }
      }
      #expect(abs(sums.stored / sums.own - 1) < 0.01, "\(name): \(sums)")
    }
  }

  @Test("An expert that comes later is masked from the vector that is there")
  func added() async throws {
    let fixture = try BankFixture(experts: 4)
    let before = try await fixture.create(BankCodec(.tall), ["e0", "e1", "e2"])
    try await fixture.add("e3", BankCodec(.tall))
    let after = try ExpertBank(opening: fixture.path("x.bank"))
    for (part, digest) in before.manifest.digests {
      #expect(after.manifest.digests[part] == digest)
    }
    #expect(try after.faults().isEmpty)
    #expect(try fixture.read("e3")["a.weight"]?.count == 37 * 29)
  }
}
