import Foundation
import Testing
import TinctureLinearAlgebra

@Suite("Recipes with steps before and after the method", .timeLimit(.minutes(25)))
struct CompositionTests {
  let workshop: Workshop
  let base = TinyModel.llama(1, layers: 4)
  let models: [TinyModel]

  init() throws {
    workshop = try Workshop()
    models = [base.tuned(2), base.tuned(3), base.tuned(4)]
    try base.write("base", in: workshop)
    for (name, model) in zip(["a", "b", "c"], models) { try model.write(name, in: workshop) }
  }

  private static let inputs = """
    base_model: base
    models: [{model: a}, {model: b}, {model: c}]

    """

  private func merge(_ recipe: String, to output: String, _ options: String...) async throws
    -> SavedModel
  {
    try workshop.write("\(output).yaml", recipe)
    let run = try await workshop.start(["merge", "\(output).yaml", output] + options).end()
    expect(run, ends: 0)
    return try SavedModel(output, in: workshop)
  }

  private func tensors(_ output: String) throws -> Data? {
    try workshop.bytes(output)["model.safetensors"]
  }

  @Test("LiNeS scales each layer by its number, alone and after another method")
  func lines() async throws {
    let method = try await merge(
      "merge_method: lines\nparameters: {alpha: 0.25, beta: 0.5}\n" + Self.inputs, to: "method")
    let step = try await merge(
      "merge_method: task_arithmetic\nparameters: {weight: 1}\n"
        + "postprocess: [{lines: {alpha: 0.25, beta: 0.5}}]\n" + Self.inputs, to: "step")
    let given = try await merge(
      "merge_method: lines\n" + Self.inputs, to: "automatic")
    for name in base.names {
      let words = name.split(separator: ".")
      let layer = words.count > 2 ? Double(words[2]) : nil
      for (index, origin) in base.values(name).enumerated() {
        let sum = models.reduce(0.0) { $0 + Double($1.values(name)[index] - origin) }
        let rise = (layer ?? 0) / 3 * 0.5
        let expected = Double(origin) + (0.25 + rise) * sum
        let automatic = Double(origin) + (1.0 / 3 + rise) * sum
        #expect((Double(method.values(name)[index]) - expected).magnitude < 1e-5, "\(name)")
        #expect((Double(step.values(name)[index]) - expected).magnitude < 1e-5, "\(name)")
        #expect((Double(given.values(name)[index]) - automatic).magnitude < 1e-5, "\(name)")
      }
    }
  }

  @Test("Layers are counted over the whole output where slices are stacked")
  func slices() async throws {
    let output = try await merge(
      """
      merge_method: lines
      base_model: base
      parameters: {alpha: 0, beta: 1}
      slices:
        - sources: [{model: a, layer_range: [0, 1]}, {model: base, layer_range: [0, 1]}]
        - sources: [{model: a, layer_range: [1, 4]}, {model: base, layer_range: [1, 4]}]
      """, to: "slices")
    for layer in 0..<4 {
      let name = "model.layers.\(layer).self_attn.q_proj.weight"
      for (index, origin) in base.values(name).enumerated() {
        let tuned = models[0].values(name)[index]
        let expected = origin + Float(layer) / 3 * (tuned - origin)
        #expect((output.values(name)[index] - expected).magnitude < 1e-5, "\(name)")
      }
    }
  }

  @Test("svc as a step gives the bytes of two recipes", .enabled(if: Backend.isAvailable))
  func calibrated() async throws {
    _ = try await merge(
      "merge_method: ties\nparameters: {weight: 1, density: 0.3}\npostprocess: [svc]\n"
        + Self.inputs, to: "one")
    _ = try await merge(
      """
      name: stage
      merge_method: ties
      parameters: {weight: 1, density: 0.3}
      \(Self.inputs)
      ---
      merge_method: svc
      parameters: {merged: first}
      base_model: base
      models: [{model: stage}, {model: a}, {model: b}, {model: c}]
      """, to: "two")
    #expect(try tensors("one") == tensors("two"))
  }

