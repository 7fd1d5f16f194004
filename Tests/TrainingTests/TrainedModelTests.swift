import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureEvaluation
import TinctureJSON
import TinctureLinearAlgebra
import TinctureMerging
import TinctureNetworks
import TinctureSafetensors
import TinctureTensors
import TinctureTorch

@testable import TinctureTraining

@Suite("Models that were trained", .needsLibTorch, .timeLimit(.minutes(25)))
struct TrainedModelTests {
  private let fixture: RunFixture

  init() throws { fixture = try RunFixture() }

  @Test("Nothing changes what is frozen, and a head from a file stays as it is")
  func frozen() async throws {
    let vision = RunFixture.vision
    let network =
      "{kind: vision_transformer, image_size: 28, num_channels: 1, patch_size: 7, hidden_size: 128,"
      + " num_hidden_layers: 6, num_attention_heads: 4, intermediate_size: 512, pooling: mean,"
      + " patch_module: patch_embed}"
    let start = "\(vision)/pretrained.safetensors"
    _ = try await fixture.job(
      "model",
      [
        "network": network, "start": "'\(start)'", "steps": "2", "epochs": "",
        "head":
          "{file: '\(vision)/heads.safetensors', weight: mnist.weight, bias: mnist.bias}",
        "freeze": "[patch_embed, pos_embed, blocks.0.]",
      ]
    ).run()
    let before = try Checkpoint.open(FilePath(start))
    let after = try Checkpoint.open(fixture.scratch.appending("model"))
    for name in after.names {
      let old = try TorchTensor(reading: name, of: before).array(as: Float.self)
      let new = try TorchTensor(reading: name, of: after).array(as: Float.self)
      let isFrozen = ["patch_embed", "pos_embed", "blocks.0."].contains { name.hasPrefix($0) }
      #expect((old == new) == isFrozen, "\(name)")
    }
    let heads = try Checkpoint.open(FilePath("\(vision)/heads.safetensors"))
    let head = try Checkpoint.open(fixture.scratch.appending("model/head.safetensors"))
    #expect(
      try TorchTensor(reading: "mnist.weight", of: heads).array(as: Float.self)
        == TorchTensor(reading: "weight", of: head).array(as: Float.self))
  }

  @Test(
    "The log has the ranks and singular values that the written weights have",
    .enabled(if: Backend.isAvailable))
  func spectra() async throws {
    let report = try await fixture.job(
      "model", ["epochs": "2", "ranks": "{mode: dense, measure: true}"]
    ).run()
    let epochs = report.history.epochs
    let checkpoint = try Checkpoint.open(fixture.scratch.appending("model"))
    #expect(epochs[0].spectra.count > 4 && epochs[0].spectra.keys == epochs[0].ranks.keys)
    for (name, values) in epochs[1].spectra {
      let measure = try RankMeasure(TorchTensor(reading: name, of: checkpoint))
      let all = measure.spectrum
      #expect(values.count == min(64, all.count), "\(name)")
      #expect(values.first == all.first && values.last == all.last)
      #expect(epochs[1].ranks[name]?.first == measure.effectiveRank)
      #expect(epochs[0].spectra[name] != values)
    }
    let text = String(decoding: try fixture.bytes("model/train.json"), as: UTF8.self)
    let logged = try JSONValue(parsing: text)["epochs"]?.arrayValue?.last?["spectra"]?.objectValue
    #expect(logged?.members.count == epochs[1].spectra.count)
    let page = String(decoding: try fixture.bytes("model/train.html"), as: UTF8.self)
    #expect(page.contains("Singular values") && page.contains("epoch 2"))
  }

  @Test("Models are written at intervals, and mixed precision learns, too")
  func saved() async throws {
    let report = try await fixture.job(
      "model",
      [
        "save_every": "1", "precision": "bf16", "gradient_clip": "1", "out_dtype": "float16",
        "loss": "{smoothing: 0.1}", "optimizer": "{lr: 0.003, decay: matrices, weight_decay: 0.1}",
      ]
    ).run()
    #expect(fixture.exists("model-epoch-0001/model.safetensors"))
    #expect(fixture.exists("model-epoch-0002/train.json") && !fixture.exists("model-epoch-0003"))
    let epochs = report.history.epochs
    #expect((epochs.last?.loss ?? 9) < epochs[0].loss)
    let model = try SafetensorsFile(opening: fixture.scratch.appending("model/model.safetensors"))
    #expect(model.header.tensors.allSatisfy { $0.dtype == .f16 })
  }

  @Test("A small residual network changes its ranks, measures them, and counts its normalisations")
  func dynamic() async throws {
    let report = try await fixture.job(
      "model",
      [
        "network":
          "{kind: small_resnet, depth: 8, embedding_size: 4, image_size: 28, num_channels: 1, num_labels: 10}",
        "head": "", "optimizer": "{kind: sgd, lr: 0.05, momentum: 0.9, nesterov: true}",
        "ranks": "{mode: dynamic, inflate: 1, deflate: 2, momentum: carry}", "batch_size": "64",
        "data":
          "{train: {file: '\(RunFixture.vision)/calibration.safetensors', inputs: mnist.images, targets:"
          + " mnist.labels}, limit: 128, test: {file: '\(RunFixture.vision)/test.safetensors', inputs:"
          + " mnist.images, targets: mnist.labels}, test_limit: 50}",
      ]
    ).run()
    let phases = report.plan.phases
    #expect(phases.map(\.title) == ["low_rank", "dense", "adaptor"])
    #expect(phases[0].trainedCount < phases[1].trainedCount && phases[0].layerCount > 0)
    let average = report.plan.averageTrainedCount
    #expect(average == Double(phases.reduce(0) { $0 + $1.trainedCount }) / 3)
    #expect(report.history.epochs.map(\.phase) == [0, 1, 2])
    if Backend.isAvailable {
      let ranks = report.history.epochs[0].ranks["layer3.0.conv2.weight"] ?? []
      #expect(ranks.count == 3 && (ranks.last ?? 99) <= 8 && (ranks.first ?? 99) <= 8)
      let page = String(decoding: try fixture.bytes("model/train.html"), as: UTF8.self)
      #expect(page.contains("Effective rank"))
    }
    let model = try Checkpoint.open(fixture.scratch.appending("model"))
    let counted = try TorchTensor(reading: "bn1.running_mean", of: model).array(as: Float.self)
    #expect(counted.contains { abs($0) > 1e-3 })
    #expect(model.shapes["layer3.0.conv2.weight"] == [16, 16, 3, 3])
  }

  @Test("A run of adaptors alone can be exported, and base and adapter are the model")
  func adapter() async throws {
    _ = try await fixture.job("base", ["epochs": "1"]).run()
    let changes = [
      "start": "base", "ranks": "{mode: lora, rank: 4, alpha: 8}", "epochs": "1",
      "head": "{file: base/head.safetensors, weight: weight, bias: bias, train: true}",
    ]
    _ = try await fixture.job("tuned", changes.merging(["export": "adapter"]) { $1 }).run()
    #expect(fixture.exists("tuned/adapter/adapter_config.json"))
    let input = try ModelInput(
      opening: ModelReference(
        path: fixture.scratch.appending("base").string,
        adapter: .init(path: fixture.scratch.appending("tuned/adapter").string)),
      locator: ModelLocator())
    let tuned = try Checkpoint.open(fixture.scratch.appending("tuned"))
    let base = try Checkpoint.open(fixture.scratch.appending("base"))
    var changed = 0
    for name in tuned.names where name != "weight" && name != "bias" {
      let wanted = try TorchTensor(reading: name, of: tuned).array(as: Float.self)
      let reader = try #require(try input.reader(name))
      var found = ContiguousArray<Float>(repeating: 0, count: reader.shape.elementCount)
      var span = found.mutableSpan
      _ = try reader.read(0..<span.count, into: &span, window: ReadWindow(byteCount: 1 << 20))
      #expect(zip(wanted, found).allSatisfy { abs($0 - $1) < 1e-5 }, "\(name)")
      if try TorchTensor(reading: name, of: base).array(as: Float.self) != wanted { changed += 1 }
    }
    #expect(changed == 8)
    let dense = failure { _ = try fixture.run(["export": "adapter"]) }
    #expect(dense.code == .recipe && dense.message.contains("only mode"))
  }

  @Test(
    "Training begins with an expert of a bank, or of a model of which some parts begin at random")
  func starts() async throws {
    _ = try await fixture.job("base", ["epochs": "1"]).run()
    func tensors(_ changes: [String: String]) throws -> [String: TorchTensor] {
      try StartModel(fixture.run(changes)).tensors(on: .cpu)
    }
    let base = try tensors(["start": "base"])
    let mixed = try tensors(["start": "{model: base, random: [blocks.1.mlp]}", "seed": "9"])
    let fresh = try tensors(["seed": "9"])
    for (name, tensor) in mixed {
      let isRandom = name.hasPrefix("blocks.1.mlp")
      let wanted = try #require((isRandom ? fresh : base)[name])
      #expect(try tensor.array(as: Float.self) == wanted.array(as: Float.self), "\(name)")
    }
    let wrong = failure { _ = try tensors(["start": "{model: base, random: [blocks.7]}"]) }
    #expect(wrong.code == .recipe && wrong.message.contains("blocks.7"))
  }
}
