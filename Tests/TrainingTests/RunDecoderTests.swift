import Foundation
import Testing
import TinctureEvaluation
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureTraining

@Suite("Runs of training")
struct RunDecoderTests {
  private let fixture: RunFixture

  init() throws { fixture = try RunFixture() }

  @Test("A run with everything is read as it is written")
  func whole() throws {
    let run = try fixture.run([
      "name": "digits", "start": "{model: base.safetensors, random: [blocks.1]}",
      "head": "{file: heads.safetensors, weight: '{task}.weight', train: true}",
      "loss": "{kind: cross_entropy, smoothing: 0.1}",
      "optimizer": "{kind: sgd, lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 1e-4}",
      "schedule": "{kind: steps, decays: [100, 130], factor: 0.2, warmup: 0.5}", "epochs": "150",
      "augmentation": "{crop: 4, flip: true}", "precision": "bf16", "seed": "7",
      "gradient_clip": "1.5", "freeze": "[patch_embed]", "save_every": "10",
      "out_dtype": "float16", "batch_norm_momentum": "0.01",
      "ranks": "{mode: dynamic, inflate: 55, deflate: 120, ratio: 0.25, momentum: carry}",
    ])
    #expect(run.name == "digits")
    #expect(run.start.model == "base.safetensors" && run.start.isRandom("blocks.1.norm1.weight"))
    #expect(run.head?.reference?.weight == "digits.weight" && run.head?.isTrained == true)
    #expect(run.smoothing == 0.1)
    #expect(run.optimizer.rate == 0.1)
    #expect(
      run.optimizer.rule
        == .sgd(momentum: 0.9, dampening: 0, nesterov: true, weightDecay: 1e-4))
    #expect(run.schedule == .init(.steps(decays: [100, 130], factor: 0.2), warmup: 0.5))
    #expect(run.duration == .epochs(150))
    #expect(run.augmentation.crop == 4 && run.augmentation.flips)
    #expect(run.precision == .bf16 && run.seed == 7 && run.gradientClip == 1.5)
    #expect(run.frozen == ["patch_embed"] && run.saveInterval == 10 && run.outputType == .f16)
    #expect(run.normalizationMomentum == 0.01)
    #expect(run.data.training.part == "train" && run.data.testLimit == 100)
    let ranks = try #require(run.ranks)
    #expect(ranks.momentum == .carry && ranks.statistics == .copied)
    let schedule = try ranks.schedule(rates: Array(repeating: 1, count: 150), decays: [100])
    #expect(schedule.phases.map(\.epoch) == [0, 55, 120])
    #expect(schedule.phases.map(\.mode.name) == ["low_rank", "dense", "adaptor"])
    guard case .lowRank(let settings) = schedule.phases[0].mode,
      case .adaptor(let after) = schedule.phases[2].mode
    else {
      Issue.record("The phases have other modes.")
      return
    }
    #expect(settings.rank == .ratio(0.25) && after.rank == .ratio(0.25) && after.trainsRest)
  }

  @Test("Without a word about it a run has AdamW, ten epochs and dense layers")
  func defaults() throws {
    let run = try fixture.run(["optimizer": "", "epochs": "", "batch_size": ""])
    #expect(run.optimizer == TrainingOptimizer() && run.duration == .epochs(10))
    #expect(run.batchSize == 128 && run.ranks == nil && run.start.model == nil)
    #expect(run.schedule == LearningRateSchedule() && run.augmentation.isIdentity)
    #expect(run.configuration["model_type"]?.stringValue == "vision_transformer")
  }

  @Test("Dense epochs are placed around the first decay of the learning rate")
  func automatic() throws {
    let run = try fixture.run(["ranks": "dynamic"])
    let ranks = try #require(run.ranks)
    let rates = Array(repeating: 1.0, count: 150)
    #expect(
      try ranks.schedule(rates: rates, decays: [100, 130]).phases.map(\.epoch) == [0, 55, 120])
    let cosine = try ranks.schedule(rates: (0..<20).map { 1 - Double($0) / 20 }, decays: [])
    #expect(cosine.phases.map(\.epoch) == [0, 6, 12])
    let none = failure { _ = try ranks.schedule(rates: rates, decays: []) }
    #expect(none.code == .recipe && none.message.contains("'inflate'"))
  }

  @Test(
    "Everything that is wrong is said with its place",
    arguments: [
      ("epochz", "3", "did you mean 'epochs'?"), ("epochs", "0", "'epochs' must be a whole number"),
      ("steps", "5", "exclude each other"), ("loss", "mse", "The loss is 'cross_entropy'"),
      ("loss", "{smoothing: 1}", "from 0 to below 1"),
      ("optimizer", "{kind: sdg}", "one of 'sgd', 'adam', 'adamw'"),
      ("optimizer", "{kind: sgd, betas: [0.9, 0.99]}", "'betas' is no setting of sgd"),
      ("optimizer", "{lr: -1}", "'lr' must be positive"),
      ("optimizer", "{kind: sgd, nesterov: true}", "needs a 'momentum'"),
      ("optimizer", "{betas: [0.9]}", "two numbers"),
      ("schedule", "{kind: steps}", "needs 'decays'"),
      ("schedule", "{kind: steps, decays: [2, 1]}", "in rising order"),
      ("schedule", "{kind: steps, decays: [1, 9]}", "has only 3 epochs"),
      ("schedule", "{kind: cosine, decays: [1]}", "'decays' is no setting"),
      ("schedule", "{kind: cosine, warmup: 3}", "never ends"),
      ("schedule", "sine", "'constant', 'steps', 'cosine', 'linear'"),
      ("precision", "fp16", "'f32', 'bf16'"), ("out_dtype", "int8", "'float32', 'float16'"),
      ("head", "{classes: 10, train: false}", "says nothing"),
      ("head", "{classes: 10, file: x}", "remove 'file'"),
      ("augmentation", "{flop: true}", "did you mean 'flip'?"),
      ("data", "{test: {file: x}}", "'data' needs 'train'"),
      ("ranks", "lowrank", "'low_rank', 'cp', 'tucker'"),
      ("ranks", "{form: matrix}", "needs a 'mode'"),
      ("ranks", "{mode: low_rank, alpha: 3}", "'alpha' is no setting of the mode 'low_rank'"),
      ("ranks", "{mode: low_rank, rank: 3, ratio: 0.5}", "exclude each other"),
      ("ranks", "{mode: low_rank, inflate: 3}", "needs the mode 'dynamic'"),
      ("ranks", "{mode: dynamic, inflate: 0}", "before the phase of low rank"),
      ("ranks", "{mode: dynamic, inflate: 2, deflate: 1}", "deflate after the inflation"),
      ("ranks", "{mode: dynamic, deflate: 1}", "needs an 'inflate'"),
      ("ranks", "{mode: low_rank, targets: '('}", "malformed"),
      (
        "ranks", "{phases: [{epoch: 1, mode: dense}]}",
        "The first phase of a schedule begins at epoch 0"
      ),
      (
        "ranks", "{phases: [{epoch: 0, mode: dense}, {epoch: 2, mode: low_rank}]}",
        "throw away what was learnt"
      ),
    ])
  func faults(key: String, value: String, message: String) throws {
    let found = failure { _ = try fixture.run([key: value]) }
    #expect(found.code == .recipe)
    #expect(found.message.contains(message), "\(found.message)")
    #expect(found.message.contains("run.yaml:"))
  }

  @Test("Several faults are told at once, in the order of the file")
  func several() throws {
    let found = failure { _ = try fixture.run(["epochs": "-1", "seed": "x", "freeze": "[]"]) }
    #expect(found.message.contains("The run has 2 faults"))
    let places = ["'epochs'", "'seed'"].compactMap { found.message.range(of: $0)?.lowerBound }
    #expect(places == places.sorted() && places.count == 2)
  }
}