  @Test("Workers and memory change no byte of a long chain", .enabled(if: Backend.isAvailable))
  func sameBytes() async throws {
    let recipe = """
      merge_method: ties
      parameters: {weight: 1, density: 0.5}
      preprocess:
        - della
        - dare: {density: [0.5, 0.9]}
        - ties: {density: 0.4, trim: global, selection: threshold, zero_sign: majority}
        - normalize: {norm_of: model}
        - trim: {density: [{filter: mlp, value: 0.5}, {value: 0.9}]}
        - elect
        - lines: {alpha: 0.5}
      postprocess: [lines, svc, {scale: {factor: 0.9}}]

      """
    _ = try await merge(recipe + Self.inputs, to: "long")
    for (index, options) in [["--workers", "1"], ["--workers", "3", "--memory", "3MB"]]
      .enumerated()
    {
      try workshop.write("again\(index).yaml", recipe + Self.inputs)
      let run = try await workshop.start(
        ["merge", "again\(index).yaml", "again\(index)"] + options
      ).end()
      expect(run, ends: 0)
      #expect(try tensors("again\(index)") == tensors("long"))
    }
    #expect(try workshop.text("long/merge_recipe.yaml").contains("norm_of"))
  }

  @Test("Methods without a base merge the base with the changed task vectors")
  func models() async throws {
    let steps = "preprocess: [{trim: {density: 0.3}}]\npostprocess: [{scale: {factor: 0.5}}]\n"
    let mean = try await merge(
      "merge_method: linear\nparameters: {weight: 1}\n" + steps + Self.inputs, to: "mean")
    let sum = try await merge(
      "merge_method: task_arithmetic\nparameters: {weight: 1, normalize: true}\n" + steps
        + Self.inputs, to: "sum")
    for name in base.names {
      for (a, b) in zip(mean.values(name), sum.values(name)) {
        #expect((a - b).magnitude < 1e-6, "\(name)")
      }
    }
  }

