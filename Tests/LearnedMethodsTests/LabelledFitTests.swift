import SystemPackage
import Testing
import TinctureEvaluation
import TinctureMerging
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureFitting

@Suite("Fits with labels, states and validation", .needsLibTorch)
struct LabelledFitTests {
  private static let data =
    "suite: \(VisionFixture.folder)/suite.yaml, file: \(VisionFixture.folder)/calibration.safetensors"

  private func problem(
    _ vision: VisionFixture, _ models: [String] = ["optdigits", "style"], limit: Int = 40
  ) throws -> LearningProblem {
    try vision.problem(
      vision.recipe("atlas", models, data: Self.data + ", limit: \(limit)"))
  }

  private func run(
    _ problem: LearningProblem, _ settings: FitSettings,
    _ coefficients: CoefficientSettings = CoefficientSettings(), workers: Int = 2,
    at path: FilePath? = nil, stopAfter rounds: Int? = nil
  ) throws -> (merge: CoefficientMerge, outcome: FitOutcome) {
    let vectors = try problem.vectors(memoryLimit: 1 << 30, workers: workers)
    let merge = CoefficientMerge(vectors, coefficients, on: .cpu)
    var fit = MergeFit(problem, vectors, merge, settings)
    fit.snapshotPath = path
    fit.snapshotInterval = 0
    let interruption = fit.interruption
    let outcome = try fit.run { history in
      if history.losses.count == rounds { interruption.raise() }
    }
    return (merge, outcome)
  }

  private func supervised() -> FitSettings {
    var settings = FitSettings(.labels)
    (settings.passes, settings.batchSize, settings.stepsByTask) = (3, 8, false)
    settings.validationShare = 0.25
    return settings
  }

