import Synchronization
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureMergeMethods
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

/// Finds on its first try of each tensor that it needs more memory.
private struct Hesitant: MergeMethod {
  static let weight = Parameter<Double>("weight", default: 1, in: .any, "What it multiplies by.")
  let info = MethodInfo(
    name: "hesitant", title: "Hesitant", summary: "Tries twice.", formula: "θ = w θ₁",
    source: "Test", base: .required, models: 1...1, streaming: .tensor, parameters: [weight])

  func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory {
    WorkingMemory(bytes: scope.isFallback ? 3 << 20 : 1 << 10)
  }

  func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    guard inputs.isFallback else { throw inputs.fallBack() }
    let weight = Float(inputs[Self.weight])
    try inputs.produce(.values) { (block, output) throws(TinctureError) in
      for index in 0..<block.count { output[index] = weight * block[model: 0][index] }
    }
  }
}

@Suite("The engine")
struct MergeEngineTests {
  @Test("A report and events account for every step and byte", arguments: [1, 4])
  func events(workers: Int) async throws {
    let fixture = try EngineFixture()
    let plan = try fixture.plan(weight: 0.5)
    let heard = Mutex<[MergeEvent]>([])
    let writer = try CheckpointWriter.create(
      fixture.output, layout: plan.layout, fingerprint: plan.fingerprint)
    let report = try await MergeEngine(workers: workers, memoryLimit: 1 << 24).run(
      plan, into: writer
    ) { event in heard.withLock { $0.append(event) } }
    try writer.finish()
    #expect(report.steps == 6)
    #expect(report.resumedSteps == 0)
    #expect(report.outputBytes == plan.outputBytes)
    #expect(report.inputBytes == 2 * plan.outputBytes)
    let events = heard.withLock { $0 }
    #expect(
      events.first
        == .started(
          steps: 6, outputBytes: plan.outputBytes, inputBytes: plan.inputBytes, resumedSteps: 0))
    var written = 0
    var finished = Set<Int>()
    for event in events {
      if case .wrote(let bytes) = event { written += bytes }
      if case .finished(let step) = event { finished.insert(step) }
    }
    #expect(written == plan.outputBytes)
    #expect(finished == Set(0..<6))
    let values = try TinyModel(reading: fixture.output)["t3"]
    #expect(values == [Float](repeating: 0.5, count: 5003))
  }

  @Test("Masks take the memory of the tensors that may wait to be written, within the limit or one")
  func masks() throws {
    let plan = try EngineFixture().plan()
    let most = plan.steps.map(\.elements.count).max() ?? 0
    func memory(_ workers: Int, _ limit: Int, keepsTensors: Bool = false) -> Int {
      MergedOutput.maskMemory(
        plan.steps, workers: workers, limit: limit, keepsTensors: keepsTensors)
    }
    let (one, two) = (memory(1, 1), memory(1, 1 << 30))
    #expect(one > 4 * most)
    let second = plan.steps.map(\.elements.count).sorted(by: >)[1]
    #expect(two >= one + 4 * second)
    #expect(memory(2, 1 << 30) > two)
    let engine = MergeEngine(workers: 2, memoryLimit: 1 << 30)
    let emr = MergePlan(method: Emr(), steps: plan.steps, layout: plan.layout)
    #expect(engine.peakBytes(of: emr) >= memory(2, 1 << 30))
  }

  @Test(
    "Steps share the memory limit, and one that needs more runs alone",
    arguments: [1, 1 << 17, 1 << 30])
  func budget(limit: Int) async throws {
    let fixture = try EngineFixture()
    let plan = try fixture.plan()
    let engine = MergeEngine(
      workers: 4, memoryLimit: limit,
      tuning: EngineTuning(windowBytes: 4096, blockElements: 4096))
    let writer = try CheckpointWriter.create(
      fixture.output, layout: plan.layout, fingerprint: plan.fingerprint)
    let report = try await engine.run(plan, into: writer)
    #expect(report.peakBytes <= engine.peakBytes(of: plan))
    let alone = MergeEngine(workers: 1, memoryLimit: limit, tuning: engine.tuning)
    #expect(report.peakBytes <= max(limit, alone.peakBytes(of: plan)))
  }

  @Test("A step that asks for it is carried out again with the memory of its slower route")
  func fallback() async throws {
    let fixture = try EngineFixture()
    let plan = try fixture.plan(weight: 0.5, method: Hesitant())
    let writer = try CheckpointWriter.create(
      fixture.output, layout: plan.layout, fingerprint: plan.fingerprint)
    let engine = MergeEngine(workers: 2, memoryLimit: 1 << 22)
    let report = try await engine.run(plan, into: writer)
    try writer.finish()
    #expect(report.steps == 6)
    // One slower step at a time.
    #expect(report.peakBytes > 3 << 20 && report.peakBytes < 1 << 22)
    #expect(engine.peakBytes(of: plan) < 3 << 20)
    let values = try TinyModel(reading: fixture.output)["t3"]
    #expect(values == [Float](repeating: 0.5, count: 5003))
  }

  @Test("A raised flag stops the merge, and nothing is left")
  func interruption() async throws {
    let fixture = try EngineFixture()
    let plan = try fixture.plan()
    let before = try fixture.scratch.names()
    let flag = Interruption()
    flag.raise()
    let error = await #expect(throws: TinctureError.self) {
      let writer = try CheckpointWriter.create(
        fixture.output, layout: plan.layout, fingerprint: plan.fingerprint)
      _ = try await MergeEngine(workers: 2, memoryLimit: 1 << 24).run(
        plan, into: writer, interruption: flag)
    }
    #expect(error?.code == .interrupted)
    #expect(try fixture.scratch.names() == before)
  }

  @Test("A run that was stopped amid the steps is continued to the same bytes")
  func resumption() async throws {
    let fixture = try EngineFixture()
    let plan = try fixture.plan(weight: 0.25)
    let flag = Interruption()
    let policy = CheckpointWriter.Policy(resume: true)
    let engine = MergeEngine(workers: 1, memoryLimit: 1 << 24)
    _ = await #expect(throws: TinctureError.self) {
      let writer = try CheckpointWriter.create(
        fixture.output, layout: plan.layout, fingerprint: plan.fingerprint, policy: policy)
      let count = Mutex(0)
      _ = try await engine.run(plan, into: writer, interruption: flag) { event in
        guard case .finished = event else { return }
        count.withLock { $0 += 1 }
        if count.withLock({ $0 }) == 2 { flag.raise() }
      }
    }
    let again = try fixture.plan(weight: 0.25)
    #expect(again.fingerprint == plan.fingerprint)
    let writer = try CheckpointWriter.create(
      fixture.output, layout: again.layout, fingerprint: again.fingerprint, policy: policy)
    #expect(writer.finishedSteps.count == 2)
    let report = try await engine.run(again, into: writer)
    #expect(report.resumedSteps == 2)
    #expect(report.steps == 4)
    try writer.finish()
    let model = try TinyModel(reading: fixture.output)
    #expect(model.tensors.allSatisfy { $0.values.allSatisfy { $0 == 0.25 } })
  }

  @Test("A failing disk is the error of the merge")
  func fullDisk() async throws {
    let fixture = try EngineFixture()
    let plan = try fixture.plan()
    let header = plan.layout.files[0].header.count
    let before = try fixture.scratch.names()
    let error = await #expect(throws: TinctureError.self) {
      let writer = try CheckpointWriter.create(
        fixture.output, layout: plan.layout, fingerprint: plan.fingerprint
      ) { descriptor, bytes, offset in
        if offset >= header + 30_000 { throw Errno.noSpace }
        return try RangeWriter.systemWrite(descriptor, bytes, offset)
      }
      _ = try await MergeEngine(workers: 3, memoryLimit: 1 << 24).run(plan, into: writer)
    }
    #expect(error?.code == .io)
    #expect(error?.place.tensor != nil)
    #expect(try fixture.scratch.names() == before)
  }

  @Test("The failure that is reported does not depend on the workers", arguments: [1, 2, 8])
  func firstFailure(workers: Int) async throws {
    let fixture = try EngineFixture()
    let spoilt = try TinyModel(reading: fixture.model.path).mapValues { name, index, value in
      index == 4999 && name != "t5" ? .nan : value
    }
    try fixture.scratch.write("model.safetensors", spoilt.safetensors)
    let plan = try fixture.plan()
    let error = await #expect(throws: TinctureError.self) {
      let writer = try CheckpointWriter.create(
        fixture.output, layout: plan.layout, fingerprint: plan.fingerprint)
      _ = try await MergeEngine(workers: workers, memoryLimit: 1 << 30).run(plan, into: writer)
    }
    #expect(error?.place.tensor == "t4", "the largest step of those that fail comes first")
    #expect(error?.place.model == "model")
    #expect(error?.message.contains("Element 4999 is nan") == true)
  }
}

