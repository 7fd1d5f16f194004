import Foundation
import SystemPackage
import Testing
import Tincture
import TinctureCheckpoints
import TinctureEvaluation
import TinctureMerging
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Merges that mix experts for every input", .needsLibTorch, .timeLimit(.minutes(25)))
struct MixtureMergeTests {
  private static let tasks = ["optdigits", "style", "kana"]
  private static let data =
    "suite: \(VisionFixture.folder)/suite.yaml, file: \(VisionFixture.folder)/calibration.safetensors"

  /// Merges some experts and returns where.
  private func merged(
    _ vision: VisionFixture, _ method: String, _ parameters: [String: String],
    data: String = data, workers: Int = 2, to name: String = "merged"
  ) async throws -> FilePath {
    let recipe = try vision.recipe(method, Self.tasks, parameters, data: data)
    let output = vision.scratch.appending(name)
    let job = MergeJob(
      recipes: [recipe], output: output,
      engine: MergeEngine(workers: workers, memoryLimit: 256 << 20))
    _ = try await job.run()
    return output
  }

  private func bytes(_ folder: FilePath, _ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: folder.appending(name).string))
  }

  private func suite(_ examples: Int = 60) throws -> (EvaluationSuite, Evaluator) {
    var suite = try EvaluationSuite(reading: FilePath(VisionFixture.folder + "/suite.yaml"))
    suite.tasks.removeAll { !Self.tasks.contains($0.name) }
    var evaluator = Evaluator(suite)
    evaluator.exampleLimit = examples
    return (suite, evaluator)
  }

  @Test(
    "Twin-Merging gives the same bytes with any number of workers, and its router tells tasks",
    arguments: ["svd", "magnitude", "bernoulli"])
  func twin(compression: String) async throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let parameters = ["compression": compression, "epochs": "12", "batch_size": "256"]
    let first = try await merged(vision, "twin_merging", parameters)
    let second = try await merged(vision, "twin_merging", parameters, workers: 3, to: "second")
    for name in ["model.safetensors", Mixture.fileName, "fit.json"] {
      #expect(try bytes(first, name) == bytes(second, name))
    }
    let mixture = try Mixture(opening: first.appending(Mixture.fileName))
    #expect(mixture.experts.map(\.name) == Self.tasks)
    let weight = try #require(mixture.experts[0].vectors["blocks.0.mlp.fc1.weight"])
    switch (compression, weight.form) {
    case ("svd", .lowRank(let left, _)): #expect(left.shape.extents == [512, 12])
    case ("magnitude", .sparse(_, let values)): #expect(values.shape.extents == [6553])
    case ("bernoulli", .sparse(_, let values)):
      #expect((6000...7100).contains(values.shape.elementCount))
    default: Issue.record("\(compression) gave \(weight.form).")
    }
    #expect(mixture.experts[0].vectors["blocks.0.mlp.fc1.bias"] == nil)
    for task in Self.tasks.indices {
      let own = try #require(try mixture.meanWeights(task)[""])
      #expect(own[task] > 0.8)
    }
    let (_, evaluator) = try suite()
    let softly = try evaluator.evaluate(EvaluatedModel("m", ModelReference(path: first.string)))
    var top = evaluator
    top.routing = .top
    let plainly = try top.evaluate(EvaluatedModel("m", ModelReference(path: first.string)))
    for task in Self.tasks {
      let own = ModelReference(path: first.string, expert: task)
      let extracted = try evaluator.evaluate(EvaluatedModel("e", own))
      let value = try #require(extracted[task]?.value)
      #expect(abs(try #require(softly[task]?.value) - value) < 0.12)
      #expect(abs(try #require(plainly[task]?.value) - value) < 0.12)
    }
  }

  @Test("With everything kept, the model of a task is its expert but for biases")
  func whole() async throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let parameters = [
      "compression": "none", "epochs": "1", "biases": "true", "expert_dtype": "float32",
    ]
    let output = try await merged(vision, "twin_merging", parameters)
    let locator = ModelLocator()
    let own = try ModelInput(
      opening: ModelReference(path: output.string, expert: "style"), locator: locator)
    let expert = try ModelInput(
      opening: ModelReference(path: VisionFixture.folder + "/expert_style.safetensors"),
      locator: locator)
    let window = ReadWindow(byteCount: 1 << 16)
    for name in expert.checkpoint.names where name.contains("norm") || name.contains("blocks.2") {
      let (found, wanted) = (
        try #require(try own.reader(name)), try #require(try expert.reader(name))
      )
      let count = wanted.shape.elementCount
      var (a, b) = (ContiguousArray<Float>(repeating: 0, count: count), ContiguousArray<Float>())
      b = a
      do {
        var span = a.mutableSpan
        // In two parts, so that ranges count.
        var part = span._mutatingExtracting(0..<count / 2)
        _ = try found.read(0..<count / 2, into: &part, window: window)
        var rest = span._mutatingExtracting(count / 2..<count)
        _ = try found.read(count / 2..<count, into: &rest, window: window)
      }
      do {
        var span = b.mutableSpan
        _ = try wanted.read(0..<count, into: &span, window: window)
      }
      #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-6 }, "\(name)")
    }
    #expect(throws: TinctureError.self) {
      try ModelInput(
        opening: ModelReference(path: output.string, expert: "mnist"), locator: locator)
    }
  }

  @Test("A router that was interrupted goes on to the same bits")
  func resumesRouter() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(
      vision.recipe("twin_merging", ["optdigits", "style"], data: Self.data + ", limit: 90"))
    let vectors = try problem.vectors(memoryLimit: 1 << 30, workers: 2)
    let experts = try ExclusiveExperts(vectors, scale: 0.3, dtypes: problem.steps.map(\.dtype))
    let shared = try experts.parameters(on: .cpu)
    var settings = TaskRouterSettings()
    (settings.epochs, settings.batchSize) = (6, 70)
    let whole = try TaskRouterFit(problem, settings).run(shared)
    #expect(whole.history.losses.count == 6)
    var part = TaskRouterFit(problem, settings)
    part.snapshotPath = vision.scratch.appending("fit.safetensors")
    part.snapshotInterval = 0
    let interruption = part.interruption
    let error = #expect(throws: TinctureError.self) {
      try part.run(shared) { if $0.losses.count == 3 { interruption.raise() } }
    }
    #expect(error?.code == .interrupted)
    var rest = TaskRouterFit(problem, settings)
    rest.snapshotPath = part.snapshotPath
    let found = try rest.run(shared)
    #expect(found.history.resumedRounds == 3)
    #expect(found.history.losses == whole.history.losses)
    #expect(found.means == whole.means)
    #expect(found.tensors.map(\.values) == whole.tensors.map(\.values))
    settings.seed = 4
    var other = TaskRouterFit(problem, settings)
    other.snapshotPath = part.snapshotPath
    #expect(try other.run(shared).history.resumedRounds == 0)
  }

  private func perceptrons(
    _ problem: LearningProblem, _ change: (inout PerceptronSettings) -> Void = { _ in }
  ) throws -> (fit: MergeFit, merge: PerceptronMerge) {
    let vectors = try problem.vectors(memoryLimit: 1 << 30, workers: 2)
    var settings = PerceptronSettings()
    settings.rate = 1e-2
    change(&settings)
    let network = try #require(problem.network as? any PerceptronNetwork)
    let merge = try PerceptronMerge(vectors, of: network, settings, on: .cpu)
    var fit = FitSettings(.entropy)
    (fit.rounds, fit.batchSize, fit.stepsByTask) = (5, 8, false)
    return (MergeFit(problem, vectors, merge, fit), merge)
  }

  private func packed(_ merge: PerceptronMerge) throws -> [UInt8] {
    var writer = MixtureWriter(method: "t", routing: .perceptrons, tasks: ["a", "b"])
    try merge.add(to: &writer, .f16)
    return writer.encoded()
  }

  @Test("Routers of perceptrons learn, and go on to the same bits", arguments: [false, true])
  func resumesPerceptrons(isEfficient: Bool) throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try vision.problem(vision.recipe("we_moe", ["optdigits", "style"]))
    func make() throws -> (fit: MergeFit, merge: PerceptronMerge) {
      try perceptrons(problem) {
        if isEfficient { ($0.density, $0.sharesRouter) = (0.1, true) }
      }
    }
    let (whole, merge) = try make()
    let begun = try packed(merge)
    let outcome = try whole.run()
    #expect(try packed(merge) != begun)
    var (part, _) = try make()
    part.snapshotPath = vision.scratch.appending("fit.safetensors")
    part.snapshotInterval = 0
    let interruption = part.interruption
    #expect(throws: TinctureError.self) {
      try part.run { if $0.losses.count == 2 { interruption.raise() } }
    }
    var (rest, resumed) = try make()
    rest.snapshotPath = part.snapshotPath
    let found = try rest.run()
    #expect(found.history.resumedRounds == 2)
    #expect(found.history.losses == outcome.history.losses)
    #expect(try packed(resumed) == packed(merge))
  }

  @Test("WEMoE is evaluated by input; a plain checkpoint has only the mean of a task")
  func weMoe() async throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let output = try await merged(
      vision, "we_moe",
      ["steps": "3", "lr": "0.001"],
      data: "suite: \(VisionFixture.folder)/suite.yaml, limit: 64")
    let (_, evaluator) = try suite()
    let mixed = try evaluator.evaluate(EvaluatedModel("m", ModelReference(path: output.string)))
    let mean = ModelReference(path: output.string, expert: "style:mean")
    let plain = try evaluator.evaluate(EvaluatedModel("p", mean))
    #expect(abs(try #require(mixed["style"]?.value) - #require(plain["style"]?.value)) < 0.15)
    let error = #expect(throws: TinctureError.self) {
      try ModelInput(
        opening: ModelReference(path: output.string, expert: "style"), locator: ModelLocator())
    }
    #expect(error?.message.contains("no plain checkpoint") == true)
    var top = evaluator
    top.routing = .top
    let refused = #expect(throws: TinctureError.self) {
      try top.evaluate(EvaluatedModel("m", ModelReference(path: output.string)))
    }
    #expect(refused?.code == .usage)
  }

  @Test("A mixture that does not fit the model or the network is refused")
  func misfits() async throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let output = try await merged(vision, "twin_merging", ["epochs": "1"])
    let (_, evaluator) = try suite(4)
    func refusal(_ writer: MixtureWriter) throws -> String {
      try Data(writer.encoded()).write(
        to: URL(filePath: output.appending(Mixture.fileName).string))
      let error = #expect(throws: TinctureError.self) {
        try evaluator.evaluate(EvaluatedModel("m", ModelReference(path: output.string)))
      }
      return error?.detailedDescription ?? ""
    }
    let ones = [Float](repeating: 1, count: 6)
    func writer(_ routing: Mixture.Routing = .features) -> MixtureWriter {
      var writer = MixtureWriter(method: "test", routing: routing, tasks: Self.tasks)
      writer.settings["activation"] = "relu"
      return writer
    }
    var unnamed = writer()
    unnamed.settings = [:]
    unnamed.addRouter([], [("layers.0.bias", Shape(vector: 6), ones)])
    #expect(try refusal(unnamed).contains("activation"))
    var narrow = writer()
    narrow.addRouter([], [("layers.0.bias", Shape(vector: 6), ones)])
    #expect(try refusal(narrow).contains("A router needs [6, 128] as 'layers.0.weight'"))
    var negative = writer()
    let shapes = TaskRouter.shapes(width: 128, hidden: 2, tasks: Self.tasks.count)
    let zeros = (shapes.learned + shapes.counted).map { role, extents in
      let shape = Shape(extents) ?? Shape(vector: 0)
      let value: Float = role == "norms.1.running_var" ? -1 : 0
      return (
        role: role, shape: shape, values: [Float](repeating: value, count: shape.elementCount)
      )
    }
    negative.addRouter([], zeros)
    #expect(try refusal(negative).contains("'norms.1.running_var' of the router"))
    var strange = writer(.perceptrons)
    strange.addRouter(["blocks.77"], [("layers.0.bias", Shape(vector: 6), ones)])
    #expect(try refusal(strange).contains("routers of blocks.77"))
    var misshapen = writer()
    misshapen.add(
      .dense(ones.span, shape: Shape(rows: 2, columns: 3), dtype: .f32), of: 0, for: "norm.weight")
    misshapen.addRouter([], [("layers.0.bias", Shape(vector: 6), ones)])
    _ = try refusal(misshapen)
    let reader = #expect(throws: TinctureError.self) {
      let input = try ModelInput(
        opening: ModelReference(path: output.string, expert: "style:mean"), locator: ModelLocator())
      _ = try input.reader("norm.weight")
    }
    #expect(reader?.message.contains("does not say") == true)
    let other = #expect(throws: TinctureError.self) {
      let input = try ModelInput(
        opening: ModelReference(path: output.string, expert: "optdigits"), locator: ModelLocator())
      _ = try input.reader("norm.weight")
    }
    #expect(other?.message.contains("vector [2, 3]") == true)
    var lost = writer()
    lost.add(.dense(ones.span, shape: Shape(vector: 6), dtype: .f32), of: 0, for: "nowhere")
    lost.addRouter([], [("layers.0.bias", Shape(vector: 6), ones)])
    _ = try refusal(lost)
    let nowhere = #expect(throws: TinctureError.self) {
      try ModelInput(
        opening: ModelReference(path: output.string, expert: "style"), locator: ModelLocator())
    }
    #expect(nowhere?.message.contains("does not have") == true)
  }

  @Test("What does not suit is said while planning")
  func plans() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    func fault(_ method: String, _ parameters: [String: String]) throws -> String {
      let error = #expect(throws: TinctureError.self) {
        try vision.plan(vision.recipe(method, ["mnist", "style"], parameters))
      }
      return error?.detailedDescription ?? ""
    }
    #expect(try fault("twin_merging", ["mask_rate": "1"]).contains("mask_rate must be below 1"))
    #expect(try fault("twin_merging", ["dropout": "1"]).contains("dropout must be below 1"))
    #expect(try fault("twin_merging", ["compression": "zip"]).contains("svd"))
    #expect(try fault("twin_merging", ["batch_size": "1"]).contains("batch_size"))
    #expect(try fault("we_moe", ["density": "0"]).contains("density must be above 0"))
    #expect(try fault("we_moe", ["sharedrouter": "true"]).contains("shared_router"))
  }
}
