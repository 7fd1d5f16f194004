import SystemPackage
import Testing
import TinctureAdapters
import TinctureMergeTesting
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch
import TinctureTraining

@Suite("Adapters of trained models")
struct AdapterExportTests {
  @Test(
    "A written adapter has the change of every layer, as PEFT names it", .needsLibTorch,
    arguments: FactorForm.allCases)
  func written(form: FactorForm) async throws {
    let fixture = try NetworkFixture()
    var settings = AdaptorSettings()
    settings.form = form
    let plan = try PhasePlan(.adaptor(settings), for: fixture.network)
    var model = try TrainableModel(fixture.dense, in: plan, seed: 1)
    model.replace(
      try model.trainedNames.map { name in
        try numbers(#require(model.trained[name]).shape, name, by: 0.3).requiringGradient()
      })
    let scratch = try ScratchDirectory()
    let path = scratch.path.appending("adapter")
    let adapter = try model.learnedAdapter(storing: ["fc.weight", "fc.bias"], baseModel: "base")
    try await adapter.write(AdapterJob(output: path))
    let read = try Adapter(opening: path.string)
    #expect(
      Set(read.layers.map { $0.name + ".weight" }) == Set(plan.layers.keys) && !read.layers.isEmpty)
    let file = try SafetensorsFile(opening: path.appending("adapter_model.safetensors"))
    func stored(_ name: String) throws -> TorchTensor {
      let place = try #require(file.header.tensors.first { $0.name == "base_model.model." + name })
      let bytes = try file.file.bytes(at: place.byteOffset, count: place.byteCount)
      return try bytes.withUnsafeBytes {
        try TorchTensor(copying: $0, shape: place.shape.extents, dtype: place.dtype)
      }
    }
    let folded = try model.folded()
    for (name, layer) in plan.layers {
      let module = name.dropLast(".weight".count)
      let (a, b) = (
        try stored(module + ".lora_A.weight"), try stored(module + ".lora_B.weight")
      )
      #expect(a.rank == 4 && b.rank == 4 && a.shape[0] == b.shape[1])
      // α is the rank in the file.
      let change = try b.reshaped([b.shape[0], -1]).matmul(a.reshaped([a.shape[0], -1]))
      let expected = try #require(folded[name]) - #require(fixture.dense[name])
      #expect(try distance(change.reshaped(layer.dense.extents), expected) < 1e-3)
    }
    #expect(try distance(stored("fc.bias"), #require(model.trained["fc.bias"])) == 0)
  }

  @Test("A model without adaptors has nothing to write", .needsLibTorch)
  func refused() throws {
    let fixture = try NetworkFixture()
    let model = try TrainableModel(
      fixture.dense, in: PhasePlan(.dense, for: fixture.network), seed: 1)
    #expect(throws: TinctureError.self) { try model.learnedAdapter() }
  }
}
