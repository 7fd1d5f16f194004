import Foundation

/// A model of a few small tensors, with the files that stand beside them.
struct TinyModel {
  private(set) var names: [String] = []
  private var contents: [String: TinyTensor] = [:]
  /// Further files by name; `config.json` is one of them.
  var files: [String: String] = [:]

  subscript(name: String) -> TinyTensor? {
    get { contents[name] }
    set {
      if contents[name] == nil, newValue != nil { names.append(name) }
      if newValue == nil { names.removeAll { $0 == name } }
      contents[name] = newValue
    }
  }

  /// The values of a tensor; none when it is not there.
  func values(_ name: String) -> [Float] { contents[name]?.values ?? [] }

  /// Adds tensors of noise.
  mutating func add(_ element: TinyTensor.Element, _ shapes: [(String, [Int])], seed: Int) {
    for (name, shape) in shapes {
      var noise = Noise(seed, name)
      let count = shape.reduce(1, *)
      self[name] = TinyTensor(element, shape, (0..<count).map { _ in noise.next() })
    }
  }

  /// A model shaped like a Llama.
  static func llama(
    _ seed: Int = 1, layers: Int = 2, vocabulary: Int = 10, width: Int = 8, tied: Bool = false,
    _ element: TinyTensor.Element = .f32
  ) -> TinyModel {
    var model = TinyModel()
    var shapes = [("model.embed_tokens.weight", [vocabulary, width])]
    for layer in 0..<layers { shapes += Self.layer("model.layers.\(layer)", width) }
    shapes.append(("model.norm.weight", [width]))
    if !tied { shapes.append(("lm_head.weight", [vocabulary, width])) }
    model.add(element, shapes, seed: seed)
    let type = [.f32: "float32", .f16: "float16", .bf16: "bfloat16"][element] ?? "float32"
    model.files["config.json"] = """
      {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": \(width),
        "intermediate_size": \(width + 4),
        "num_attention_heads": 2,
        "num_hidden_layers": \(layers),
        "tie_word_embeddings": \(tied),
        "torch_dtype": "\(type)",
        "vocab_size": \(vocabulary)
      }

      """
    model.files["generation_config.json"] = "{\"eos_token_id\": 2}\n"
    return model
  }

  /// The tensors of one layer.
  static func layer(_ prefix: String, _ width: Int) -> [(String, [Int])] {
    [
      ("\(prefix).input_layernorm.weight", [width]),
      ("\(prefix).self_attn.q_proj.weight", [width, width]),
      ("\(prefix).self_attn.o_proj.weight", [width, width]),
      ("\(prefix).mlp.up_proj.weight", [width + 4, width]),
      ("\(prefix).mlp.down_proj.weight", [width, width + 4]),
    ]
  }

  /// The same model after some training: every floating-point element moves a little.
  func tuned(_ seed: Int, by scale: Float = 0.125) -> TinyModel {
    var model = self
    for name in names {
      guard let tensor = self[name], tensor.element != .i64 else { continue }
      var noise = Noise(seed, name)
      model[name] = TinyTensor(
        tensor.element, tensor.shape, tensor.values.map { $0 + scale * noise.next() })
    }
    return model
  }

  /// The bytes of a safetensors file with some of the tensors.
  func safetensors(_ chosen: [String]? = nil) -> Data {
    var entries: [String] = []
    var data = Data()
    for name in chosen ?? names {
      guard let tensor = self[name] else { continue }
      let bytes = tensor.bytes
      entries.append(
        "\"\(name)\":{\"dtype\":\"\(tensor.element.rawValue)\",\"shape\":\(tensor.shape),"
          + "\"data_offsets\":[\(data.count),\(data.count + bytes.count)]}")
      data += bytes
    }
    return Self.file(header: "{\(entries.joined(separator: ","))}", data: data)
  }

  /// A safetensors file of a header and data.
  static func file(header: String, data: Data) -> Data {
    let length = UInt64(header.utf8.count)
    var file = Data((0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) })
    file += Data(header.utf8)
    return file + data
  }

  /// Writes the model as a directory, in one file or several with an index.
  func write(_ folder: String, in workshop: Workshop, shards: Int = 1) throws {
    for (name, text) in files { try workshop.write("\(folder)/\(name)", text) }
    guard shards > 1 else {
      return try workshop.write("\(folder)/model.safetensors", safetensors())
    }
    var map: [String] = []
    for shard in 0..<shards {
      let chosen = names.enumerated().filter { $0.offset % shards == shard }.map(\.element)
      let file = "model-0000\(shard + 1)-of-0000\(shards).safetensors"
      try workshop.write("\(folder)/\(file)", safetensors(chosen))
      map += chosen.map { "\"\($0)\": \"\(file)\"" }
    }
    try workshop.write(
      "\(folder)/model.safetensors.index.json",
      "{\"metadata\": {}, \"weight_map\": {\(map.joined(separator: ", "))}}")
  }
}

/// Numbers from -1 to 1 that depend on a seed and a name only.
struct Noise {
  private var state: UInt64

  init(_ seed: Int, _ name: String) {
    state = UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15
    for byte in name.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  mutating func next() -> Float {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return Float((mixed ^ mixed >> 31) >> 40) / 0x1p23 - 1
  }
}
