import Foundation
import SystemPackage
import Testing
import TinctureLinearAlgebra
import TinctureSafetensors
import TinctureCheckpoints
import TinctureJSON
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureAdapters

@Suite("Reading adapters")
struct ReadingTests {
  let bench: Bench

  init() throws { bench = try Bench() }

  private func plain(_ settings: [(String, JSONValue)] = []) -> TestAdapter {
    var adapter = TestAdapter(twoLayers, seed: 1)
    for (key, value) in settings { adapter.settings[key] = value }
    return adapter
  }

  private func scales(_ adapter: TestAdapter) throws -> [Double] {
    try adapter.open("a", in: bench.directory).source.changes.map(\.change.scale)
  }

  @Test("Scales are α / rank, or α / √rank, with patterns that are ends of names or expressions")
  func scaling() throws {
    #expect(try scales(plain()) == [4.0 / 3, 4.0 / 3])
    #expect(
      try scales(plain([("use_rslora", .bool(true))])) == [
        4 / 3.0.squareRoot(), 4 / 3.0.squareRoot(),
      ])
    let pattern = JSONValue.object(
      JSONObject([("layers\\.[1-9]\\..*", .integer(6)), ("q_proj", .number("1.5"))]))
    #expect(try scales(plain([("alpha_pattern", pattern)])) == [0.5, 2])
    let first = JSONValue.object(
      JSONObject([("proj", .integer(9)), ("layers.0.q_proj", .integer(3))]))
    #expect(try scales(plain([("alpha_pattern", first)])) == [1, 4.0 / 3])
  }

  @Test(
    "Configurations that say too little or something else are refused by the key",
    arguments: [
      ("peft_type", nil, "peft_type is missing"), ("r", nil, "key r"), ("r", "0", "key r"),
      ("lora_alpha", nil, "lora_alpha is missing"), ("lora_alpha", "\"x\"", "lora_alpha"),
      ("peft_type", "\"LOHA\"", "type LOHA"), ("use_rslora", "3", "use_rslora"),
      ("rank_pattern", "[1]", "rank_pattern"), ("alpha_pattern", "{\"q\": null}", "alpha_pattern"),
      ("init_lora_weights", "\"pissa_niter_4\"", "pissa"),
      ("alora_invocation_tokens", "[1, 2]", "alora_invocation_tokens"),
      ("target_parameters", "[\"experts\"]", "target_parameters"),
      ("rank_pattern", "{\"q_proj\": 7}", "gives the rank 7"),
      ("use_dora", "true", "no lora_magnitude_vector"),
    ] as [(String, String?, String)])
  func configuration(key: String, value: String?, words: String) throws {
    var adapter = plain()
    adapter.settings[key] = try value.map { try JSONValue(parsing: Array($0.utf8)) }
    let error = #expect(throws: TinctureError.self) {
      try adapter.open("a", in: bench.directory)
    }
    #expect(error?.code == .checkpoint)
    #expect(error?.message.contains(words) ?? false, "\(error?.message ?? "")")
  }

  @Test("Factors that do not go together are refused by name")
  func factors() throws {
    let stem = "base_model.model.model.layers.0.q_proj"
    func error(_ change: (inout TestAdapter) -> Void) throws -> TinctureError? {
      var adapter = plain()
      change(&adapter)
      return #expect(throws: TinctureError.self) {
        try adapter.open("a", in: bench.directory)
      }
    }
    let lonely = try error { $0.tensors.removeFirst() }
    #expect(lonely?.place.tensor == stem + ".lora_B.weight")
    let unchained = try error {
      $0.tensors.removeFirst()
      $0.add(stem + ".lora_A.weight", [4, 10], seed: 1)
    }
    #expect(unchained?.message.contains("do not chain") ?? false)
    let bias = try error { $0.add(stem + ".lora_B.bias", [7], seed: 1) }
    #expect(bias?.place.tensor == stem + ".lora_B.bias")
    let other = try error { $0.add("base_model.model.x.hada_w1_a", [2, 2], seed: 1) }
    #expect(other?.message.contains("another kind") ?? false)
    let whole = try error { $0.add(stem + ".lora_magnitude_vector", [8], seed: 1) }
    #expect(whole?.message.contains("use_dora") ?? false)
    let twice = try error { $0.add(stem + ".lora_A.default.weight", [3, 10], seed: 1) }
    #expect(twice?.message.contains("twice") ?? false)
  }

  @Test("An adapter without its configuration, and a model, are no adapters")
  func strangers() throws {
    let adapter = plain()
    let file = try bench.directory.write("a.safetensors", TinyModel(adapter.tensors).safetensors)
    let error = #expect(throws: TinctureError.self) { try Adapter(opening: file.string) }
    #expect(error?.code == .missingInput)
    let model = TinyModel([.init("x.weight", shape: Shape(rows: 1, columns: 2), [1, 2])])
    let other = try bench.directory.write("m.safetensors", model.safetensors)
    let second = #expect(throws: TinctureError.self) { try Adapter(opening: other.string) }
    #expect(second?.code == .checkpoint)
    #expect(try !LowRankAdapter.isAdapter(Checkpoint.open(other)))
  }

  @Test("A model beside an adapter is not taken for it")
  func modelBeside() throws {
    let path = try plain().write("both", in: bench.directory)
    let model = TinyModel([.init("x.weight", shape: Shape(rows: 1, columns: 2), [1, 2])])
    let file = URL(filePath: path).appendingPathComponent("model.safetensors")
    try Data(model.safetensors).write(to: file)
    #expect(try Adapter(opening: path).layers.count == 2)
    try FileManager.default.removeItem(
      at: URL(filePath: path).appendingPathComponent("adapter_model.safetensors"))
    let error = #expect(throws: TinctureError.self) { try Adapter(opening: path) }
    #expect(error?.message.contains("No tensor has the name") ?? false)
  }

  /// A base with a linear layer, and the file of an adapter for it under some names.
  private func folded(_ names: [(String, [Int])], alpha: Float? = nil) throws -> [Float] {
    let base = TinyModel([
      .init(
        "down_blocks.0.attn1.to_q.weight", shape: Shape(rows: 4, columns: 3),
        [Float](repeating: 0, count: 12)),
      .init(
        "down_blocks.0.attn1.to_out.0.weight", shape: Shape(rows: 3, columns: 4),
        [Float](repeating: 0, count: 12)),
    ])
    var adapter = TestAdapter()
    for (name, extents) in names {
      adapter.add(name, extents, seed: 1)
      let ones = adapter.tensors.count - 1
      adapter.tensors[ones].values = adapter.tensors[ones].values.map { _ in 1 }
    }
    if let alpha, let scalar = Shape([]) {
      let stem = try #require(names.first?.0.split(separator: ".").first)
      adapter.tensors.append(.init("\(stem).alpha", shape: scalar, [alpha]))
    }
    let path = try bench.directory.write("b.safetensors", base.safetensors)
    let file = try bench.directory.write("l.safetensors", TinyModel(adapter.tensors).safetensors)
    let values = try bench.values("\(path)+\(file)")
    return (values["down_blocks.0.attn1.to_q.weight"] ?? [])
      + (values["down_blocks.0.attn1.to_out.0.weight"] ?? [])
  }

  @Test("Names of diffusers and of kohya are understood, with and without α")
  func styles() throws {
    let twice = [Float](repeating: 2, count: 12)
    let none = [Float](repeating: 0, count: 12)
    let module = "unet.down_blocks.0.attn1"
    for names in [
      ["\(module).to_q.lora_A.weight", "\(module).to_q.lora_B.weight"],
      ["\(module).to_q.lora.down.weight", "\(module).to_q.lora.up.weight"],
      ["\(module).processor.to_q_lora.down.weight", "\(module).processor.to_q_lora.up.weight"],
      [
        "\(module).to_q.lora_linear_layer.down.weight",
        "\(module).to_q.lora_linear_layer.up.weight",
      ],
    ] {
      #expect(
        try folded([(names[0], [2, 3]), (names[1], [4, 2])]) == twice + none, "\(names[0])")
    }
    let out = "\(module).processor.to_out_lora"
    #expect(
      try folded([("\(out).down.weight", [2, 4]), ("\(out).up.weight", [3, 2])]) == none + twice)
    let kohya = "lora_unet_down_blocks_0_attn1_to_q"
    let names = [("\(kohya).lora_down.weight", [2, 3]), ("\(kohya).lora_up.weight", [4, 2])]
    #expect(try folded(names) == twice + none)
    #expect(try folded(names, alpha: 6) == twice.map { $0 * 3 } + none)
    // The text encoder of the same pipeline is another model.
    let encoder = "lora_te_text_model_layers_0_q_proj"
    let both =
      names + [("\(encoder).lora_down.weight", [2, 9]), ("\(encoder).lora_up.weight", [9, 2])]
    #expect(try folded(both) == twice + none)
    let error = #expect(throws: TinctureError.self) { try folded(Array(both[2...])) }
    #expect(error?.message.contains("does not have") ?? false)
    let mid = #expect(throws: TinctureError.self) {
      try folded(names + [("\(kohya).lora_mid.weight", [2, 2])])
    }
    #expect(mid?.message.contains("another kind") ?? false)
  }
}
