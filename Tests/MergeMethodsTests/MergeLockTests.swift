import Foundation
import SystemPackage
import Testing
import TinctureLinearAlgebra
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

@testable import TinctureMergeMethods

/// A layer of attention that computes what its tensors say, whatever way they are stored.
private struct TinyAttention {
  enum Style: String, CaseIterable {
    case separate, grouped, fused, parameters, transposed
  }

  let style: Style
  var rotary = "none"
  var rotaryWidth = 0
  var isNormalized = false
  let width = 24
  let heads = 4
  var groups: Int { style == .grouped ? 2 : heads }
  var headWidth: Int { width / heads }

  private var root: String { style == .transposed ? "h.0.attn." : "layers.0.self_attn." }

  private func name(_ role: String, _ kind: String) -> String {
    switch (style, role) {
    case (.separate, _), (.grouped, _): root + "\(role)_proj.\(kind)"
    case (.fused, "qkv"): root + "qkv.\(kind)"
    case (.fused, _): root + "proj.\(kind)"
    case (.parameters, "qkv"): root + "in_proj_\(kind)"
    case (.parameters, _): root + "out_proj.\(kind)"
    case (.transposed, "qkv"): root + "c_attn.\(kind)"
    case (.transposed, _): root + "c_proj.\(kind)"
    }
  }

  private var isFused: Bool { style != .separate && style != .grouped }

  /// A model at random.
  func model(seed: Int) -> TinyModel {
    var tensors: [TinyModel.Tensor] = []
    func add(_ role: String, rows: Int, columns: Int, seed: Int) {
      let weight = noise(rows, columns, seed: seed)
      let stored = style == .transposed ? weight.transposed() : weight
      tensors.append(
        .init(
          name(role, "weight"), shape: Shape(rows: stored.rows, columns: stored.columns),
          stored.array.map { 0.4 * $0 }))
      tensors.append(
        .init(
          name(role, "bias"), shape: Shape(vector: rows), noise(1, rows, seed: seed + 50).array))
    }
    if isFused {
      add("qkv", rows: 3 * width, columns: width, seed: seed)
    } else {
      add("q", rows: width, columns: width, seed: seed)
      add("k", rows: groups * headWidth, columns: width, seed: seed + 1)
      add("v", rows: groups * headWidth, columns: width, seed: seed + 2)
    }
    add("o", rows: width, columns: width, seed: seed + 3)
    if isNormalized {
      tensors.append(
        .init(
          root + "q_norm.weight", shape: Shape(vector: headWidth), .init(repeating: 1, count: 6)))
    }
    tensors.append(
      .init(
        "layers.0.mlp.up_proj.weight", shape: Shape(rows: width, columns: width),
        noise(width, width, seed: seed + 4).array))
    return TinyModel(tensors)
  }

  /// W x + b.
  private func projected(
    _ model: TinyModel, _ role: String, _ x: [[Double]]
  ) throws -> [[Double]] {
    let weight = try #require(model[name(role, "weight")])
    let bias = try #require(model[name(role, "bias")])
    let inputs = weight.count / bias.count
    return x.map { token in
      bias.indices.map { row in
        (0..<inputs).reduce(Double(bias[row])) { sum, column in
          let place = style == .transposed ? column * bias.count + row : row * inputs + column
          return sum + Double(weight[place]) * token[column]
        }
      }
    }
  }

  private func rotated(_ head: [Double], at position: Int) -> [Double] {
    var head = head
    let count = rotary == "none" ? 0 : rotaryWidth > 0 ? rotaryWidth : headWidth
    for pair in 0..<count / 2 {
      let (i, j) = rotary == "half" ? (pair, pair + count / 2) : (2 * pair, 2 * pair + 1)
      let angle = Double(position) * pow(100, -2 * Double(pair) / Double(count))
      (head[i], head[j]) = (
        head[i] * cos(angle) - head[j] * sin(angle), head[j] * cos(angle) + head[i] * sin(angle)
      )
    }
    return head
  }

  /// What the layer puts out for some tokens.
  func outputs(_ model: TinyModel) throws -> [Double] {
    let x = (0..<7).map { noise(1, width, seed: 900 + $0).array.map { Double($0) } }
    let (q, k, v): ([[Double]], [[Double]], [[Double]])
    if isFused {
      let all = try projected(model, "qkv", x)
      func third(_ index: Int) -> [[Double]] {
        all.map { Array($0[index * width..<(index + 1) * width]) }
      }
      (q, k, v) = (third(0), third(1), third(2))
    } else {
      (q, k, v) = (
        try projected(model, "q", x), try projected(model, "k", x), try projected(model, "v", x)
      )
    }
    var mixed = [[Double]](repeating: [], count: x.count)
    for head in 0..<heads {
      let group = head / (heads / groups)
      func part(_ rows: [[Double]], _ index: Int) -> [[Double]] {
        rows.map { Array($0[index * headWidth..<(index + 1) * headWidth]) }
      }
      let queries = part(q, head).enumerated().map { rotated($0.element, at: $0.offset) }
      let keys = part(k, group).enumerated().map { rotated($0.element, at: $0.offset) }
      let values = part(v, group)
      for (token, query) in queries.enumerated() {
        let scores = keys.map { zip($0, query).reduce(0) { $0 + $1.0 * $1.1 } / 2 }
        let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
        let sum = weights.reduce(0, +)
        for i in 0..<headWidth {
          mixed[token].append(zip(weights, values).reduce(0) { $0 + $1.0 / sum * $1.1[i] })
        }
      }
    }
    return try projected(model, "o", mixed).flatMap { $0 }
  }
}

