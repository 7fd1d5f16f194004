import Foundation
import Testing

@Suite("Workers and memory", .timeLimit(.minutes(25)))
struct ResourceTests {
  @Test(
    "The output is the same bytes for any number of workers and any memory",
    arguments: [
      "linear", "dare_ties", "della", "ties", "breadcrumbs", "model_stock", "sce", "karcher",
      "multislerp",
    ])
  func identical(method: String) async throws {
    let workshop = try Workshop()
    // Embeddings of several blocks, whose last one is not full.
    let base = TinyModel.llama(1, vocabulary: 1777, width: 24, .bf16)
    try base.write("base", in: workshop)
    var models: [String] = []
    for seed in 2...4 {
      try base.tuned(seed).write("m\(seed)", in: workshop)
      models += ["--model", "m\(seed)"]
    }
    let info = try await workshop.tincture("methods", method, "--json")
    let page = try #require(
      JSONSerialization.jsonObject(with: Data(info.output.utf8)) as? [String: Any])
    let names = (page["parameters"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
    var settings: [String] = []
    for (name, value) in [("density", "0.4"), ("weight", "1,0.5,0.7"), ("select_topk", "0.5")]
    where names.contains(name) {
      settings += ["--set", "\(name)=\(value)"]
    }
    let base0 = page["base"] as? String == "required" ? ["--base", "base"] : []
    let merge = ["merge", "--method", method, "--quiet"] + base0 + models + settings
    var reference: Data?
    for (workers, memory) in [("1", "2GB"), ("2", "1MB"), ("8", "1MB"), ("8", "2GB"), ("3", "7MB")]
    {
      let run = try await workshop.start(
        merge + ["--workers", workers, "--memory", memory, "--force", "out"]
      ).end()
      expect(run, ends: 0)
      let bytes = try Data(contentsOf: workshop.url("out/model.safetensors"))
      #expect(reference == nil || bytes == reference, "\(workers) workers, \(memory)")
      reference = reference ?? bytes
    }
  }

  @Test("The memory that plan states is the most that merge uses")
  func statedMemory() async throws {
    let workshop = try Workshop()
    for (seed, folder) in ["base", "a"].enumerated() {
      try BulkModel(tensorCount: 4).write(folder, seed: seed, in: workshop)
    }
    let recipe = [
      "--method", "ties", "--base", "base", "--model", "a", "--set", "weight=1", "--set",
      "density=0.3", "--workers", "2", "--memory", "20MB", "--json",
    ]
    func value(_ key: String, _ run: ToolRun) throws -> Int {
      expect(run, ends: 0)
      let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
      return try #require((document as? [String: Any])?[key] as? Int)
    }
    let stated = try value(
      "working_memory_bytes", try await workshop.start(["plan"] + recipe).end())
    let used = try value(
      "peak_bytes", try await workshop.start(["merge"] + recipe + ["out"]).end())
    #expect(used > 0 && used <= stated && stated <= 20_000_000)
  }
}
