import Foundation
import Testing
import TinctureTorch

@Suite(
  "Training through the program", .timeLimit(.minutes(25)),
  .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
struct TrainCommandTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  init() throws {
    workshop = try Workshop()
    try write()
  }

  /// A run of the bundled encoder, or of a small one, on calibration images.
  private func write(_ more: String = "", epochs: Int = 4) throws {
    try workshop.write(
      "run.yaml",
      """
      network: {kind: vision_transformer, image_size: 28, num_channels: 1, patch_size: 7, hidden_size: 32,
        num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64, pooling: mean}
      input: {range: 255, mean: 0.25, std: 0.35}
      head: {classes: 10}
      data:
        train: {file: '\(Self.vision)/calibration.safetensors', inputs: mnist.images, targets: mnist.labels}
        test: {file: '\(Self.vision)/test.safetensors', inputs: mnist.images, targets: mnist.labels}
        test_limit: 200
      optimizer: {lr: 0.01}
      epochs: \(epochs)
      batch_size: 16
      \(more)
      """)
  }

  private func run(_ arguments: [String], ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(["train"] + arguments + Workshop.libTorch()).end()
    expect(run, ends: status)
    return run
  }

  private func object(_ run: ToolRun) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  @Test("A check says phases, steps and trained parameters, and writes nothing")
  func check() async throws {
    try write("ranks: {mode: dynamic, inflate: 1, deflate: 3}")
    let shown = try await run(["run.yaml", "--check"])
    for word in ["low_rank", "dense", "adaptor", "64 steps", "256 training and 200 test examples"] {
      #expect(shown.output.contains(word), "\(word): \(shown.output)")
    }
    let json = try object(try await run(["run.yaml", "--check", "--json"]))
    let phases = try #require(json["phases"] as? [[String: Any]])
    #expect(phases.map { $0["steps"] as? Int } == [16, 32, 16])
    let counts = phases.compactMap { $0["trained_parameters"] as? Int }
    #expect(counts[0] < counts[1] && counts[2] < counts[1])
    #expect(try workshop.names() == ["run.yaml"])
  }

  @Test("A model that was trained is evaluated with its head and merged like any other")
  func model() async throws {
    let report = try object(try await run(["run.yaml", "model", "--json"]))
    let accuracy = try #require(report["test_accuracy"] as? Double)
    #expect(accuracy > 0.25 && report["epochs"] as? Int == 4)
    try workshop.write(
      "suite.yaml",
      """
      network: {config: model}
      input: {range: 255, mean: 0.25, std: 0.35}
      tasks:
        - name: digits
          data: {file: '\(Self.vision)/test.safetensors', inputs: mnist.images, targets: mnist.labels}
          head: {file: model/head.safetensors, weight: weight, bias: bias}
      """)
    let measured = try await workshop.start(
      ["evaluate", "suite.yaml", "model", "--limit", "200", "--json", "--no-cache"]
        + Workshop.libTorch()
    ).end()
    expect(measured, ends: 0)
    let rows =
      try JSONSerialization.jsonObject(with: Data(measured.output.utf8)) as? [[String: Any]]
    let found = (rows?.first?["accuracy"] as? [String: Double])?["digits"] ?? 0
    #expect(abs(found - 100 * accuracy) < 1e-6)
    _ = try await run(["run.yaml", "other", "--seed", "5", "--quiet"])
    let merged = try await workshop.tincture(
      "merge", "--method", "linear", "--model", "model", "--model", "other", "--set", "weight=1",
      "merged")
    expect(merged, ends: 0)
    #expect(try workshop.text("merged/config.json") == workshop.text("model/config.json"))
    let again = try await run(["run.yaml", "model"], ends: 73)
    #expect(again.errors.contains("--force"))
    _ = try await run(["run.yaml", "model", "--force", "-q"])
  }

  @Test(
    "Ctrl-C and a kill leave a state from which the next run ends with the same bytes",
    arguments: [SIGINT, SIGKILL])
  func resumed(signal: Int32) async throws {
    try write("augmentation: {crop: 2, flip: true}", epochs: 5)
    _ = try await run(["run.yaml", "reference", "-q", "--threads", "1"])
    let first = try workshop.start(
      ["train", "run.yaml", "model", "--threads", "1"] + Workshop.libTorch())
    await first.send(signal) { first.errors.contains("epoch 3") }
    let stopped = try await first.end()
    if signal == SIGINT {
      expect(stopped, ends: 130)
      #expect(stopped.errors.contains("--resume"))
    }
    #expect(!workshop.exists("model") && workshop.exists("model-training/state.safetensors"))
    let refused = try await run(["run.yaml", "model"], ends: 73)
    #expect(refused.errors.contains("--resume"))
    let rest = try object(
      try await run(["run.yaml", "model", "--resume", "--json", "--threads", "1"]))
    #expect((rest["resumed_epochs"] as? Int ?? 0) >= 2)
    let (found, wanted) = (try workshop.bytes("model"), try workshop.bytes("reference"))
    #expect(Set(found.keys) == Set(wanted.keys))
    for (name, bytes) in wanted where name != "train.json" && name != "train.html" {
      #expect(found[name] == bytes, "\(name)")
    }
    let epochs = try ["model", "reference"].map { try workshop.json("\($0)/train.json")["epochs"] }
    #expect(epochs[0] as? NSArray == epochs[1] as? NSArray)
    #expect(!workshop.exists("model-training"))
  }

  @Test("On a full disk the state before stays as it was")
  func fullDisk() async throws {
    let first = try workshop.start(["train", "run.yaml", "model"] + Workshop.libTorch())
    await first.send(SIGINT) { first.errors.contains("epoch 2") }
    _ = try await first.end()
    let state = try workshop.bytes("model-training")["state.safetensors"]
    let size = try #require(state?.count)
    // A limit on the size of files stands for a full disk.
    let options = try Workshop.libTorch().map { "'\($0)'" }.joined(separator: " ")
    let full = try await workshop.shell(
      "ulimit -f \(size / 1024); exec \"$TINCTURE\" train run.yaml model --resume \(options)")
    expect(full, ends: 74)
    #expect(full.errors.contains("Free some space"))
    #expect(try workshop.bytes("model-training")["state.safetensors"] == state)
    #expect(try workshop.names("model-training") == ["lock", "state.safetensors"])
    _ = try await run(["run.yaml", "model", "--resume", "-q"])
    #expect(workshop.exists("model/model.safetensors"))
  }

  @Test("What is wrong ends with its status and says what to do")
  func faults() async throws {
    let none = try await run(["run.yaml"], ends: 64)
    #expect(none.errors.contains("Give a run and an output"))
    let both = try await run(["run.yaml", "x", "--resume", "--force"], ends: 64)
    #expect(both.errors.contains("exclude each other"))
    let missing = try await run(["nothing.yaml", "x"], ends: 66)
    #expect(missing.errors.contains("nothing.yaml"))
    let file = try await run(["run.yaml", "x.safetensors"], ends: 73)
    #expect(file.errors.contains("is a directory"))
    try write("ranks: {mode: dynamic, inflate: 0}")
    let schedule = try await run(["run.yaml", "x"], ends: 65)
    #expect(
      schedule.errors.contains("run.yaml:1") && schedule.errors.contains("inflates at epoch 0"))
    try write("ranks: {mode: low_rank, rank: 100}")
    let rank = try await run(["run.yaml", "x"], ends: 65)
    #expect(rank.errors.contains("above the layer"))
    try write("schedule: {kind: constant, warmup: 0}")
    try workshop.write(
      "wild.yaml", try workshop.text("run.yaml").replacing("lr: 0.01", with: "kind: sgd, lr: 1e18")
    )
    let wild = try await run(["wild.yaml", "x"], ends: 65)
    #expect(
      wild.errors.contains("not finite in step") && wild.errors.contains("learning rate 1e+18"))
    #expect(!workshop.exists("x"))
  }
}