@Suite("A locked model does the same, and merges of it give noise", .needsBLAS)
struct MergeLockTests {
  private func locked(
    _ model: TinyModel, _ attention: TinyAttention, undo: Bool = false, seed: UInt64 = 11,
    heads: Int? = nil
  ) async throws -> TinyModel {
    let method = MergeLock()
    var trial = MergeTrial(
      method, base: nil, models: [model],
      parameters: try ResolvedParameters(
        for: method.info,
        [
          "heads": .number(Double(heads ?? attention.heads)), "rotary": .text(attention.rotary),
          "rotary_width": .number(Double(attention.rotaryWidth)), "undo": .bool(undo),
        ], modelCount: 1))
    trial.options.seed = seed
    return try await trial.run().model
  }

  private func distance(_ a: [Double], _ b: [Double]) -> Double {
    let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }

  private func distance(_ a: TinyModel, _ b: TinyModel, where part: (String) -> Bool) -> Double {
    let names = a.tensors.map(\.name).filter(part)
    func all(_ model: TinyModel) -> [Double] {
      names.flatMap { (model[$0] ?? []).map { Double($0) } }
    }
    return distance(all(a), all(b))
  }

  private static let attentions: [TinyAttention] =
    TinyAttention.Style.allCases.map { TinyAttention(style: $0) } + [
      TinyAttention(style: .separate, rotary: "half"),
      TinyAttention(style: .grouped, rotary: "half"),
      TinyAttention(style: .grouped, rotary: "interleaved"),
      TinyAttention(style: .separate, rotary: "half", rotaryWidth: 4),
      TinyAttention(style: .separate, rotary: "half", isNormalized: true),
    ]

  @Test("Outputs stay, weights do not, and the seed takes it back", arguments: attentions)
  private func keepsOutputs(attention: TinyAttention) async throws {
    let model = attention.model(seed: 500)
    let before = try attention.outputs(model)
    let other = try await locked(model, attention)
    #expect(distance(try attention.outputs(other), before) < 1e-5)
    #expect(distance(other, model) { $0.contains("attn") && $0.hasSuffix("weight") } > 0.5)
    #expect(distance(other, model) { $0.contains("mlp") || $0.contains("norm") } == 0)
    let back = try await locked(other, attention, undo: true)
    #expect(distance(back, model) { _ in true } < 1e-6)
    let wrong = try await locked(other, attention, undo: true, seed: 12)
    #expect(distance(wrong, model) { $0.contains("attn") } > 0.5)
  }

  @Test("The mean with another model of the same base is destroyed")
  func destroysMerges() async throws {
    let attention = TinyAttention(style: .separate)
    let model = attention.model(seed: 500)
    let near = model.mapValues { _, index, value in value + 0.01 * Float(index % 7 - 3) }
    let wanted = try attention.outputs(model)
    let linear = try #require(MethodRegistry.method(named: "linear"))
    func mean(_ models: [TinyModel]) async throws -> TinyModel {
      let parameters = try ResolvedParameters(
        for: linear.info, ["weight": .number(1)], modelCount: models.count)
      return try await MergeTrial(linear, base: nil, models: models, parameters: parameters)
        .run().model
    }
    let plain = try await mean([model, near])
    #expect(distance(try attention.outputs(plain), wanted) < 0.1)
    let spoilt = try await mean([locked(model, attention), near])
    #expect(distance(try attention.outputs(spoilt), wanted) > 0.5)
  }

