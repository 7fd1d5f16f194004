internal import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

/// A LoRA adapter on disk: which weights it changes, by which factors, how strongly.
///
/// A weight W [out, in] becomes W + s B A, with A [rank, in] and B [out, rank]. Three layouts are read: that
/// of PEFT (a directory with `adapter_config.json`), and single files in the styles of diffusers and of kohya.
/// Kernels of convolutions count as matrices `out × in·height·width`. Source: Hu et al., arXiv:2106.09685;
/// rank-stabilised scaling: Kalajdzievski, arXiv:2312.03732; DoRA: Liu et al., arXiv:2402.09353.
public struct LowRankAdapter: Sendable {
  /// The change of one weight.
  public struct Change: Sendable {
    /// The module that is changed, without prefixes; with underscores for dots in kohya's style.
    public let module: String
    /// The part of a pipeline that has the module, such as `unet`; nil in PEFT's style.
    public let component: String?
    /// The factor A, `rank × in`.
    public let down: Checkpoint.Entry
    /// The factor B, `out × rank`.
    public let up: Checkpoint.Entry
    /// One length for each row, where the adapter is a DoRA.
    public let magnitude: Checkpoint.Entry?
    /// What is added to the module's bias, times the scale.
    public let bias: Checkpoint.Entry?
    /// What B A is multiplied by.
    public let scale: Double
    /// Whether the product must be transposed to fit the weight.
    public let isTransposed: Bool
    /// Whether the module is an embedding, whose table is `vocabulary × width`.
    public let isEmbedding: Bool

    /// The name of the weight in the words of the adapter.
    public var weight: String { module + ".weight" }
    /// The rank.
    public var rank: Int { down.tensor.shape.extents.first ?? 0 }
    /// The number of elements that a row of A has.
    public var inputs: Int { rank == 0 ? 0 : down.tensor.shape.elementCount / rank }
    /// The number of rows of B.
    public var outputs: Int { up.tensor.shape.extents.first ?? 0 }
  }

  /// Where the adapter was found, as it was given.
  public let path: String
  /// How its tensors are named.
  public let style: AdapterStyle
  /// What stands beside the weights in PEFT's style.
  public let configuration: AdapterConfiguration?
  /// The changed weights by name, in the order of the adapter's file.
  public let changes: [(weight: String, change: Change)]
  /// Tensors that replace those of the base, by name.
  public let replacements: [(name: String, entry: Checkpoint.Entry)]

  /// Whether the tensors of a checkpoint are those of a LoRA adapter, by their names.
  ///
  /// - Parameter checkpoint: The checkpoint.
  /// - Returns: False for models, also for those that hold factors beside their weights.
  /// - Complexity: O(n) in the length of the names.
  public static func isAdapter(_ checkpoint: Checkpoint) -> Bool {
    let beside = checkpoint.directory?.appending(AdapterConfiguration.fileName)
    let isConfigured = beside.map { FileKind(of: $0) == .file } ?? false
    guard let style = AdapterKey.style(of: checkpoint.names, hasConfiguration: isConfigured) else {
      return false
    }
    return isConfigured || checkpoint.names.allSatisfy { AdapterKey($0, style: style) != nil }
  }

  /// Reads an adapter.
  ///
  /// - Parameter checkpoint: The adapter's weights; `adapter_config.json` must stand beside those of PEFT.
  /// - Throws: `missingInput` without a configuration, `checkpoint` for what is no LoRA adapter, for factors
  ///   that do not chain, and for keys that are missing.
  public init(_ checkpoint: Checkpoint) throws(TinctureError) {
    path = checkpoint.path.string
    let configuration =
      try checkpoint.directory.map { (directory) throws(TinctureError) in
        try AdapterConfiguration.read(directory)
      } ?? nil
    let found = AdapterKey.style(
      of: checkpoint.names, hasConfiguration: configuration != nil)
    guard let style = found else {
      throw TinctureError(
        .checkpoint, "No tensor has the name of a LoRA factor, such as MODULE.lora_A.weight.",
        at: .init(file: path))
    }
    guard style != .peft || configuration != nil else {
      throw TinctureError(
        .missingInput,
        "A LoRA adapter of PEFT is a directory with adapter_config.json and its weights.",
        at: .init(file: path))
    }
    self.style = style
    self.configuration = configuration
    let sorted = try AdapterParts(checkpoint, style)
    var changes: [(weight: String, change: Change)] = []
    for layer in sorted.order {
      let change = try sorted.change(layer, configuration)
      changes.append((change.weight, change))
    }
    self.changes = changes
    replacements = sorted.replacements
  }
}

/// The tensors of an adapter by the layer that they belong to.
private struct AdapterParts {
  struct Layer: Hashable {
    let component: String?
    let module: String
  }

  private(set) var order: [Layer] = []
  private(set) var replacements: [(name: String, entry: Checkpoint.Entry)] = []
  private var parts: [Layer: [AdapterKey.Part: Checkpoint.Entry]] = [:]
  private var embeddings: Set<Layer> = []

  init(_ checkpoint: Checkpoint, _ style: AdapterStyle) throws(TinctureError) {
    for name in checkpoint.names {
      guard let entry = checkpoint[name] else { continue }
      guard let key = AdapterKey(name, style: style) else {
        try replace(name, entry, style)
        continue
      }
      let layer = Layer(component: key.component, module: key.module)
      if parts[layer] == nil { order.append(layer) }
      if parts[layer, default: [:]].updateValue(entry, forKey: key.part) != nil {
        throw Self.failure("The adapter holds this part of \(key.module) twice.", entry)
      }
      if key.isEmbedding { embeddings.insert(layer) }
    }
  }

