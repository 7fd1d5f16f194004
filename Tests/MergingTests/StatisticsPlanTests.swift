import SystemPackage
import Testing
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

/// Gives out the statistics themselves: Σ Sᵢ 10ⁱ.
private struct Echo: MergeMethod {
  var base = MethodInfo.BaseUse.none
  var info: MethodInfo {
    MethodInfo(
      name: "echo", title: "Echo", summary: "Statistics.", formula: "Σ Sᵢ 10ⁱ", source: "",
      base: base, models: 1...8, streaming: .tensor, statistics: .fisher)
  }

  func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory {
    WorkingMemory(vectors: 1)
  }

  func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    var sums = [Float](repeating: 0, count: inputs.elementCount)
    var scale: Float = 1
    for model in inputs.step.statistics.indices {
      try inputs.scanStatistics(of: model) { (start, values) throws(TinctureError) in
        for index in 0..<values.count { sums[start + index] += scale * values[index] }
      }
      scale *= 10
    }
    try inputs.produce(.values) { (block, output) throws(TinctureError) in
      for index in 0..<block.count { output[index] = sums[block.start + index] }
    }
  }
}

@Suite("Statistics of a recipe")
struct StatisticsPlanTests {
  private let scratch: ScratchDirectory
  private let place = SourcePosition(line: 1, column: 1)

  init() throws { scratch = try ScratchDirectory() }

  private func write(_ name: String, _ tensors: [(String, [Float])]) throws -> String {
    let model = TinyModel(tensors.map { .init($0.0, shape: Shape(vector: $0.1.count), $0.1) })
    return try scratch.write(name + ".safetensors", model.safetensors).string
  }

  private func recipe(_ inputs: RecipeInputs, all: String? = nil, base: String? = nil) -> Recipe {
    var recipe = Recipe(
      method: Located("echo", at: place), inputs: inputs,
      source: RecipeSource(name: "recipe.yaml", text: "merge_method: echo"))
    recipe.statistics = all.map { Located($0, at: place) }
    recipe.base = base.map { ModelEntry(reference: ModelReference(path: $0), position: place) }
    return recipe
  }

  private func entry(_ path: String, _ statistics: String? = nil) -> ModelEntry {
    ModelEntry(
      reference: ModelReference(path: path), statistics: statistics.map { Located($0, at: place) },
      position: place)
  }

  private func plan(_ recipe: Recipe, _ method: Echo = Echo()) throws -> MergePlan {
    var planner = try Planner(recipe, methods: [method])
    return try planner.plan()
  }

  /// What a step reads: the name and the file of each model's statistics.
  private func sources(_ plan: MergePlan) -> [String: [String]] {
    Dictionary(
      uniqueKeysWithValues: plan.steps.map { step in
        (step.name, step.statistics.map { $0.reader.place.tensor ?? "" })
      })
  }

  @Test("In a file of all models names begin with the kind and the place among the merged models")
  func common() throws {
    let models = try ["a", "b"].map { try write($0, [("x.weight", [1, 2]), ("y", [3])]) }
    let base = try write("base", [("x.weight", [0, 0]), ("y", [0])])
    let all = try write(
      "all",
      [
        ("fisher0.x", [1, 2]), ("fisher1.x.weight", [3, 4]), ("fisher0.y", [5]), ("fisher1.y", [6]),
      ])
    let expected = [
      "x.weight": ["fisher0.x", "fisher1.x.weight"], "y": ["fisher0.y", "fisher1.y"],
    ]
    #expect(sources(try plan(recipe(.models(models.map { entry($0) }), all: all))) == expected)
    // The base does not count where it is not merged, wherever it stands.
    let withBase = recipe(.models(([base] + models).map { entry($0) }), all: all, base: base)
    #expect(sources(try plan(withBase, Echo(base: .required))) == expected)
    let first = try plan(recipe(.models(models.map { entry($0) }), all: all))
    _ = try write(
      "all",
      [
        ("fisher0.x", [1, 2]), ("fisher1.x.weight", [3, 4]), ("fisher0.y", [5]), ("fisher1.y", [7]),
        ("z", []),
      ])
    #expect(
      try plan(recipe(.models(models.map { entry($0) }), all: all)).fingerprint != first.fingerprint
    )
  }

  @Test("Slices take the statistics of the layers they are made from")
  func slices() throws {
    let model = try write("m", (0..<3).map { ("model.layers.\($0).w", [1, 2]) })
    let own = try write("s", (0..<3).map { ("model.layers.\($0).w", [Float($0), 1]) })
    let source = SliceSource(
      reference: ModelReference(path: model), layers: 1..<3, statistics: Located(own, at: place),
      position: place, layersPosition: place)
    let found = sources(
      try plan(recipe(.slices([SliceEntry(sources: [source], position: place)]))))
    #expect(
      found == [
        "model.layers.0.w": ["model.layers.1.w"], "model.layers.1.w": ["model.layers.2.w"],
      ])
  }

  @Test("Tensors that no model has statistics of go without; those that some have must all have")
  func lacking() throws {
    let models = try ["a", "b"].map { try write($0, [("x", [1]), ("y", [2]), ("z", [3])]) }
    let whole = try write("whole", [("x", [1]), ("y", [2])])
    let part = try write("part", [("x", [1])])
    let short = try write("short", [("x", [1, 1]), ("y", [2])])
    let fine = try plan(recipe(.models([entry(models[0], whole), entry(models[1], whole)])))
    #expect(sources(fine)["z"] == [])
    #expect(fine.notes.contains("2 of 3 tensors have statistics."))
    func fault(_ first: String, _ second: String) throws -> TinctureError {
      try #require(
        #expect(throws: TinctureError.self) {
          try plan(recipe(.models([entry(models[0], first), entry(models[1], second)])))
        })
    }
    let lacks = try fault(whole, part)
    #expect(lacks.message.contains("1 tensor: y"))
    #expect(lacks.place.file == "recipe.yaml" && lacks.place.line == 1)
    let both = try fault(short, part)
    #expect(both.causes.count == 2)
    #expect(both.detailedDescription.contains("has the shape [2], but the tensor [1] needs [1]"))
    let other = try write("other", [("q", [1])])
    #expect(try fault(other, other).message.contains("no statistics of any tensor"))
  }

  @Test("Without statistics, or with two for one model, nothing is opened")
  func unnamed() throws {
    let error = #expect(throws: TinctureError.self) {
      try plan(recipe(.models([entry("nowhere")])))
    }
    #expect(error?.message.contains("tincture stats fisher") == true)
    let source = { (file: String) in
      SliceSource(
        reference: ModelReference(path: "nowhere"), layers: 0..<1,
        statistics: Located(file, at: place), position: place, layersPosition: place)
    }
    let two = #expect(throws: TinctureError.self) {
      try plan(
        recipe(
          .slices([
            SliceEntry(sources: [source("a")], position: place),
            SliceEntry(sources: [source("b")], position: place),
          ])))
    }
    #expect(two?.message.contains("other statistics here") == true)
  }
}
