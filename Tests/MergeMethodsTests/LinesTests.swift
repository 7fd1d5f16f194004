import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@Suite("LiNeS on blocks")
struct LinesTests {
  private func output(
    of golden: Golden, method: String, _ parameters: [String: ParameterValue],
    after: [FilterEntry] = []
  ) async throws -> TinyModel {
    let place = SourcePosition(line: 1, column: 1)
    func path(_ name: String) -> ModelReference {
      ModelReference(
        path: Golden.directory.appending("inputs/\(golden.inputs).\(name).safetensors").string)
    }
    var recipe = Recipe(
      method: Located(method, at: place),
      inputs: .models(
        golden.models.map { ModelEntry(reference: path("model\($0)"), position: place) }),
      source: RecipeSource(name: "golden", text: ""))
    recipe.base = ModelEntry(reference: path("base"), position: place)
    recipe.parameters = table(parameters)
    recipe.postprocess = after
    var planner = try Planner(
      recipe, methods: MethodRegistry.all, filters: FilterRegistry.all)
    let plan = try planner.plan()
    let scratch = try ScratchDirectory()
    let output = scratch.path.appending("out.safetensors")
    let writer = try CheckpointWriter.create(output, layout: plan.layout, fingerprint: "golden")
    _ = try await MergeEngine(workers: 2, memoryLimit: 1 << 28).run(plan, into: writer)
    try writer.finish()
    return try TinyModel(reading: output)
  }

  private func table(_ values: [String: ParameterValue]) -> ParameterTable {
    let place = SourcePosition(line: 1, column: 1)
    return ParameterTable(
      values.sorted { $0.key < $1.key }.map {
        .init(name: $0.key, setting: .value($0.value), position: place, settingPosition: place)
      })
  }

  @Test("The method, and the step after a sum, give the recorded scales")
  func agrees() async throws {
    #expect(Golden.layered.count == 1)
    for golden in Golden.layered {
      var values = golden.values
      // Here the number of blocks is told from the names of the tensors.
      #expect(values.removeValue(forKey: "num_blocks") == .number(4))
      let method = try await output(of: golden, method: "lines", values)
      #expect(try golden.differences(of: method).isEmpty)
      let place = SourcePosition(line: 1, column: 1)
      let step = FilterEntry(name: Located("LiNeS", at: place), parameters: table(values))
      let chain = try await output(
        of: golden, method: "task_arithmetic", ["weight": .number(1)], after: [step])
      #expect(try golden.differences(of: chain).isEmpty)
      let other = try await output(of: golden, method: "lines", ["beta": .number(0.4)])
      #expect(try !golden.differences(of: other).isEmpty)
    }
  }
}
