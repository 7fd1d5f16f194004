import SystemPackage
import Testing
import TinctureBanks
import TinctureCheckpoints
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureMerging
import TinctureSafetensors
import TinctureTensors

/// A base and experts of it on disk.
struct BankFixture {
  let folder: ScratchDirectory
  let base: TinyModel
  let experts: [(name: String, model: TinyModel)]

  /// Matrices of awkward sizes, a norm, a bias, a tensor that no expert changes, and one that differs by
  /// the same number everywhere.
  init(experts count: Int = 3, dtype: DType = .f32) throws {
    folder = try ScratchDirectory()
    let random = CounterRandom(seed: 4, tensor: "bank", purpose: "test")
    let shapes: [(String, [Int])] = [
      ("a.weight", [37, 29]), ("b.weight", [64, 130]), ("c.conv.weight", [6, 3, 5, 5]),
      ("frozen.weight", [16, 16]), ("steady.weight", [4, 9]), ("ln_1.weight", [29]),
      ("b.bias", [64]), ("position", [3, 7]),
    ]
    var tensors: [TinyModel.Tensor] = []
    var seed = 0
    for (name, extents) in shapes {
      let shape = try #require(Shape(extents))
      let values = (0..<shape.elementCount).map { index in
        let value = Float(random.uniform(at: seed + index) - 0.5)
        // Sums with a quarter are exact.
        return name == "steady.weight" ? (value * 64).rounded() / 64 : value
      }
      seed += shape.elementCount
      tensors.append(.init(name, dtype, shape: shape, values))
    }
    base = TinyModel(tensors)
    var experts: [(name: String, model: TinyModel)] = []
    for number in 0..<count {
      let own = CounterRandom(seed: UInt64(100 + number), tensor: "expert", purpose: "test")
      let common = CounterRandom(seed: 99, tensor: "common", purpose: "test")
      let model = base.mapValues { name, index, value in
        if name == "frozen.weight" { return value }
        if name == "steady.weight" { return number == 0 ? value + 0.25 : value }
        let offset = name.utf8.reduce(0) { $0 &* 31 &+ Int($1) } & 0xffff
        return value + Float(own.uniform(at: index + offset) - 0.5) * 0.02
          + Float(common.uniform(at: index + offset) - 0.5) * 0.05
      }
      experts.append(("e\(number)", model))
    }
    self.experts = experts
    _ = try folder.write("base.safetensors", base.safetensors)
    for (name, model) in experts {
      _ = try folder.write("\(name).safetensors", model.safetensors)
    }
  }

  /// The codecs that this machine can make; singular values need a BLAS.
  static var kinds: [BankCodec.Kind] {
    BankCodec.Kind.allCases.filter { $0 != .svd || Backend.isAvailable }
  }

  /// Those of some codecs that this machine can make.
  static func usable(_ codecs: [BankCodec]) -> [BankCodec] {
    codecs.filter { kinds.contains($0.kind) }
  }

  /// One expert with one tensor `x.weight`, on a base of zeros.
  init(vector: [Float], rows: Int = 1) throws {
    folder = try ScratchDirectory()
    let shape = try #require(Shape([rows, vector.count / rows]))
    base = TinyModel([.init("x.weight", shape: shape, vector.map { _ in 0 })])
    experts = [("e0", TinyModel([.init("x.weight", shape: shape, vector)]))]
    _ = try folder.write("base.safetensors", base.safetensors)
    _ = try folder.write("e0.safetensors", experts[0].model.safetensors)
  }

  /// The container with some bytes changed, and with another description where one is given.
  func rewrite(
    changing change: (inout [UInt8]) -> Void = { _ in },
    describing description: ((String) -> String)? = nil
  ) throws -> FilePath {
    let container = try SafetensorsFile(opening: path("x.bank"))
    var data = try container.file.bytes(
      at: container.header.dataOffset, count: container.file.size - container.header.dataOffset)
    change(&data)
    let text = try #require(
      container.header.metadata.first { $0.key == BankManifest.metadataKey }?.value)
    let changed = description?(text) ?? text
    let header = SafetensorsHeader.encode(
      tensors: container.header.tensors.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [
        (BankManifest.metadataKey, changed),
        (BankManifest.digestKey, BankManifest.digest(of: changed)),
      ])
    return try folder.write("odd.bank", header + data)
  }

  func path(_ name: String) -> FilePath { folder.path.appending(name) }

  func input(_ name: String, base: ModelInput? = nil) throws(TinctureError) -> ModelInput {
    try ModelInput(
      opening: ModelReference(parsing: path(name).string), locator: ModelLocator(), base: base)
  }

  func source(_ name: String) throws(TinctureError) -> ModelSource {
    ModelSource(try input(name + ".safetensors"))
  }

  /// Makes a bank of all experts, or of some.
  @discardableResult
  func create(_ codec: BankCodec, _ names: [String]? = nil, as file: String = "x.bank")
    async throws -> ExpertBank
  {
    let chosen = names ?? experts.map(\.name)
    var models: [(name: String, model: any BankModel)] = []
    for name in chosen { models.append((name, try source(name))) }
    _ = try await BankBuilder(codec: codec, workers: 2).create(
      path(file), base: try source("base"), experts: models, replaces: true)
    return try ExpertBank(opening: path(file))
  }

  func add(_ name: String, to file: String = "x.bank", _ codec: BankCodec) async throws {
    _ = try await BankBuilder(codec: codec).add(
      to: path(file), base: try source("base"), experts: [(name, try source(name))])
  }

  /// The tensors of an expert as a recipe reads them.
  func read(_ expert: String, of file: String = "x.bank") throws -> [String: [Float]] {
    let base = try input("base.safetensors")
    let model = try input("\(file)#\(expert)", base: base)
    var result: [String: [Float]] = [:]
    for name in model.checkpoint.names {
      guard let reader = try model.reader(name) else { continue }
      let count = reader.shape.elementCount
      var values = ContiguousArray<Float>(repeating: 0, count: count)
      let window = ReadWindow(byteCount: 1 << 12)
      // In odd pieces, so that ranges begin and end anywhere.
      for start in stride(from: 0, to: count, by: 101) {
        let range = start..<min(start + 101, count)
        var all = values.mutableSpan
        var part = all._mutatingExtracting(range)
        _ = try reader.read(range, into: &part, window: window)
      }
      result[name] = Array(values)
    }
    return result
  }

  func expert(_ name: String) throws -> TinyModel {
    try #require(experts.first { $0.name == name }?.model)
  }
}