  @Test("Heads that do not fit are refused, and so is a model without attention")
  func refusals() async throws {
    let attention = TinyAttention(style: .separate)
    for heads in [0, 5, 7] {
      await #expect(throws: TinctureError.self) {
        try await locked(attention.model(seed: 1), attention, heads: heads)
      }
    }
    let plain = TinyModel([.init("mlp.weight", shape: Shape(rows: 2, columns: 2), [1, 2, 3, 4])])
    let plan = try plan(nil, [plain], of: MergeLock())
    let error = #expect(throws: TinctureError.self) { try MergeLock().check(plan) }
    #expect(error?.message.contains("no attention") == true)
  }

  // MARK: Names

  @Test(
    "Names tell what a tensor is to which attention",
    arguments: [
      ("model.layers.3.self_attn.q_proj.weight", "model.layers.3.self_attn", "query"),
      ("bert.encoder.layer.0.attention.self.key.bias", "bert.encoder.layer.0.attention", "key"),
      (
        "bert.encoder.layer.0.attention.output.dense.weight", "bert.encoder.layer.0.attention",
        "output"
      ),
      ("vit.layer.1.attention.attention.value.weight", "vit.layer.1.attention", "value"),
      ("blocks.5.attn.qkv.weight", "blocks.5.attn", "fused"),
      ("blocks.5.attn.proj.bias", "blocks.5.attn", "output"),
      (
        "visual.transformer.resblocks.0.attn.in_proj_weight", "visual.transformer.resblocks.0.attn",
        "fused"
      ),
      ("h.2.attn.c_attn.weight", "h.2.attn", "fused"),
      ("h.2.attn.c_proj.weight", "h.2.attn", "output"),
      (
        "decoder.block.1.layer.1.EncDecAttention.k.weight",
        "decoder.block.1.layer.1.EncDecAttention", "key"
      ),
      ("unet.attn1.to_out.0.weight", "unet.attn1", "output"),
      (
        "gpt_neox.layers.0.attention.query_key_value.weight", "gpt_neox.layers.0.attention", "mixed"
      ),
      ("model.layers.3.self_attn.q_norm.weight", "model.layers.3.self_attn", "normalization"),
    ])
  func names(name: String, module: String, role: String) throws {
    let part = try #require(AttentionPart(name))
    #expect(part.module == module)
    #expect("\(part.role)" == role)
    #expect(part.isBias == name.hasSuffix("bias"))
  }

  @Test(
    "Other names are no part of attention",
    arguments: [
      "model.layers.3.mlp.up_proj.weight", "h.2.mlp.c_proj.weight",
      "post_attention_layernorm.weight",
      "bert.encoder.layer.0.attention.output.LayerNorm.weight", "blocks.0.mlp.fc1.weight",
      "bert.encoder.layer.0.output.dense.weight", "model.layers.3.self_attn.rotary_emb.inv_freq",
      "attn", "weight", "", "model.attention_norm.weight",
    ])
  func otherNames(name: String) { #expect(AttentionPart(name) == nil) }

  // MARK: Recognition

  /// A plan over models in memory, which only names and samples are taken of.
  private func plan(
    _ base: TinyModel?, _ models: [TinyModel], of method: any MergeMethod
  ) throws -> MergePlan {
    let scratch = try ScratchDirectory()
    let place = SourcePosition(line: 1, column: 1)
    let paths = try (models + (base.map { [$0] } ?? [])).enumerated().map { index, model in
      try scratch.write("m\(index).safetensors", model.safetensors).string
    }
    let entries = paths.map { ModelEntry(reference: ModelReference(path: $0), position: place) }
    var recipe = Recipe(
      method: Located(method.info.name, at: place),
      inputs: .models(Array(entries.prefix(models.count))),
      source: RecipeSource(name: "recipe.yaml", text: ""))
    if base != nil { recipe.base = entries.last }
    if method.info.parameters.contains(where: { $0.name == "weight" }) {
      recipe.parameters = ParameterTable([
        .init(
          name: "weight", setting: .value(.number(1)), position: place, settingPosition: place)
      ])
    }
    var planner = try Planner(recipe, methods: [Unchecked(info: method.info)])
    return try planner.plan()
  }

  /// A method that only lends its description, so that a plan need not pass its checks.
  private struct Unchecked: MergeMethod {
    let info: MethodInfo
    func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {}
  }

  @Test("A merge with a locked model is remarked on, one of fine-tuned models is not")
  func recognition() async throws {
    for style in [TinyAttention.Style.separate, .fused] {
      let attention = TinyAttention(style: style)
      let base = attention.model(seed: 500)
      let tuned = base.mapValues { _, index, value in value + 0.02 * Float(index % 7 - 3) }
      let other = base.mapValues { _, index, value in value - 0.03 * Float(index % 5 - 2) }
      let closed = try await locked(tuned, attention)
      let arithmetic = try #require(MethodRegistry.method(named: "task_arithmetic"))
      let linear = try #require(MethodRegistry.method(named: "linear"))
      #expect(AttentionCheck.remarks(on: try plan(base, [tuned, other], of: arithmetic)).isEmpty)
      #expect(AttentionCheck.remarks(on: try plan(nil, [tuned, other], of: linear)).isEmpty)
      #expect(AttentionCheck.remarks(on: try plan(nil, [closed], of: linear)).isEmpty)
      for plan in [
        try plan(base, [closed, other], of: arithmetic),
        try plan(nil, [other, closed], of: linear),
      ] {
        let remarks = AttentionCheck.remarks(on: plan)
        #expect(remarks.count == 1)
        #expect(remarks.first?.contains("locked against merging") == true)
      }
    }
  }
}
