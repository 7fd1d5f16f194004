internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureMerging
internal import TinctureSafetensors
internal import TinctureTensors

/// Everything about an adapter that is to be written but its numbers.
struct AdapterOutline {
  /// A layer with its rank.
  struct Item {
    var layer: AdapterLayer
    var rank: Int
    var hasBias = false
    /// Copied from another adapter (DoRA).
    var magnitude: Checkpoint.Entry?
  }

  /// A tensor that is stored whole.
  struct Whole {
    /// The name in the model.
    var name: String
    var reader: any TensorReader
  }

  var style: AdapterStyle
  var dtype: DType
  var items: [Item]
  /// Tensors that replace those of the base.
  var wholes: [Whole] = []
  /// The model that the adapter is for, as its configuration names it.
  var baseModel: String?
  /// What kind of task the adapter is for, in PEFT's words.
  var taskType: JSONValue = .null
  /// Whether weights are stored as `in × out`.
  var isTransposed = false

  /// The tensors of the file, in its order.
  var tensors: [OutputLayout.Tensor] {
    var tensors: [OutputLayout.Tensor] = []
    func add(_ name: String, _ shape: Shape, _ type: DType? = nil) {
      tensors.append(.init(name: name, dtype: type ?? dtype, shape: shape))
    }
    for item in items {
      let names = tensorNames(of: item.layer)
      add(names.down, item.layer.downShape(item.rank))
      add(names.up, item.layer.upShape(item.rank))
      if let alpha = names.alpha { add(alpha, Shape([]) ?? Shape(vector: 1), .f32) }
      if item.hasBias, let bias = names.bias { add(bias, Shape(vector: item.layer.outputs)) }
      if let magnitude = item.magnitude?.tensor {
        add(names.magnitude, magnitude.shape, magnitude.dtype)
      }
    }
    for whole in wholes {
      add(prefix + whole.name, whole.reader.shape, whole.reader.dtype)
    }
    return tensors
  }

  private var prefix: String { style == .peft ? "base_model.model." : "" }

  private func tensorNames(of layer: AdapterLayer) -> (
    down: String, up: String, alpha: String?, bias: String?, magnitude: String
  ) {
    if style == .kohya {
      let begin = layer.component.flatMap { part in
        AdapterKey.kohyaPrefixes.first { $0.1 == part }?.0
      }
      let stem = (begin ?? "") + layer.module
      return (
        stem + ".lora_down.weight", stem + ".lora_up.weight", stem + ".alpha", nil,
        stem + ".dora_scale"
      )
    }
    let stem = prefix + layer.name
    let magnitude = stem + ".lora_magnitude_vector"
    if layer.isEmbedding {
      return (stem + ".lora_embedding_A", stem + ".lora_embedding_B", nil, nil, magnitude)
    }
    return (
      stem + ".lora_A.weight", stem + ".lora_B.weight", nil, stem + ".lora_B.bias", magnitude
    )
  }

  /// Where the bytes will lie.
  var layout: OutputLayout {
    OutputLayout(
      tensors: tensors, shardSize: .max,
      stem: style == .peft ? "adapter_model" : "pytorch_lora_weights")
  }

  /// The files beside the weights.
  var sidecars: [(path: String, contents: [UInt8])] {
    guard style == .peft else { return [] }
    let text = JSONValue.object(configuration).text() + "\n"
    return [(AdapterConfiguration.fileName, Array(text.utf8))]
  }

  /// What PEFT needs to know: α is the rank everywhere, so that the scale is 1.
  private var configuration: JSONObject {
    let ranks = Dictionary(items.map { ($0.rank, 1) }, uniquingKeysWith: +)
    // The most frequent rank, of several the largest.
    let usual = ranks.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 1
    let pattern = JSONObject(
      RankPattern(items.map { ($0.layer.module, $0.rank) }, usual: usual).members.map {
        ($0.module, .integer($0.rank))
      })
    let modules = wholeModules
    var object = JSONObject([
      ("peft_type", .string("LORA")),
      ("base_model_name_or_path", baseModel.map { .string($0) } ?? .null),
      ("task_type", taskType), ("inference_mode", .bool(true)), ("r", .integer(usual)),
      ("lora_alpha", .integer(usual)), ("lora_dropout", .number("0.0")),
      ("target_modules", .array(items.map { .string($0.layer.module) })),
      ("fan_in_fan_out", .bool(isTransposed)), ("bias", .string("none")),
      ("modules_to_save", modules.isEmpty ? .null : .array(modules.map { .string($0) })),
      ("init_lora_weights", .bool(true)), ("use_rslora", .bool(false)),
      ("rank_pattern", .object(pattern)), ("alpha_pattern", .object(pattern)),
    ])
    if items.contains(where: { $0.magnitude != nil }) { object["use_dora"] = .bool(true) }
    if items.contains(where: \.hasBias) { object["lora_bias"] = .bool(true) }
    return object
  }

  /// The modules of tensors that are stored whole, in order.
  private var wholeModules: [String] {
    var seen: Set<String> = []
    return wholes.compactMap { ModuleParts($0.name)?.module }.filter { seen.insert($0).inserted }
  }
}

/// The ranks that differ from the usual one, by module, as PEFT looks them up.
///
/// PEFT takes the first key that is the end of a module's name; a longer name therefore comes first, and a
/// module with the usual rank is listed, too, where another key would fit it.
struct RankPattern {
  let members: [(module: String, rank: Int)]

  init(_ ranks: [(module: String, rank: Int)], usual: Int) {
    var listed = ranks.filter { $0.rank != usual }
    let keys = Set(listed.map(\.module))
    for (module, rank) in ranks where rank == usual {
      let isCaught = module.indices.contains { index in
        module[index] == "." && keys.contains(String(module[module.index(after: index)...]))
      }
      if isCaught { listed.append((module, rank)) }
    }
    members = listed.enumerated().sorted {
      (-$0.element.module.utf8.count, $0.offset) < (-$1.element.module.utf8.count, $1.offset)
    }.map(\.element)
  }
}

/// The name of a tensor as that of a module and of one of its parameters.
struct ModuleParts {
  let module: String
  let parameter: Substring

  /// Takes a name apart; nil when its end is none that modules give to their parameters.
  init?(_ name: String) {
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return nil }
    parameter = name[name.index(after: dot)...]
    guard Self.parameters.contains(parameter) else { return nil }
    module = String(name[..<dot])
  }

  private static let parameters: Set<Substring> = [
    "weight", "bias", "running_mean", "running_var",
  ]
}