  @Test("Passes, held-out examples and the best state; any number of workers gives the same bits")
  func validation() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    let (merge, outcome) = try run(problem, supervised())
    // 30 examples in batches of 8 are four rounds a pass.
    #expect(outcome.history.losses.count == 12)
    #expect(outcome.history.validations.count == 4)
    #expect(outcome.history.validations.allSatisfy { $0.allSatisfy { (0...1).contains($0) } })
    let (other, again) = try run(problem, supervised(), workers: 1)
    #expect(other.table == merge.table)
    #expect(again.history == outcome.history)
  }

  @Test("A fit with validation that was interrupted goes on to the same bits")
  func resumes() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    let (merge, outcome) = try run(problem, supervised())
    let path = vision.scratch.appending("scratch").appending("fit.safetensors")
    #expect(throws: TinctureError.self) {
      try run(problem, supervised(), at: path, stopAfter: 7)
    }
    let (resumed, rest) = try run(problem, supervised(), at: path)
    #expect(rest.history.resumedRounds == 7)
    #expect(rest.history.losses == outcome.history.losses)
    #expect(rest.history.validations == outcome.history.validations)
    #expect(resumed.table == merge.table)
  }

  @Test("Without progress a fit ends after as many passes as are allowed, with the best state")
  func patience() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    var settings = supervised()
    (settings.passes, settings.patience) = (50, 2)
    var coefficients = CoefficientSettings()
    // Away from any good merge, so that the start is the best state.
    (coefficients.rate, coefficients.link) = (5, .identity)
    let (merge, outcome) = try run(problem(vision), settings, coefficients)
    let scores = outcome.history.validationScores
    let best = try #require(scores.indices.max { scores[$0] < scores[$1] })
    #expect(outcome.history.hasStopped)
    #expect(scores.count < 51)
    #expect(scores.count - 1 - (scores.firstIndex(of: scores[best]) ?? 0) == 2)
    if best == 0 { #expect(merge.table.raw.allSatisfy { $0 == 0.3 }) }
  }

  @Test("Heads are those of the best state, too, also after an interruption")
  func headsOfTheBest() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    var settings = supervised()
    // Steps that are so long that the start does best.
    (settings.passes, settings.patience, settings.headRate) = (3, nil, 50)
    var coefficients = CoefficientSettings()
    (coefficients.rate, coefficients.link) = (5, .identity)
    let (merge, outcome) = try run(problem, settings, coefficients)
    let scores = outcome.history.validationScores
    #expect(scores.dropFirst().allSatisfy { $0 < scores[0] })
    #expect(merge.table.raw.allSatisfy { $0 == 0.3 })
    let heads = try heads(of: outcome)
    let starts = try problem.tasks(needsLabels: true).map {
      try #require($0.head).weight.array(as: Float.self)
    }
    #expect(heads == starts)
    let path = vision.scratch.appending("scratch").appending("heads.safetensors")
    #expect(throws: TinctureError.self) {
      try run(problem, settings, coefficients, at: path, stopAfter: 7)
    }
    let (_, resumed) = try run(problem, settings, coefficients, at: path)
    #expect(resumed.history.resumedRounds == 7)
    #expect(resumed.history.validationScores == scores)
    #expect(try self.heads(of: resumed) == heads)
  }

  private func heads(of outcome: FitOutcome) throws -> [[Float]] {
    try outcome.learners.map { try #require($0.head).weight.detached().array(as: Float.self) }
  }

  @Test("Turns that are taken in together make one step, also across rounds and interruptions")
  func accumulation() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    var settings = FitSettings(.labels)
    (settings.rounds, settings.batchSize, settings.accumulation) = (5, 4, 3)
    let (merge, outcome) = try run(problem, settings)
    #expect(outcome.history.losses.count == 5)
    var snapshot = FitSnapshot()
    try merge.save(into: &snapshot)
    // Ten turns: three steps of three turns, and one of the last turn.
    #expect(try snapshot.number("coefficients.steps") == 4)
    let path = vision.scratch.appending("scratch").appending("fit.safetensors")
    #expect(throws: TinctureError.self) { try run(problem, settings, at: path, stopAfter: 2) }
    let (resumed, _) = try run(problem, settings, at: path)
    #expect(resumed.table == merge.table)
  }

  @Test("Negation raises the loss of what is forgotten; the control is a task without a model")
  func negation() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision, ["style"])
    var settings = FitSettings(.labels)
    (settings.rounds, settings.batchSize, settings.stepsByTask) = (6, 20, false)
    (settings.weights, settings.controlTask) = ([-1, 1], "optdigits")
    var coefficients = CoefficientSettings()
    (coefficients.starts, coefficients.link, coefficients.rate) = ([0], .identity, 0.05)
    let (merge, outcome) = try run(problem, settings, coefficients)
    #expect(outcome.history.tasks == ["style", "optdigits"])
    let losses = outcome.history.losses.compactMap { $0[0] }
    #expect((losses.last ?? 0) > (losses.first ?? 0))
    let mean = merge.table.raw.reduce(0, +) / Float(merge.table.raw.count)
    #expect(mean < 0)
    settings.controlTask = "nothing"
    let error = #expect(throws: TinctureError.self) { try run(problem, settings, coefficients) }
    #expect(error?.message.contains("no task 'nothing' without a model") == true)
  }

  @Test(
    "The states' part of a loss is the mean squared difference to the expert's after each block")
  func states() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision, ["style"], limit: 6)
    let task = try #require(try problem.tasks(needsLabels: false).first)
    let indices = [4, 1]
    let base = try problem.parameters(problem.base)
    let expert = try problem.parameters(problem.expert(0))
    let answers = try ExpertAnswers(task, expert, blocks: [1, 5], batchSize: 4)
    let found = try task.answers(of: indices, base, blocks: [1, 5])
    #expect(found.tokenCounts == [16, 16] && found.rowCounts == [1, 1])
    // Any order of batches gives the states of the same examples.
    let direct = try task.answers(of: indices, expert, blocks: [1, 5])
    for place in 0..<2 {
      let kept = try answers.states(of: indices, place).array(as: Float.self)
      let own = try direct.states[place].array(as: Float.self)
      #expect(zip(kept, own).allSatisfy { abs($0 - $1) < 1e-4 })
    }
    // One turn at the base, with scores and states.
    var settings = FitSettings(.expertDistribution(temperature: 2))
    (settings.rounds, settings.batchSize) = (1, 6)
    settings.alignment = StateAlignment(blocks: [1, 5], weight: 0.7)
    var coefficients = CoefficientSettings()
    (coefficients.starts, coefficients.rate) = ([0], 0)
    let (_, outcome) = try run(problem, settings, coefficients)
    let all = Array(0..<6)
    let mine = try task.answers(of: all, base, blocks: [1, 5])
    let theirs = try task.answers(of: all, expert, blocks: [1, 5])
    var wanted = 0.0
    for place in 0..<2 {
      let a = try mine.states[place].array(as: Float.self)
      let b = try theirs.states[place].array(as: Float.self)
      let square = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
      wanted += 0.7 * square / Double(a.count) / 2
    }
    let head = try #require(task.head)
    let objective = FitObjective.expertDistribution(temperature: 2)
    let scores = try objective.loss(
      head(mine.features), .init(expert: head(theirs.features)))
    wanted += Double(try #require(scores).loss.item(as: Float.self))
    let loss = try #require(outcome.history.losses.first?.first ?? nil)
    #expect(abs(loss - wanted) < 1e-4 * wanted)
  }

  @Test("Problems with some of the models keep their experts")
  func selecting() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let whole = try problem(vision, ["optdigits", "kana", "style"])
    let part = whole.selecting([2, 0])
    #expect(part.suite.tasks.map(\.name) == ["style", "optdigits"])
    let name = try #require(part.steps.first?.name)
    #expect(part.expert(0)[name]?.place.file == whole.expert(2)[name]?.place.file)
    #expect(Set(whole.otherTasks.map(\.name)).isDisjoint(with: ["optdigits", "kana", "style"]))
  }

  @Test("Figures of merges that were measured before are read, and not measured again")
  func trials() throws {
    let vision = try VisionFixture()
    defer { vision.remove() }
    let problem = try problem(vision)
    let vectors = try problem.vectors(memoryLimit: 1 << 30, workers: 2)
    let path = vision.scratch.appending("scratch").appending("fit.safetensors")
    func trials(_ identity: String, _ interruption: Interruption) -> CoefficientTrials {
      CoefficientTrials(problem, vectors, interruption, keptAt: path, identity: identity)
    }
    let first = trials("a", Interruption())
    let base = try first.figures([0, 0], tasks: [0, 1])
    let expert = try first.figures([0, 1], tasks: [1])
    #expect(base.allSatisfy { (0...1).contains($0) } && expert[0] > base[1])
    let stopped = Interruption()
    stopped.raise()
    let second = trials("a", stopped)
    #expect(try second.figures([0, 0], tasks: [0, 1]) == base)
    #expect(try second.figures([0, 1], tasks: [1]) == expert)
    let error = #expect(throws: TinctureError.self) { try second.figures([1, 0], tasks: [0]) }
    #expect(error?.code == .interrupted)
    #expect(throws: TinctureError.self) {
      try trials("b", stopped).figures([0, 0], tasks: [0, 1])
    }
  }
}