  @Test("Options say the same as a recipe, and a plan says what steps cost")
  func options() async throws {
    _ = try await merge(
      "merge_method: task_arithmetic\nparameters: {weight: 1}\npreprocess: [{trim: {density: 0.3}}]\n"
        + "postprocess: [{scale: {factor: 0.5}}]\n" + Self.inputs, to: "recipe")
    let arguments = [
      "--method", "task_arithmetic", "--base", "base", "--model", "a", "--model", "b", "--model",
      "c", "--set", "weight=1", "--preprocess", "trim: {density: 0.3}", "--postprocess",
      "scale: {factor: 0.5}",
    ]
    expect(try await workshop.start(["merge", "options"] + arguments).end(), ends: 0)
    #expect(try tensors("recipe") == tensors("options"))
    let plan = try await workshop.start(["plan"] + arguments).end()
    expect(plan, ends: 0)
    #expect(plan.output.contains("before it trim, after it scale"))
    #expect(plan.output.contains("trim finds the thresholds of each tensor"))
    let plain = try await workshop.start(
      ["plan", "--json"] + arguments.dropLast(4) + ["--preprocess", "dare"]
    ).end()
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(plain.output.utf8)) as? [String: Any])
    #expect(json["before"] as? [String] == ["dare"] && json["after"] as? [String] == [])
    #expect(!plain.output.contains("dare finds"))
  }

  @Test("Negation and analogy are weights of task arithmetic")
  func algebra() async throws {
    let output = try await merge(
      """
      merge_method: task_arithmetic
      base_model: base
      models:
        - {model: c, parameters: {weight: 1}}
        - {model: b, parameters: {weight: 1}}
        - {model: a, parameters: {weight: -1}}
      """, to: "analogy")
    let negated = try await merge(
      "merge_method: task_arithmetic\npreset: negation\nbase_model: base\nmodels: [{model: a}]\n",
      to: "negation")
    for name in base.names {
      for (index, origin) in base.values(name).enumerated() {
        let values = models.map { $0.values(name)[index] }
        let analogy = origin + (values[2] - origin) + (values[1] - values[0])
        #expect((output.values(name)[index] - analogy).magnitude < 1e-5)
        let opposite = origin - (values[0] - origin)
        #expect((negated.values(name)[index] - opposite).magnitude < 1e-5)
      }
    }
  }

  struct Fault: Sendable, CustomStringConvertible {
    let lines: String
    let place: String
    let fragment: String
    var method = "ties"
    var description: String { fragment }
  }

  static let faults: [Fault] = [
    Fault(lines: "preprocess: [dares]", place: ":4:14", fragment: "did you mean dare?"),
    Fault(lines: "preprocess: [svc]", place: ":4:14", fragment: "can stand under postprocess"),
    Fault(lines: "postprocess:\n  - dare", place: ":5:5", fragment: "can stand under preprocess"),
    Fault(lines: "postprocess: [nothing]", place: ":4:15", fragment: "known are lines, svc, scale"),
    Fault(
      lines: "preprocess: [{trim: {densty: 0.1}}]", place: ":4:22", fragment: "did you mean density"
    ),
    Fault(
      lines: "preprocess: [{dare: {gamma: 0.1}}]", place: ":4:22",
      fragment: "it has density, rescale, rescale_rule"),
    Fault(
      lines: "preprocess: [{dare: {density: 2}}]", place: ":4:31",
      fragment: "between 0 and 1"),
    Fault(lines: "preprocess: [lines]", place: ":4:14", fragment: "lines needs alpha"),
    Fault(
      lines: "postprocess: [{lines: {alpha: high}}]", place: ":4:31", fragment: "number or auto"),
    Fault(
      lines: "preprocess: [{ties: {zero_sign: majority}}]", place: ":4:15",
      fragment: "needs trim: global"),
    Fault(
      lines: "preprocess: [{della: {density: 0.05}}]", place: ":4:15", fragment: "0 and 1"),
    Fault(lines: "preprocess: [{dare: 0.5}]", place: ":4:21", fragment: "must map names"),
    Fault(
      lines: "preprocess: [{dare: {}, trim: {}}]", place: ":4:25", fragment: "has one name"),
    Fault(lines: "preprocess: dare", place: ":4:13", fragment: "must be a list"),
    Fault(
      lines: "preprocess: [dare]", place: ":4:14", fragment: "add base_model", method: "linear"),
  ]

  @Test("What is wrong is said with its place and what to do", arguments: faults)
  func refusals(fault: Fault) async throws {
    try workshop.write(
      "wrong.yaml",
      "merge_method: \(fault.method)\nparameters: {weight: 1}\n# steps\n"
        + fault.lines + "\n"
        + (fault.method == "linear" ? "models: [{model: a}, {model: b}]\n" : Self.inputs))
    let run = try await workshop.tincture("plan", "wrong.yaml")
    expect(run, ends: 65)
    #expect(run.errors.contains("wrong.yaml\(fault.place): "), "\(run.errors)")
    #expect(run.errors.contains(fault.fragment), "\(run.errors)")
  }

  @Test("LiNeS is refused where tensors have no layers")
  func withoutLayers() async throws {
    var flat = TinyModel()
    flat.add(.f32, [("w", [4, 4])], seed: 1)
    try flat.write("flat", in: workshop)
    try flat.tuned(2).write("flat2", in: workshop)
    try workshop.write(
      "flat.yaml",
      "merge_method: task_arithmetic\nparameters: {weight: 1}\nbase_model: flat\n"
        + "models: [{model: flat2}]\npostprocess: [lines]\n")
    let run = try await workshop.tincture("plan", "flat.yaml")
    expect(run, ends: 65)
    #expect(run.errors.contains("number of their layer"), "\(run.errors)")
  }
}

extension SavedModel {
  /// The values of a tensor; none when it is not there.
  fileprivate func values(_ name: String) -> [Float] { self[name]?.values ?? [] }
}

@Suite("The list of steps", .timeLimit(.minutes(25)))
struct StepListTests {
  @Test("It is printed, and the documentation names every step with its defaults")
  func list() async throws {
    let workshop = try Workshop()
    let text = try await workshop.tincture("methods", "--steps")
    expect(text, ends: 0)
    let run = try await workshop.tincture("methods", "--steps", "--json")
    expect(run, ends: 0)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    let page = try String(
      contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources/Tincture/Tincture.docc/Composition.md"), encoding: .utf8)
    var count = 0
    for key in ["preprocess", "postprocess"] {
      for step in try #require(json[key] as? [[String: Any]]) {
        count += 1
        let name = try #require(step["name"] as? String)
        #expect(text.output.contains("\n  \(name)"))
        let row = try #require(
          page.split(separator: "\n").first { $0.hasPrefix("| `\(name)` |") }, "\(name)")
        for parameter in try #require(step["parameters"] as? [[String: Any]])
        where ["density", "epsilon", "gamma"].contains(parameter["name"] as? String) {
          let value = try #require(parameter["default"] as? Double)
          #expect(row.contains("`\(parameter["name"] ?? "")` \(value)"), "\(name)")
        }
      }
    }
    #expect(count == 12)
    expect(try await workshop.tincture("methods", "ties", "--steps"), ends: 64)
  }
}
