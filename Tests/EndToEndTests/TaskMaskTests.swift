import Foundation
import Testing
import TinctureTorch

@Suite("Models with masks or parts for each task, through the program", .timeLimit(.minutes(25)))
struct TaskMaskTests {
  private static let vision = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples/Vision").path
  private let workshop: Workshop

  init() throws { workshop = try Workshop() }

  /// Writes a base, some models of it, and a recipe.
  private func prepare(
    _ method: String, models: Int = 3, _ parameters: String = "", _ element: TinyTensor.Element
  ) throws -> (base: TinyModel, models: [TinyModel]) {
    let base = TinyModel.llama(1, element)
    try base.write("base", in: workshop)
    var text = "merge_method: \(method)\nbase_model: base\nmodels:\n"
    var tuned: [TinyModel] = []
    for (number, name) in ["cars", "sun", "dtd", "mnist"].prefix(models).enumerated() {
      tuned.append(base.tuned(number + 2))
      try tuned[number].write("tuned-\(name)", in: workshop)
      text += "  - model: tuned-\(name)\n    parameters: {task: \(name)}\n"
    }
    if !parameters.isEmpty { text += "parameters: {\(parameters)}\n" }
    try workshop.write("recipe.yaml", text)
    return (base, tuned)
  }

  private func run(_ arguments: String..., ends status: Int32 = 0) async throws -> ToolRun {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: status)
    return run
  }

  /// The plain checkpoint of a task, after the base and the models are gone.
  private func extracted(_ task: String) async throws -> SavedModel {
    _ = try await run("extract", "moved", "--task", task, "--output", "out-\(task)")
    return try SavedModel("out-\(task)", in: workshop)
  }

  private func move() throws {
    for name in try workshop.names() where name == "base" || name.hasPrefix("tuned-") {
      try FileManager.default.removeItem(at: workshop.url(name))
    }
    try FileManager.default.moveItem(at: workshop.url("merged"), to: workshop.url("moved"))
  }

  @Test(
    "EMR: a task is the base with its part of the elected vector, wherever the output goes",
    arguments: ["means", "sums"], [TinyTensor.Element.f32, .bf16])
  func emr(rescale: String, element: TinyTensor.Element) async throws {
    let (base, tuned) = try prepare("emr", "rescale: \(rescale)", element)
    _ = try await run("merge", "recipe.yaml", "merged")
    #expect(try workshop.names("merged").contains("tasks.bank"))
    #expect(try workshop.names("merged").allSatisfy { !$0.hasPrefix(".") })
    let shown = try await run("inspect", "merged", "--summary")
    #expect(shown.output.contains("masks of 3 tasks by emr"))
    let json = try await run("inspect", "merged", "--summary", "--json")
    #expect(json.output.contains("\"shared_bytes\""))
    _ = try await run("bank", "verify", "merged/tasks.bank")
    try move()
    let merged = try SavedModel("moved", in: workshop)
    for (task, model) in zip(["cars", "sun", "dtd"], tuned) {
      let saved = try await extracted(task)
      #expect(saved.names == base.names.sorted())
      #expect(workshop.exists("out-\(task)/config.json"))
      var sums = (vector: 0.0, masked: 0.0)
      for name in base.names {
        let origin = base.values(name)
        let common = try #require(merged[name]).values
        let own = model.values(name)
        let divisor = rescale == "means" ? Double(origin.count) : 1
        for index in origin.indices {
          let change = Double(own[index] - origin[index])
          let elected = Double(common[index] - origin[index])
          sums.vector += change.magnitude / divisor
          if change * elected > 0 { sums.masked += elected.magnitude / divisor }
        }
      }
      let factor = Float(sums.vector / sums.masked)
      for name in base.names {
        let origin = base.values(name)
        let common = try #require(merged[name]).values
        let own = model.values(name)
        let got = try #require(saved[name])
        #expect(got.element == element)
        for index in origin.indices {
          let elected = common[index] - origin[index]
          let isOwn = (own[index] - origin[index]) * elected > 0
          let expected = origin[index] + (isOwn ? factor * elected : 0)
          let slack = element == .f32 ? 1e-5 : 0.01 * expected.magnitude + 1e-6
          #expect((got.values[index] - expected).magnitude <= slack, "\(name) [\(index)]")
        }
      }
    }
    let file = try await run(
      "extract", "moved/model.safetensors", "--task", "cars", "--output", "x", ends: 64)
    #expect(file.errors.contains("directory of a merge"))
    let missing = try await run("extract", "moved", "--task", "none", "--output", "x", ends: 66)
    #expect(missing.errors.contains("cars, sun, dtd"))
  }

  @Test("TALL-masks: every element of a task is the base's or the merged model's")
  func tall() async throws {
    let (base, tuned) = try prepare("tall_masks", "tall_mask_lambda: 0.5", .f16)
    _ = try await run("merge", "recipe.yaml", "merged")
    try move()
    let merged = try SavedModel("moved", in: workshop)
    for (task, model) in zip(["cars", "sun", "dtd"], tuned) {
      let saved = try await extracted(task)
      for name in base.names {
        let origin = base.values(name)
        let common = try #require(merged[name]).values
        let own = model.values(name)
        let expected = origin.indices.map { index in
          let change = own[index] - origin[index]
          let others = common[index] - origin[index] - change
          return change.magnitude > 0.5 * others.magnitude ? common[index] : origin[index]
        }
        #expect(saved[name]?.values == expected)
      }
    }
    // The bank by itself finds the model beside it.
    _ = try await run("convert", "moved/tasks.bank#sun", "plain")
    #expect(try SavedModel("plain", in: workshop)["lm_head.weight"]?.shape == [10, 8])
  }

  @Test(
    "FlexMerge: from one model for all tasks to the models as they were",
    arguments: ["average", "task_arithmetic", "ties", "pcb", "emr", "consensus_ta"])
  func flexible(inner: String) async throws {
    let (base, tuned) = try prepare(
      "flexmerge", models: 4, "inner: \(inner), size: 4", .f32)
    _ = try await run("merge", "recipe.yaml", "merged")
    try move()
    for (task, model) in zip(["cars", "sun", "dtd", "mnist"], tuned) {
      let saved = try await extracted(task)
      for name in base.names {
        for (got, wanted) in zip(try #require(saved[name]).values, model.values(name)) {
          #expect((got - wanted).magnitude < 1e-6)
        }
      }
    }
  }

  @Test("FlexMerge stays within its size, and tasks of a cluster share its tensors")
  func budget() async throws {
    let (base, _) = try prepare("flexmerge", models: 4, "size: 2.5", .f32)
    _ = try await run("merge", "recipe.yaml", "merged")
    let parts = try SavedModel("merged/task_parts.safetensors", in: workshop)
    func count(_ tensors: [TinyTensor]) -> Int { tensors.reduce(0) { $0 + $1.values.count } }
    let whole = base.names.reduce(0) { $0 + base.values($1).count }
    let own = count(parts.names.compactMap { parts[$0] })
    #expect(own <= whole * 3 / 2)
    #expect(own > whole / 2)
    let first = try Data(contentsOf: workshop.url("merged/task_parts.safetensors"))
    _ = try await run("merge", "recipe.yaml", "merged", "--force", "--workers", "3")
    #expect(try Data(contentsOf: workshop.url("merged/task_parts.safetensors")) == first)
    #expect(try workshop.names("merged").allSatisfy { !$0.hasPrefix(".") })
    let shown = try await run("inspect", "merged", "--summary")
    #expect(shown.output.contains("parts of 4 tasks by flexmerge"))
    // With the size of one, nothing is left for single tasks.
    _ = try await run(
      "merge", "--method", "flexmerge", "--base", "base", "--model", "tuned-cars", "--model",
      "tuned-sun", "small")
    let small = try SavedModel("small/task_parts.safetensors", in: workshop)
    #expect(small.names.isEmpty)
  }

  @Test(
    "FlexMerge with masks over whole models gives the tasks of the method inside of it",
    arguments: ["emr", "consensus_ta"])
  func flexibleMasks(inner: String) async throws {
    let (base, tuned) = try prepare(
      "flexmerge", models: 4, "inner: \(inner), size: 2.2, order: cluster", .f32)
    let said = try await run("merge", "recipe.yaml", "merged")
    #expect(said.output.contains(" for single tasks, in "), "\(said.output)")
    let again = try await run("merge", "recipe.yaml", "merged", "--force", "--json")
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any])
    let bank = try #require(workshop.bytes("merged")["tasks.bank"]?.count)
    #expect(try #require(report["task_bytes"] as? Int) >= bank && bank > 0)
    _ = try await run("bank", "verify", "merged/tasks.bank")
    if inner == "emr" {
      try workshop.write(
        "emr.yaml",
        try workshop.text("recipe.yaml").replacing("flexmerge", with: "emr")
          .split(separator: "\nparameters:")[0] + "\n")
      _ = try await run("merge", "emr.yaml", "whole")
    }
    try move()
    for (task, model) in zip(["cars", "sun", "dtd", "mnist"], tuned) {
      let saved = try await extracted(task)
      guard inner == "emr" else {
        let common = try SavedModel("moved", in: workshop)
        for name in base.names {
          let (origin, merged) = (base.values(name), try #require(common[name]).values)
          for index in origin.indices {
            let own = model.values(name)[index] - origin[index]
            let all = merged[index] - origin[index]
            let isOwn = own.magnitude > 0.3 * (all - own).magnitude
            let got = try #require(saved[name]).values[index]
            #expect((got - (isOwn ? merged[index] : origin[index])).magnitude < 1e-6)
          }
        }
        continue
      }
      _ = try await run("extract", "whole", "--task", task, "--output", "whole-\(task)")
      let wanted = try SavedModel("whole-\(task)", in: workshop)
      for name in base.names { #expect(saved[name]?.values == wanted[name]?.values) }
    }
  }

  @Test("FlexMerge by channel has as many clusters in every tensor as its size has room for")
  func channels() async throws {
    let (base, tuned) = try prepare("flexmerge", models: 4, "size: 2.5, order: channel", .f32)
    _ = try await run("merge", "recipe.yaml", "merged")
    let first = try Data(contentsOf: workshop.url("merged/task_parts.safetensors"))
    _ = try await run("merge", "recipe.yaml", "merged", "--force", "--workers", "3")
    #expect(try Data(contentsOf: workshop.url("merged/task_parts.safetensors")) == first)
    try move()
    var models: [SavedModel] = []
    for task in ["cars", "sun", "dtd", "mnist"] { models.append(try await extracted(task)) }
    for name in base.names {
      let values = try models.map { try #require($0[name]).values }
      let clusters = Set(values).map { own in values.indices.filter { values[$0] == own } }
      #expect(clusters.count <= 2)
      for members in clusters {
        for index in values[members[0]].indices {
          let mean =
            members.reduce(Float(0)) { $0 + tuned[$1].values(name)[index] } / Float(members.count)
          #expect((values[members[0]][index] - mean).magnitude < 1e-5)
        }
      }
    }
    _ = try prepare("flexmerge", models: 4, "order: channel, linkage: single", .f32)
    let refused = try await run("plan", "recipe.yaml", ends: 65)
    #expect(refused.errors.contains("have no effect"))
  }

  @Test(
    "With masks FlexMerge keeps the tensors of tasks outside of the largest cluster, within its size"
  )
  func partialMasks() async throws {
    let (base, tuned) = try prepare(
      "flexmerge", models: 4, "inner: emr, size: 3.2, order: right_to_left", .f32)
    _ = try await run("merge", "recipe.yaml", "merged")
    func bytes(_ name: String) throws -> Int {
      try Data(contentsOf: workshop.url("merged/" + name)).count
    }
    let whole = 4 * base.names.reduce(0) { $0 + base.values($1).count }
    // Headers are of a size of their own in such small models.
    let header = try Data(contentsOf: workshop.url("merged/tasks.bank")).prefix(8)
    let length = header.reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect(try bytes("tasks.bank") - length - 8 <= whole * 22 / 10)
    let first = try Data(contentsOf: workshop.url("merged/tasks.bank"))
    _ = try await run("merge", "recipe.yaml", "merged", "--force", "--workers", "3")
    #expect(try Data(contentsOf: workshop.url("merged/tasks.bank")) == first)
    try move()
    var (kept, changed) = (0, 0)
    for (task, model) in zip(["cars", "sun", "dtd", "mnist"], tuned) {
      let saved = try await extracted(task)
      for name in base.names {
        let got = try #require(saved[name]).values
        let isOwn = zip(got, model.values(name)).allSatisfy { ($0 - $1).magnitude < 1e-6 }
        if isOwn { kept += 1 } else { changed += 1 }
      }
    }
    #expect(kept > 0 && changed > 0)
    _ = try prepare("flexmerge", models: 4, "inner: emr, size: 2", .f32)
    let refused = try await run("plan", "recipe.yaml", ends: 65)
    #expect(refused.errors.contains("take the room of 2.125 at least"))
  }

  @Test("A half reset takes half of the modules of each kind, layer by layer")
  func halfReset() async throws {
    let base = TinyModel.llama(1, layers: 4)
    try base.write("base", in: workshop)
    let tuned = base.tuned(2)
    try tuned.write("tuned", in: workshop)
    _ = try await run(
      "merge", "--method", "half_reset", "--base", "base", "--model", "tuned", "merged")
    let merged = try SavedModel("merged", in: workshop)
    var norms = 0
    for layer in 0..<4 {
      let names = base.names.filter { $0.contains(".\(layer).") }
      let reset = names.filter { merged[$0]?.values == base.values($0) }
      let kept = names.filter { merged[$0]?.values == tuned.values($0) }
      #expect(reset.count + kept.count == names.count)
      #expect(reset.filter { $0.contains("self_attn") }.count == 1)
      #expect(reset.filter { $0.contains("mlp") }.count == 1)
      norms += reset.filter { $0.contains("norm") }.count
    }
    // One norm a layer: half of them in half of the layers.
    #expect(norms == 2)
    for name in ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"] {
      #expect(merged[name]?.values == tuned.values(name))
    }
  }

  @Test("Tasks need names of their own, and the output needs a directory")
  func refusals() async throws {
    _ = try prepare("emr", models: 2, "", .f32)
    let text = try workshop.text("recipe.yaml").replacing("task: sun", with: "task: cars")
    try workshop.write("recipe.yaml", text)
    let same = try await run("plan", "recipe.yaml", ends: 65)
    #expect(same.errors.contains("task 'cars'"))
    try workshop.write("steps.yaml", text + "postprocess: [awd]\n")
    let steps = try await run("plan", "steps.yaml", ends: 65)
    #expect(steps.errors.contains("a step after it would not change"))
    let single = try await run(
      "merge", "--method", "emr", "--base", "base", "--model", "tuned-cars", "x.safetensors",
      ends: 64)
    #expect(single.errors.contains("must be a directory"))
    let varied = try await run(
      "merge", "--method", "pcb", "--base", "base", "--model", "tuned-cars", "--set", "ratio=2",
      "y", ends: 64)
    #expect(varied.errors.contains("ratio"))
  }

  /// A recipe for two of the bundled experts.
  private func recipe(_ method: String, _ parameters: String = "", _ data: String = "") -> String {
    """
    merge_method: \(method)
    base_model: \(Self.vision)/pretrained.safetensors
    models:
      - model: \(Self.vision)/expert_optdigits.safetensors
        parameters: {task: optdigits}
      - model: \(Self.vision)/expert_style.safetensors
        parameters: {task: style}
    \(parameters)
    \(data)
    """
  }

  @Test(
    "The thresholds of TALL masks are those with which tasks do best",
    .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
  func validated() async throws {
    let data = "data: {suite: \(Self.vision)/suite.yaml, limit: 150}"
    try workshop.write("chosen.yaml", recipe("tall_masks", "", data))
    let plan = try await workshop.start(["plan", "chosen.yaml"] + Workshop.libTorch()).end()
    expect(plan, ends: 0)
    #expect(
      plan.output.contains("is chosen for each task")
        || plan.errors.contains("is chosen for each task"))
    let merge = try await workshop.start(["merge", "chosen.yaml", "chosen"] + Workshop.libTorch())
      .end()
    expect(merge, ends: 0)
    #expect(try workshop.names().allSatisfy { !$0.hasPrefix(".") })
    var best: [String: (threshold: Double, accuracy: Double)] = [:]
    for threshold in [0.2, 0.3, 0.4, 0.5, 0.6] {
      try workshop.write(
        "one.yaml", recipe("tall_masks", "parameters: {tall_mask_lambda: \(threshold)}"))
      _ = try await run("merge", "one.yaml", "one-\(threshold)")
      for task in ["optdigits", "style"] {
        let found = try await accuracy("one-\(threshold)#\(task)", task, limit: 150)
        if found > best[task]?.accuracy ?? -1 { best[task] = (threshold, found) }
      }
    }
    for task in ["optdigits", "style"] {
      let wanted = try #require(best[task]).threshold
      for (output, model) in [("a", "chosen"), ("b", "one-\(wanted)")] {
        _ = try await run("extract", model, "--task", task, "--output", "\(output)-\(task)")
      }
      let (got, one) = (
        try SavedModel("a-\(task)", in: workshop), try SavedModel("b-\(task)", in: workshop)
      )
      for name in got.names { #expect(got[name]?.values == one[name]?.values, "\(task) \(name)") }
    }
    try workshop.write(
      "both.yaml", recipe("tall_masks", "parameters: {tall_mask_lambda: 0.3}", data))
    let both = try await workshop.start(["plan", "both.yaml"] + Workshop.libTorch()).end()
    expect(both, ends: 65)
    #expect(both.errors.contains("remove one of them"))
    try workshop.write("other.yaml", recipe("emr", "", data))
    #expect(try await run("plan", "other.yaml", ends: 65).errors.contains("remove 'data'"))
  }

  private func accuracy(_ model: String, _ task: String, limit: Int) async throws -> Double {
    let arguments = [
      "evaluate", Self.vision + "/suite.yaml", model, "--task", task, "--limit", "\(limit)",
      "--json", "--no-cache", "--plain",
    ]
    let run = try await workshop.start(arguments + Workshop.libTorch()).end()
    expect(run, ends: 0)
    let rows = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
    let found = try #require(rows?.first?["accuracy"] as? [String: Double])
    return try #require(found[task])
  }

  @Test(
    "What has masks is measured by task",
    .enabled(if: (try? LibTorchSearch().find()) != nil, "LibTorch is not installed"))
  func measured() async throws {
    try workshop.write("emr.yaml", recipe("emr"))
    _ = try await run("merge", "emr.yaml", "merged")
    func accuracy(_ model: String) async throws -> Double {
      try await self.accuracy(model, "style", limit: 200)
    }
    let whole = try await accuracy("merged")
    #expect(try await accuracy("merged#style") == whole)
    #expect(try await accuracy("emr.yaml") == whole)
    #expect(try await accuracy(Self.vision + "/pretrained.safetensors") < whole - 10)
  }
}
