import SystemPackage
import Testing
import TinctureBanks
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

@Suite("Expert banks")
struct ExpertBankTests {
  private static let coded = ["a.weight", "b.weight", "c.conv.weight"]

  @Test("Raw banks give every element back", arguments: [DType.f32, .bf16, .f16])
  func raw(dtype: DType) async throws {
    let fixture = try BankFixture(dtype: dtype)
    try await fixture.create(BankCodec(.raw))
    for (name, _) in fixture.experts {
      let stored = try TinyModel(reading: fixture.path("\(name).safetensors"))
      let read = try fixture.read(name)
      for tensor in stored.tensors { #expect(read[tensor.name] == tensor.values) }
    }
  }

  @Test(
    "Task vectors lose at most a step, tensors that are not coded nothing",
    arguments: [2, 3, 4, 5, 6, 8])
  func tvq(bits: Int) async throws {
    let fixture = try BankFixture()
    let bank = try await fixture.create(BankCodec(.tvq, bits: bits))
    for (name, model) in fixture.experts {
      let read = try fixture.read(name)
      for tensor in model.tensors {
        let values = try #require(read[tensor.name])
        guard Self.coded.contains(tensor.name) else {
          #expect(values == tensor.values, "\(tensor.name)")
          continue
        }
        let base = try #require(fixture.base[tensor.name])
        let vector = zip(tensor.values, base).map { $0 - $1 }
        let range = (vector.max() ?? 0) - (vector.min() ?? 0)
        let step = range / Float((1 << bits) - 1)
        for (value, wanted) in zip(values, tensor.values) {
          #expect((value - wanted).magnitude <= step * 1.001 + 1e-6)
        }
        let record = try #require(try bank.record(tensor.name, of: name))
        #expect(record.content == .affine(bits: bits, .tensor))
        #expect(record.role == .difference)
        let lost = zip(values, tensor.values).reduce(0.0) {
          $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
        }
        #expect((lost - record.squaredError).magnitude <= 1e-3 * lost + 1e-9)
      }
    }
  }

  @Test("Tensors that equal the base's take no room, constants no codes")
  func elision() async throws {
    let fixture = try BankFixture()
    let bank = try await fixture.create(BankCodec(.tvq, bits: 4))
    for (name, _) in fixture.experts {
      #expect(try bank.record("frozen.weight", of: name) == nil)
      #expect(bank.byteCount("steady.weight", of: .expert(name)) == 0)
    }
    let record = try #require(try bank.record("steady.weight", of: "e0"))
    #expect(record.content == .constant(0.25))
    #expect(try fixture.read("e0")["steady.weight"] == fixture.expert("e0")["steady.weight"])
  }

  @Test("With error correction an expert lacks only what its offset lacks")
  func errorCorrection() async throws {
    let fixture = try BankFixture()
    var losses: [Bool: Double] = [:]
    for corrects in [true, false] {
      let bank = try await fixture.create(
        BankCodec(.rtvq, bits: 2, baseBits: 3, correctsErrors: corrects))
      var loss = 0.0
      for tensor in Self.coded {
        let shared = try #require(bank.vector(tensor, of: .shared))
        let base = try #require(fixture.base[tensor])
        var beta = ContiguousArray<Float>(repeating: 0, count: base.count)
        var betaSpan = beta.mutableSpan
        try shared.decode(0..<base.count, into: &betaSpan)
        let weights = try fixture.experts.map { try #require($0.model[tensor]) }
        for (number, expert) in fixture.experts.enumerated() {
          let record = try #require(try bank.record(tensor, of: expert.name))
          #expect(record.role == .offset)
          loss += record.squaredError
          let vector = try #require(bank.vector(tensor, of: .expert(expert.name)))
          var offset = ContiguousArray<Float>(repeating: 0, count: base.count)
          var span = offset.mutableSpan
          try vector.decode(0..<base.count, into: &span)
          // The offset's own range, from the reference that the setting asks for.
          let own = base.indices.map { index in
            let mean = weights.reduce(Float(0)) { $0 + $1[index] } / Float(weights.count)
            return weights[number][index] - (corrects ? base[index] + beta[index] : mean)
          }
          let step = ((own.max() ?? 0) - (own.min() ?? 0)) / 3
          for (index, value) in own.enumerated() {
            #expect((offset[index] - value).magnitude <= step * 1.001 + 1e-6)
          }
        }
      }
      losses[corrects] = loss
    }
    #expect(try #require(losses[true]) < #require(losses[false]))
  }

  @Test(
    "Finer ranges and clipping lose less than the published ranges at equal bits",
    arguments: [2, 3, 4])
  func finerRanges(bits: Int) async throws {
    let fixture = try BankFixture()
    func loss(_ grouping: CodeGrouping, clips: Bool) async throws -> Double {
      let bank = try await fixture.create(
        BankCodec(.tvq, bits: bits, grouping: grouping, clips: clips))
      return bank.manifest.records.values.reduce(0) { sum, owners in
        sum + owners.values.reduce(0) { $0 + $1.squaredError }
      }
    }
    let published = try await loss(.tensor, clips: false)
    #expect(try await loss(.tensor, clips: true) < published)
    #expect(try await loss(.row, clips: false) < published)
    #expect(try await loss(.run(64), clips: false) < published)
    #expect(try await loss(.run(64), clips: true) < loss(.run(64), clips: false))
  }

  @Test(
    "Any grouping is read back in any pieces",
    arguments: [CodeGrouping.tensor, .row, .run(64), .run(10)])
  func groupings(grouping: CodeGrouping) async throws {
    let fixture = try BankFixture(dtype: .bf16)
    for kind in [BankCodec.Kind.raw, .affine, .tvq, .rtvq] {
      let bank = try await fixture.create(
        BankCodec(kind, bits: 3, grouping: kind == .raw ? .tensor : grouping))
      #expect(try bank.faults().isEmpty)
      for (name, _) in fixture.experts {
        let read = try fixture.read(name)
        let stored = try TinyModel(reading: fixture.path("\(name).safetensors"))
        for tensor in stored.tensors {
          let values = try #require(read[tensor.name])
          let largest = zip(values, tensor.values).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
          // Codes of the weights themselves have wide steps.
          #expect(largest <= (kind == .affine ? 0.2 : 0.03))
        }
      }
    }
  }

  @Test("Experts with other tensors than the base are stored and given back")
  func otherTensors() async throws {
    let fixture = try BankFixture(experts: 1)
    var tensors = fixture.experts[0].model.tensors.filter { $0.name != "b.bias" }
    let head = TinyModel.Tensor(
      "head.weight", .f16, shape: try #require(Shape([2, 3])),
      [
        1, 2, 3, 4, 5, 6,
      ])
    let wide = TinyModel.Tensor(
      "position", shape: try #require(Shape([4, 7])), (0..<28).map { Float($0) })
    tensors = tensors.filter { $0.name != "position" } + [head, wide]
    _ = try fixture.folder.write("e0.safetensors", TinyModel(tensors).safetensors)
    let bank = try await fixture.create(BankCodec(.tvq, bits: 4))
    #expect(try bank.record("b.bias", of: "e0")?.content == .absent)
    let read = try fixture.read("e0")
    #expect(read["b.bias"] == nil)
    #expect(read["head.weight"] == head.values)
    #expect(read["position"] == wide.values)
  }

  @Test("Adding and removing experts leaves the bytes of the others alone")
  func addAndRemove() async throws {
    let fixture = try BankFixture(experts: 4)
    let codec = BankCodec(.rtvq, bits: 2, baseBits: 3)
    let before = try await fixture.create(codec, ["e0", "e1", "e2"])
    let digests = before.manifest.digests
    let reading = try fixture.read("e1")
    try await fixture.add("e3", codec)
    let added = try ExpertBank(opening: fixture.path("x.bank"))
    #expect(added.manifest.experts.map(\.name) == ["e0", "e1", "e2", "e3"])
    for (part, digest) in digests { #expect(added.manifest.digests[part] == digest) }
    #expect(try added.faults().isEmpty)
    #expect(try added.record("a.weight", of: "e3")?.role == .offset)
    #expect(try fixture.read("e1") == reading)
    _ = try BankBuilder.remove("e3", from: fixture.path("x.bank"))
    let removed = try ExpertBank(opening: fixture.path("x.bank"))
    #expect(removed.manifest == before.manifest)
    #expect(try removed.faults().isEmpty)
    #expect(try fixture.folder.names().filter { $0.hasPrefix(".") }.isEmpty)
  }

  @Test("Products and sums come from the codes")
  func products() async throws {
    let fixture = try BankFixture()
    for codec in BankFixture.usable([
      BankCodec(.tvq, bits: 3), BankCodec(.tvq, bits: 2, grouping: .run(64)), BankCodec(.svd),
      BankCodec(.binary), BankCodec(.sparse),
    ]) {
      let bank = try await fixture.create(codec)
      for tensor in Self.coded + ["ln_1.weight"] {
        let vector = try #require(bank.vector(tensor, of: .expert("e1")))
        let count = vector.record.shape.elementCount
        let range = 5..<count - 3
        var values = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = values.mutableSpan
        try vector.decode(range, into: &span)
        let random = CounterRandom(seed: 6, tensor: "g", purpose: "test")
        let g = ContiguousArray((0..<range.count).map { Float(random.uniform(at: $0)) - 0.4 })
        let product = try vector.dot(g.span, over: range)
        let expected = zip(g, values).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        #expect((product - expected).magnitude < 1e-5 * (1 + expected.magnitude))
        var sum = g
        var sumSpan = sum.mutableSpan
        try vector.add(range, times: 0.3, to: &sumSpan)
        var twin = g
        var twinSpan = twin.mutableSpan
        Kernels.add(values.span, times: 0.3, to: &twinSpan)
        #expect(sum == twin)
      }
    }
  }

  @Test("The number of workers does not show in a bank", arguments: BankFixture.kinds)
  func workers(kind: BankCodec.Kind) async throws {
    let fixture = try BankFixture(experts: 3)
    var banks: [[UInt8]] = []
    for workers in [1, 2, 7] {
      var models: [(name: String, model: any BankModel)] = []
      for (name, _) in fixture.experts { models.append((name, try fixture.source(name))) }
      _ = try await BankBuilder(codec: BankCodec(kind), workers: workers).create(
        fixture.path("w.bank"), base: try fixture.source("base"), experts: models, replaces: true)
      banks.append(try InputFile(opening: fixture.path("w.bank")).contents())
    }
    #expect(banks[0] == banks[1])
    #expect(banks[0] == banks[2])
  }

  @Test(
    "Codecs hold task vectors of extreme size, or leave them as they are",
    arguments: [Float(1.5e38), 1e-38, 0x1p-145],
    BankFixture.usable([
      BankCodec(.tvq, bits: 4), BankCodec(.tvq, bits: 4, clips: true),
      BankCodec(.tvq, bits: 4, grouping: .run(64)),
      BankCodec(.tvq, bits: 4, grouping: .row, clips: true), BankCodec(.rtvq),
      BankCodec(.affine), BankCodec(.tall), BankCodec(.emr), BankCodec(.svd, rank: .count(12)),
      BankCodec(.sparse, density: 1, outliers: 0),
      BankCodec(.sparse, bits: 16, density: 1, outliers: 0),
      BankCodec(.binary, bits: 4), BankCodec(.binary, bits: 4, grouping: .row, scaleTerms: 0),
    ]))
  func extremes(size: Float, codec: BankCodec) async throws {
    let fixture = try BankFixture(experts: 2)
    let random = CounterRandom(seed: 3, tensor: "extreme", purpose: "test")
    for (number, name) in ["base", "e0"].enumerated() {
      let model = try fixture.expert("e0").mapValues { tensor, index, value in
        guard tensor == "a.weight" else { return value }
        return number == 0 ? 0 : Float(random.uniform(at: index) - 0.5) * size
      }
      _ = try fixture.folder.write("\(name).safetensors", model.safetensors)
    }
    let bank = try await fixture.create(codec, ["e0"])
    #expect(try bank.faults().isEmpty)
    let wanted = try TinyModel(reading: fixture.path("e0.safetensors"))
    let read = try #require(try fixture.read("e0")["a.weight"])
    for (value, wanted) in zip(read, try #require(wanted["a.weight"])) {
      #expect(value.isFinite)
      #expect((value - wanted).magnitude <= size * 0.2)
    }
  }

  @Test("A manifest keeps every setting of a codec")
  func codecSettings() async throws {
    let fixture = try BankFixture(experts: 2)
    var sums = BankCodec(.emr)
    sums.rescaling = .sums
    for codec in BankFixture.usable([
      BankCodec(.raw), BankCodec(.affine, bits: 7, grouping: .row), BankCodec(.emr), sums,
      BankCodec(.tvq, bits: 5, grouping: .run(128), clips: true),
      BankCodec(.rtvq, bits: 1, baseBits: 6, correctsErrors: false),
      BankCodec(.tall, maskThreshold: 0.55), BankCodec(.svd, bits: 16, rank: .count(3)),
      BankCodec(.svd, rank: .share(0.25)),
      BankCodec(.sparse, bits: 16, density: 0.35, outliers: 0.002),
      BankCodec(.binary, bits: 2, grouping: .row, scaleTerms: 3, rounds: 4), BankCodec(.binary),
    ]) {
      let bank = try await fixture.create(codec)
      #expect(bank.manifest.experts.map(\.codec) == [codec, codec])
    }
  }
}
