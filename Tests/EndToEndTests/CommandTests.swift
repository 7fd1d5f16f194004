import Foundation
import Testing
import TinctureTorch

@Suite("Commands besides merge", .timeLimit(.minutes(25)))
struct CommandTests {
  let workshop: Workshop
  let base = TinyModel.llama(1, .bf16)

  init() throws {
    workshop = try Workshop()
    try base.write("base", in: workshop)
    try base.tuned(2).write("tuned", in: workshop)
  }

  private func object(_ run: ToolRun) throws -> [String: Any] {
    expect(run, ends: 0)
    return try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  // MARK: plan

  private let recipe = """
    merge_method: ties
    base_model: base
    models:
      - model: tuned
        parameters:
          density: [{filter: mlp, value: [0.2, 0.4]}, {value: 0.5}]
          weight: 0.7
    keep: [{layers: 1, regex: norm}]
    out_dtype: float32
    """

  @Test("The plan of a recipe is the recorded text")
  func planText() async throws {
    try workshop.write("recipe.yaml", recipe)
    let run = try await workshop.tincture(
      "plan", "recipe.yaml", "--tensors", "--workers", "2", "--memory", "100MB")
    expect(run, ends: 0)
    try GoldenText("plan.txt").compare(run.output)
    #expect(try workshop.names() == ["base", "recipe.yaml", "tuned"])
  }

  @Test("The plan as JSON says for every tensor where it goes and where it comes from")
  func planJSON() async throws {
    try workshop.write("recipe.yaml", recipe)
    let plan = try object(await workshop.tincture("plan", "recipe.yaml", "--json"))
    #expect(plan["method"] as? String == "ties")
    let tensors = try #require(plan["tensors"] as? [[String: Any]])
    #expect(Set(tensors.compactMap { $0["name"] as? String }) == Set(base.names))
    let elements = base.names.reduce(0) { $0 + base.values($1).count }
    #expect(plan["output_bytes"] as? Int == elements * 4)
    let norm = tensors.first { $0["name"] as? String == "model.layers.1.input_layernorm.weight" }
    #expect(norm?["from"] as? String == "base (kept)")
    let up = tensors.first { $0["name"] as? String == "model.layers.1.mlp.up_proj.weight" }
    #expect((up?["parameters"] as? String)?.contains("density=[0.4]") == true)
    #expect(up?["layer"] as? Int == 1)
  }

  @Test("A plan finds what merge would find")
  func planFails() async throws {
    let run = try await workshop.tincture(
      "plan", "--method", "ties", "--base", "base", "--model", "tuned", "--set", "weight=1",
      "--set", "density=30")
    expect(run, ends: 64)
    #expect(run.errors.contains("density must be between 0 and 1, not 30"))
    #expect(!run.errors.hasSuffix("\n\n"))
  }

  @Test(
    "Misuse is told like every other error", arguments: [["plan", "--nope"], ["merge"], ["x"]])
  func misuse(arguments: [String]) async throws {
    let run = try await workshop.start(arguments).end()
    expect(run, ends: 64)
    #expect(run.errors.hasPrefix("error: ") && run.errors.contains("\nUsage: tincture"))
    #expect(run.output.isEmpty)
  }

  // MARK: inspect

  @Test("Inspect shows types, shapes and sizes")
  func inspect() async throws {
    let run = try await workshop.tincture("inspect", "base", "--filter", "embed")
    expect(run, ends: 0)
    let row = try #require(
      run.output.split(separator: "\n").first { $0.hasPrefix("model.embed_tokens.weight") })
    #expect(
      row.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        == "model.embed_tokens.weight BF16 [10, 8] 160 B")
    for line in [
      "1 tensors, 80 elements", "architecture LlamaForCausalLM", "2 layers under model.layers",
    ] {
      #expect(run.output.contains(line))
    }
    let summary = try await workshop.tincture("inspect", "base", "--summary")
    #expect(!summary.output.contains("embed_tokens"))
    #expect(summary.output.contains("\(base.names.count) tensors"))
  }

  @Test("Norms and largest magnitudes are those of the elements")
  func norms() async throws {
    let run = try await workshop.tincture("inspect", "base", "--norms", "--json")
    let report = try object(run)
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    #expect(tensors.count == base.names.count)
    for tensor in tensors {
      let name = try #require(tensor["name"] as? String)
      let values = base.values(name).map(Double.init)
      let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let shown = try #require(tensor["norm"] as? Double)
      #expect((shown - norm).magnitude < 1e-9 * norm)
      #expect(tensor["largest"] as? Double == values.map(\.magnitude).max())
    }
  }

  @Test("A check ends with status 65 when elements are not finite, and counts them")
  func check() async throws {
    let sound = try await workshop.tincture("inspect", "base", "--check", "--summary")
    expect(sound, ends: 0)
    #expect(sound.output.contains("no element is infinite or not a number"))
    var broken = base
    broken["model.norm.weight"]?.values[3] = .nan
    broken["model.norm.weight"]?.values[4] = -.infinity
    try broken.write("broken", in: workshop)
    let run = try await workshop.tincture("inspect", "broken", "--check", "--json")
    expect(run, ends: 65)
    #expect(run.errors.contains("model.norm.weight (2)"))
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    let counts = tensors.compactMap { $0["not_finite"] as? Int }
    #expect(counts.reduce(0, +) == 2 && counts.count == base.names.count)
  }

  // MARK: methods

  @Test("Every method in the list has a page, as text, Markdown and JSON")
  func methods() async throws {
    let list = try await workshop.tincture("methods", "--json")
    expect(list, ends: 0)
    let methods = try #require(
      JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
    let table = try await workshop.tincture("methods").output
    #expect(methods.count >= 21)
    for method in methods {
      let name = try #require(method["name"] as? String)
      #expect(table.contains("\n\(name) "))
      let page = try await workshop.tincture("methods", name)
      expect(page, ends: 0)
      #expect(page.output.contains("(\(name))"))
      let markdown = try await workshop.tincture("methods", name, "--markdown")
      #expect(markdown.output.hasPrefix("# "))
      for parameter in method["parameters"] as? [[String: Any]] ?? [] {
        let parameter = try #require(parameter["name"] as? String)
        #expect(page.output.contains("\n  \(parameter)  "))
        #expect(markdown.output.contains("| `\(parameter)` |"))
      }
      let single = try object(await workshop.tincture("methods", name, "--json"))
      #expect(single["name"] as? String == name)
    }
  }

  @Test("All of mergekit's methods are there")
  func mergekit() async throws {
    let output = try await workshop.tincture("methods").output
    for name in [
      "linear", "slerp", "nuslerp", "multislerp", "karcher", "task_arithmetic", "ties",
      "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs", "breadcrumbs_ties", "sce",
      "model_stock", "nearswap", "arcee_fusion", "ram", "ramplus_tl", "passthrough",
    ] {
      #expect(output.contains("\n\(name) "), "\(name)")
    }
  }

  // MARK: convert

  @Test("Converting changes the type and keeps all tensors, integers as they are")
  func convertType() async throws {
    var model = base
    model["model.positions"] = TinyTensor(.i64, [2], [7, 8])
    try model.write("mixed", in: workshop)
    expect(try await workshop.tincture("convert", "mixed", "out", "--dtype", "float32"), ends: 0)
    let output = try SavedModel("out", in: workshop)
    #expect(output.names == model.names.sorted())
    for name in model.names {
      #expect(output[name]?.values == model.values(name))
      #expect(output[name]?.element == (name == "model.positions" ? .i64 : .f32))
    }
    #expect(try workshop.json("out/config.json")["torch_dtype"] as? String == "float32")
    let again = try await workshop.tincture("convert", "out", "back", "--dtype", "bfloat16")
    expect(again, ends: 0)
    #expect(
      try SavedModel("back", in: workshop).tensors == SavedModel("mixed", in: workshop).tensors)
  }

  @Test("Converting keeps what is not finite, and heads that are stored though tied")
  func convertKeeps() async throws {
    var model = TinyModel.llama(1, tied: true)
    model["lm_head.weight"] = model["model.embed_tokens.weight"]
    model["model.norm.weight"]?.values[0] = .infinity
    try model.write("odd", in: workshop)
    expect(try await workshop.tincture("convert", "odd", "out"), ends: 0)
    #expect(try SavedModel("out", in: workshop).tensors == SavedModel("odd", in: workshop).tensors)
  }

  @Test("PyTorch files written by PyTorch become safetensors with the recorded elements")
  func convertPyTorch() async throws {
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("CheckpointsTests/Fixtures/pytorch")
    let run = try await workshop.tincture(
      "convert", fixtures.appendingPathComponent("state_dict.bin").path, "out.safetensors")
    expect(run, ends: 0)
    let output = try Data(contentsOf: workshop.url("out.safetensors"))
    let length = output.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try #require(
      JSONSerialization.jsonObject(with: output[8..<8 + length]) as? [String: [String: Any]])
    let expected = try Data(contentsOf: fixtures.appendingPathComponent("expected.json"))
    let recorded = try #require(
      JSONSerialization.jsonObject(with: expected) as? [String: [[String: Any]]])
    let tensors = try #require(recorded["state_dict.bin"])
    #expect(header.count == tensors.count + 1)
    for tensor in tensors {
      let name = try #require(tensor["name"] as? String)
      let entry = try #require(header[name])
      #expect(entry["dtype"] as? String == tensor["dtype"] as? String)
      #expect(entry["shape"] as? [Int] == tensor["shape"] as? [Int])
      let offsets = try #require(entry["data_offsets"] as? [Int])
      let bytes = output[8 + length + offsets[0]..<8 + length + offsets[1]]
      let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      #expect(digits == tensor["data"] as? String)
    }
  }

  @Test("Converting says what it made, as JSON when asked")
  func convertReports() async throws {
    let report = try object(
      await workshop.tincture("convert", "base", "out.safetensors", "--json", "--quiet"))
    #expect(report["output"] as? String == "out.safetensors")
    #expect(
      report["output_bytes"] as? Int == base.names.reduce(0) { $0 + base.values($1).count * 2 })
  }

  @Test("A converted model is not overwritten without --force")
  func convertRefuses() async throws {
    expect(try await workshop.tincture("convert", "base", "tuned"), ends: 73)
    #expect(try SavedModel("tuned", in: workshop)["lm_head.weight"] != base["lm_head.weight"])
    expect(try await workshop.tincture("convert", "base", "tuned", "--force"), ends: 0)
    #expect(try SavedModel("tuned", in: workshop)["lm_head.weight"] == base["lm_head.weight"])
  }

  // MARK: doctor

  @Test("Doctor names version, processors and the hub's cache")
  func doctor() async throws {
    let facts = try object(await workshop.tincture("doctor", "--json"))
    for key in [
      "version", "processors", "memory", "kernels", "blas", "axpy", "dot", "hub_cache",
    ] {
      #expect((facts[key] as? String)?.isEmpty == false, "\(key)")
    }
    #expect((facts["hub_cache"] as? String)?.contains(workshop.folder.lastPathComponent) == true)
    let text = try await workshop.tincture("doctor")
    expect(text, ends: 0)
    #expect(text.output.contains("processors"))
  }

  @Test("Doctor says how to get LibTorch where there is none")
  func doctorWithoutLibTorch() async throws {
    let run = try await workshop.tincture("doctor", "--json", "--libtorch", "nowhere")
    let fact = try object(run)["libtorch"] as? String ?? ""
    #expect(fact.hasPrefix("not in use: --libtorch names nowhere"))
    #expect(fact.contains("pip install torch") && fact.contains("TINCTURE_LIBTORCH"))
  }

  @Test("Doctor shows LibTorch", .enabled(if: (try? LibTorchSearch().find()) != nil))
  func doctorWithLibTorch() async throws {
    let folder = try LibTorchSearch().find().folder
    let place = URL(filePath: folder).standardizedFileURL.path
    let facts = try object(await workshop.tincture("doctor", "--json", "--libtorch", place))
    #expect((facts["libtorch"] as? String)?.contains(" in \(place)") == true)
    #expect((facts["libtorch_devices"] as? String)?.hasPrefix("cpu") == true)
    for key in ["libtorch_load_time", "libtorch_threads", "libtorch_products"] {
      #expect((facts[key] as? String)?.isEmpty == false, "\(key)")
    }
  }

  @Test("Doctor says how to get a missing library for linear algebra")
  func doctorWithoutLibrary() async throws {
    let run = try await workshop.tincture(
      "doctor", "--json", environment: ["TINCTURE_BLAS": "/nowhere/libblas.so"])
    let facts = try object(run)
    let blas = try #require(facts["blas"] as? String)
    #expect(
      blas.contains("missing") && blas.contains("/nowhere")
        && blas.contains("apt install libopenblas0"))
    #expect(facts["gemm"] == nil)
  }
}
