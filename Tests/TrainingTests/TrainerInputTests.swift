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

@Suite("What trainers take and refuse", .needsLibTorch, .timeLimit(.minutes(25)))
struct TrainerInputTests {
  private let fixture: RunFixture

  init() throws { fixture = try RunFixture() }

  @Test(
    "What does not fit is found before the first step",
    arguments: [
      (["head": ""], "add a 'head'"),
      (["head": "{classes: 4}"], "there are only the classes 0 to 3"),
      (
        [
          "data":
            "{train: {file: '%/calibration.safetensors', inputs: x.images, targets: mnist.labels}}"
        ], "x.images"
      ),
      (
        [
          "data":
            "{train: {file: '%/calibration.safetensors', inputs: mnist.images, targets: mnist.labels}, test:"
            + " {file: '%/test.safetensors', inputs: mnist.images, targets: mnist.labels}, limit: 5}"
        ], "of which there are no training examples"
      ),
      (["freeze": "[head, nothing]"], "'head'"),
      (["ranks": "{mode: low_rank, rank: 40}"], "above the layer"),
      (["ranks": "{mode: dynamic, inflate: 3}"], "ends after 3 epochs"),
      (["ranks": "dynamic"], "never falls to a half"),
      (["ranks": "{mode: low_rank, targets: xyz}"], "is found in no weight"),
      (["epochs": "", "steps": "9", "schedule": "{kind: steps, decays: [2]}"], "only 2 epochs"),
      (["start": "nowhere.safetensors"], "nowhere.safetensors"),
      (
        [
          "network": "{kind: predictions}"
        ], "cannot be trained"
      ),
      (
        [
          "network":
            "{kind: vision_transformer, image_size: 30, num_channels: 1, patch_size: 6, hidden_size: 16,"
            + " num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16, pooling: mean}"
        ], "do not fit the network"
      ),
    ])
  func checked(changes: [String: String], message: String) throws {
    let changes = changes.mapValues { $0.replacing("%", with: RunFixture.vision) }
    let found = failure { _ = try fixture.job("model", changes).plan() }
    #expect(found.message.contains(message), "\(found.message)")
    #expect(found.code != nil && found.code != .internalError)
  }

  @Test("Weights that factors at random would not use are remarked upon")
  func discarded() throws {
    func notes(_ start: String, _ ranks: String) throws -> String {
      let changes = [
        "network":
          "{kind: vision_transformer, image_size: 28, num_channels: 1, patch_size: 7, hidden_size: 128,"
          + " num_hidden_layers: 6, num_attention_heads: 4, pooling: mean, patch_module: patch_embed}",
        "start": start, "ranks": ranks,
      ]
      return try fixture.job("model", changes).plan().notes.joined(separator: " ")
    }
    let model = RunFixture.vision + "/pretrained.safetensors"
    #expect(try notes(model, "low_rank").contains("'start: weight'"))
    #expect(try notes(model, "{mode: low_rank, start: weight}").contains("at random") == false)
    #expect(try notes(model, "dense").contains("at random") == false)
    #expect(try notes("random", "low_rank").contains("at random") == false)
    let allRandom = "{model: '\(model)', random: [blocks]}"
    #expect(try notes(allRandom, "low_rank").contains("at random") == false)
  }

  @Test("A classifier learns texts, cut into words of a vocabulary")
  func texts() async throws {
    let folder = URL(filePath: fixture.scratch.string)
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "the", "film", "is"]
    try FileManager.default.createDirectory(
      at: folder.appending(path: "words"), withIntermediateDirectories: true)
    try words.joined(separator: "\n").write(
      to: folder.appending(path: "words/vocab.txt"), atomically: true, encoding: .utf8)
    let lines = (0..<48).map { row in
      let long = row.isMultiple(of: 3) ? "the film is " : ""
      return row.isMultiple(of: 2) ? "\(long)good,yes" : "\(long)bad film,no"
    }
    try (["text,label"] + lines).joined(separator: "\n").write(
      to: folder.appending(path: "texts.csv"), atomically: true, encoding: .utf8)
    let data = "{file: texts.csv, classes: [no, yes]}"
    let report = try await fixture.job(
      "model",
      [
        "network":
          "{kind: bert, architectures: [BertForSequenceClassification], vocab_size: 10, hidden_size: 16,"
          + " num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16, num_labels: 2,"
          + " max_position_embeddings: 16, type_vocab_size: 2, hidden_act: gelu}",
        "input": "", "head": "", "tokenizer": "words", "length": "8", "batch_size": "8",
        "data": "{train: \(data), test: \(data)}", "optimizer": "{lr: 0.01}", "epochs": "5",
        "ranks": "{mode: low_rank, ratio: 0.25}",
      ]
    ).run()
    #expect(report.history.epochs.last?.testAccuracy == 1)
    #expect(fixture.exists("model/vocab.txt"))
    let none = failure {
      _ = try fixture.job(
        "x",
        [
          "network":
            "{kind: bert, architectures: [BertForSequenceClassification], vocab_size: 10, hidden_size: 16,"
            + " num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16, num_labels: 2,"
            + " max_position_embeddings: 16, type_vocab_size: 2, hidden_act: gelu}",
          "input": "", "head": "", "data": "{train: \(data)}",
        ]
      ).plan()
    }
    #expect(none.message.contains("'tokenizer'"))
  }

  @Test("Standardised images have mean zero and deviation one, a flat one zeros")
  func standardized() throws {
    let run = try fixture.run(["input": "{standardize: true}"])
    guard case .normalized(let normalization) = run.input else {
      Issue.record("The input is another.")
      return
    }
    let pixels = (0..<2 * 9).map { $0 < 9 ? Float($0 * $0) : 7 }
    let images = try normalization(
      TorchTensor(pixels, shape: [2, 3, 3]), size: 3, channels: 1)
    let values = try images.array(as: Double.self)
    let first = values[..<9]
    #expect(abs(first.reduce(0, +)) < 1e-5)
    #expect(abs(first.reduce(0) { $0 + $1 * $1 } / 9 - 1) < 1e-5)
    #expect(values[9...].allSatisfy { $0 == 0 })
  }
}