@Suite("Plans")
struct MergePlanTests {
  @Test("Large element-wise steps are cut, and cover every element once")
  func cuts() throws {
    let count = (1 << 24) * 2 + 5
    let layout = OutputLayout(
      tensors: [.init(name: "t", dtype: .bf16, shape: Shape(vector: count))], shardSize: .max)
    for (method, pieces) in [
      (SparsifiedArithmetic.taskArithmetic, 3), (SparsifiedArithmetic.ties, 1),
    ] {
      let step = MergeStep(
        index: 0, name: "t", shape: Shape(vector: count), dtype: .bf16, base: nil, models: [],
        modelIndices: [],
        parameters: try ResolvedParameters(
          for: method.info, ["weight": .number(1)], modelCount: 1), output: layout.places[0])
      let plan = MergePlan(method: method, steps: [step], layout: layout)
      #expect(plan.steps.count == pieces)
      #expect(plan.steps.map(\.index) == Array(0..<pieces))
      #expect(
        plan.steps.flatMap { [$0.elements.lowerBound, $0.elements.upperBound] }.last == count)
      for (step, next) in zip(plan.steps, plan.steps.dropFirst()) {
        #expect(step.elements.upperBound == next.elements.lowerBound)
      }
    }
  }

  @Test("The fingerprint changes with everything that decides about the bytes")
  func fingerprint() throws {
    let fixture = try EngineFixture()
    let first = try fixture.plan().fingerprint
    #expect(try fixture.plan().fingerprint == first)
    var others = [
      try fixture.plan(weight: 0.5).fingerprint, try fixture.plan(seed: 1).fingerprint,
      try fixture.plan(values: ["lambda": .number(2)]).fingerprint,
      try fixture.plan(method: SparsifiedArithmetic.ties).fingerprint,
      try EngineFixture(elements: 5001).plan().fingerprint,
    ]
    let bytes = try TinyModel(reading: fixture.model.path).mapValues { _, _, _ in 2 }
    try fixture.scratch.write("model.safetensors", bytes.safetensors)
    others.append(try fixture.plan().fingerprint)
    #expect(Set(others + [first]).count == others.count + 1)
  }
}