  // A tensor that stands in the place of one of the base: modules_to_save, trained biases.
  private mutating func replace(
    _ name: String, _ entry: Checkpoint.Entry, _ style: AdapterStyle
  ) throws(TinctureError) {
    let last = name.split(separator: ".").suffix(3)
    let isForeign = last.contains { word in
      Self.foreign.contains { word.hasPrefix($0) }
    }
    guard style == .peft, !isForeign else {
      throw Self.failure("The tensor belongs to an adapter of another kind than LoRA.", entry)
    }
    var plain = String(AdapterKey.withoutPeftPrefix(name))
    if let marker = plain.firstRange(of: ".modules_to_save.") {
      let rest = plain[marker.upperBound...]
      let tail = rest.firstIndex(of: ".").map { rest[rest.index(after: $0)...] } ?? rest
      plain = "\(plain[..<marker.lowerBound]).\(tail)"
    }
    replacements.append((plain.replacing(".base_layer.", with: "."), entry))
  }

  private static let foreign = [
    "lora_", "hada_", "lokr_", "oft_", "boft_", "ia3_", "vera_", "dora_", "token_adapter",
    "prompt_",
  ]

  /// The change of a layer, checked as far as that is possible without the base.
  func change(_ layer: Layer, _ configuration: AdapterConfiguration?)
    throws(TinctureError) -> LowRankAdapter.Change
  {
    let found = parts[layer] ?? [:]
    guard let down = found[.down], let up = found[.up] else {
      let lonely = found.sorted { $0.value.tensor.name < $1.value.tensor.name }.first?.value
      throw TinctureError(
        .checkpoint, "The adapter lacks one of the two factors of \(layer.module).",
        at: .init(file: lonely?.file.path.string, tensor: lonely?.tensor.name))
    }
    let (a, b) = (down.tensor.shape, up.tensor.shape)
    guard a.rank >= 2, b.rank >= 2, a.elementCount > 0, b.elementCount > 0 else {
      throw Self.failure("The factors \(b) and \(a) are no matrices.", down)
    }
    let rank = a.extents[0]
    guard b.extents[1] == rank, b.elementCount == b.extents[0] * rank else {
      throw Self.failure(
        "The factors do not chain: B is \(b) and A is \(a); B must be out × \(rank).", up)
    }
    for entry in found.values where !entry.tensor.dtype.isArithmetic {
      throw Self.failure("The elements are \(entry.tensor.dtype.rawValue), no numbers.", entry)
    }
    if let bias = found[.bias], bias.tensor.shape.elementCount != b.extents[0] {
      throw Self.failure("The bias \(bias.tensor.shape) does not fit B, \(b).", bias)
    }
    if let magnitude = found[.magnitude], magnitude.tensor.shape.elementCount != b.extents[0] {
      throw Self.failure("The magnitudes \(magnitude.tensor.shape) do not fit B, \(b).", magnitude)
    }
    if let configuration {
      let stated = configuration.rank(of: layer.module)
      guard stated == rank else {
        throw Self.failure(
          "The factor A has \(rank) rows, but \(AdapterConfiguration.fileName) gives the rank \(stated).",
          down)
      }
      guard configuration.hasMagnitudes == (found[.magnitude] != nil) else {
        throw Self.failure(
          configuration.hasMagnitudes
            ? "The adapter is a DoRA (use_dora), but this layer has no lora_magnitude_vector."
            : "The layer has a lora_magnitude_vector, but use_dora is not set.", down)
      }
    }
    let isEmbedding = embeddings.contains(layer)
    let scale: Double
    if let configuration {
      scale = configuration.scale(of: layer.module, rank: rank)
    } else {
      scale = try Self.scale(found[.alpha], rank: rank)
    }
    return LowRankAdapter.Change(
      module: layer.module, component: layer.component, down: down, up: up,
      magnitude: found[.magnitude], bias: found[.bias],
      scale: scale,
      isTransposed: isEmbedding || configuration?.isTransposed ?? false, isEmbedding: isEmbedding)
  }

  /// α / rank where a tensor says α, else 1.
  private static func scale(_ alpha: Checkpoint.Entry?, rank: Int) throws(TinctureError) -> Double {
    guard let alpha else { return 1 }
    guard alpha.tensor.shape.elementCount == 1 else {
      throw failure("α must be a single number.", alpha)
    }
    let bytes = try alpha.file.bytes(at: alpha.tensor.byteOffset, count: alpha.tensor.byteCount)
    var value = ContiguousArray<Float>(repeating: 0, count: 1)
    bytes.withUnsafeBytes { bytes in
      var span = value.mutableSpan
      Kernels.widen(bytes, as: alpha.tensor.dtype, into: &span)
    }
    guard value[0].isFinite else { throw failure("α is \(value[0]).", alpha) }
    return Double(value[0]) / Double(rank)
  }

  private static func failure(_ message: String, _ entry: Checkpoint.Entry) -> TinctureError {
    TinctureError(
      .checkpoint, message, at: .init(file: entry.file.path.string, tensor: entry.tensor.name))
  }
}
