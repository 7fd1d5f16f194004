internal import TinctureJSON

/// Where the tensors of a model stand in it, told by their names and the configuration.
///
/// No file per architecture is needed: the stacks of layers, the modules of composite models, the
/// embeddings, tied heads and buffers follow from the names that published architectures use, with
/// cautious rules for names that nobody has seen before. All answers also hold for names that the
/// checkpoint does not have but another one of the same architecture might.
///
/// ```swift
/// let layout = ModelLayout(names: ["model.embed_tokens.weight", "model.layers.7.mlp.up_proj.weight"])
/// layout.position(of: "model.layers.7.mlp.up_proj.weight").zone  // .layer(7)
/// ```
public struct ModelLayout: Sendable {
  /// A stack of layers.
  public struct Stack: Sendable, Hashable {
    /// The path before the layer number, like `model.layers`; the dot is not part of it.
    public let prefix: String
    /// The module that the stack belongs to.
    public let module: String
    /// The number of layers: one more than the highest number.
    public let layerCount: Int
    /// Whether higher numbers follow that are no layers but predict further tokens.
    let isFollowedByPredictors: Bool
  }

  /// The part of a module that a tensor belongs to.
  public enum Zone: Sendable, Hashable {
    /// Used before the layers: embeddings, stems.
    case before
    /// In the layer of this number.
    case layer(Int)
    /// Used after the layers: final norms, poolers, heads.
    case after
  }

  /// Where a tensor stands.
  public struct Position: Sendable, Hashable {
    /// The module, as recipes name it.
    public let module: String
    /// The part of the module.
    public let zone: Zone
    /// The path of the stack of layers, or nil outside of layers.
    public let stack: String?
    /// The name below the layer number, or the whole name outside of layers.
    public let suffix: String

    /// The number of the layer, or nil outside of layers.
    public var layer: Int? { if case .layer(let index) = zone { index } else { nil } }
  }

  /// The name of the only module of a model that has no parts.
  public static let defaultModule = "default"
  /// The name of the module of what several modules of a model share.
  public static let sharedModule = "shared"

  /// The stacks of layers, ordered by path.
  public let stacks: [Stack]
  /// The names of the modules in alphabetical order.
  public let moduleNames: [String]

  let names: Set<ExactString>
  let tokenEmbeddings: [String]
  let counterparts: [ExactString: String?]
  let configuration: ModelConfiguration?
  private let stackIndex: [ExactString: Int]
  private let modules: ModuleNames

  /// Learns the layout of a model.
  ///
  /// - Parameters:
  ///   - names: The names of all its tensors, in any order.
  ///   - configuration: Its configuration, which tells about tied heads and extra layers.
  /// - Complexity: O(n) in the total length of the names.
  public init(names: [String], configuration: ModelConfiguration? = nil) {
    let parsed = names.map { TensorNameParts($0) }
    var finder = LayerStackFinder()
    for name in parsed { finder.add(name) }
    let found = finder.stacks()
    let modules = ModuleNames(stackPrefixes: found.map(\.prefix))
    self.modules = modules
    self.configuration = configuration
    self.names = Set(names.map { ExactString($0) })
    let stacks = zip(found, modules.ofStacks).map { stack, module in
      let count = Self.layerCount(stack.layerCount, module: module, configuration)
      return Stack(
        prefix: stack.prefix, module: module, layerCount: count,
        isFollowedByPredictors: count < stack.layerCount)
    }
    let stackIndex = Dictionary(
      uniqueKeysWithValues: stacks.enumerated().map { (ExactString($1.prefix), $0) })
    self.stacks = stacks
    self.stackIndex = stackIndex
    var seen: Set<String> = []
    var embeddings: [String] = []
    for (text, name) in zip(names, parsed) {
      let place = Self.place(name, stacks: stacks, index: stackIndex)
      seen.insert(place.map { stacks[$0.stack].module } ?? modules.module(of: name))
      if place == nil, Self.isTokenEmbedding(name), !Self.isPerception(name, modules) {
        embeddings.append(text)
      }
    }
    moduleNames = seen.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    tokenEmbeddings = embeddings.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    counterparts = Self.counterparts(of: names)
  }

  /// Where a tensor stands.
  ///
  /// - Parameter name: The name of the tensor; it need not be in the checkpoint.
  /// - Returns: The module, the part of the module and, in a layer, the stack and the layer.
  /// - Complexity: O(n) in the length of the name.
  public func position(of name: String) -> Position {
    let parts = TensorNameParts(name)
    if let (stack, layer, position) = Self.place(parts, stacks: stacks, index: stackIndex) {
      return Position(
        module: stacks[stack].module, zone: .layer(layer), stack: stacks[stack].prefix,
        suffix: parts.rest(after: position))
    }
    let zone: Zone = NameZone(parts.parts) == .before ? .before : .after
    return Position(module: modules.module(of: parts), zone: zone, stack: nil, suffix: name)
  }

  /// How deep in its stack a tensor stands, from 0 to 1.
  ///
  /// - Parameter name: The name of the tensor.
  /// - Returns: 0 for the first layer, 1 for the last and for the only layer of a stack, 0 outside of
  ///   layers.
  /// - Complexity: O(n) in the length of the name.
  public func depth(of name: String) -> Double {
    guard
      let (stack, layer, _) = Self.place(TensorNameParts(name), stacks: stacks, index: stackIndex)
    else { return 0 }
    let count = stacks[stack].layerCount
    return count > 1 ? min(Double(layer) / Double(count - 1), 1) : 1
  }

  /// The name of the same tensor in another layer of its stack.
  ///
  /// - Parameters:
  ///   - name: The name of the tensor.
  ///   - layer: The number of the other layer, which need not exist yet.
  /// - Returns: The name, or nil when the tensor stands outside of layers.
  /// - Complexity: O(n) in the length of the name.
  public func name(_ name: String, inLayer layer: Int) -> String? {
    let position = position(of: name)
    guard let stack = position.stack else { return nil }
    return "\(stack).\(layer).\(position.suffix)"
  }

  /// The module that a recipe means by a name.
  ///
  /// Besides the names of the modules, common other names for them (`language_model` for
  /// `text_decoder`, `visual` for `vision_tower`) and the paths of stacks are understood.
  ///
  /// - Parameter name: The name that the recipe uses.
  /// - Returns: One of `moduleNames`, or nil when the model has no such module.
  /// - Complexity: O(n) in the number of modules and stacks.
  public func module(named name: String) -> String? {
    if moduleNames.contains(name) { return name }
    if let kind = ModuleKind(moduleName: name),
      let match = moduleNames.first(where: { ModuleKind(moduleName: $0) == kind })
    {
      return match
    }
    return stacks.first { ExactString($0.prefix) == ExactString(name) }?.module
  }

  /// The stacks of a module, ordered by path.
  ///
  /// - Complexity: O(n) in the number of stacks.
  public func stacks(of module: String) -> [Stack] { stacks.filter { $0.module == module } }

  /// The number of layers of a module; nil unless it has exactly one stack.
  ///
  /// - Complexity: O(n) in the number of stacks.
  public func layerCount(of module: String) -> Int? {
    let stacks = stacks(of: module)
    return stacks.count == 1 ? stacks.first?.layerCount : nil
  }

  /// Layers past the configured number that predict further tokens do not belong to the stack.
  private static func layerCount(
    _ count: Int, module: String, _ configuration: ModelConfiguration?
  ) -> Int {
    guard let configuration, let extra = configuration.extraPredictionLayers,
      let configured = configuration.layerCount(of: module), configured > 0, configured < count,
      count - configured <= extra
    else { return count }
    return configured
  }

  private static func place(_ name: TensorNameParts, stacks: [Stack], index: [ExactString: Int])
    -> (stack: Int, layer: Int, position: Int)?
  {
    for (position, value) in name.numbers where position > 0 && position + 1 < name.parts.count {
      if let stack = index[ExactString(name.container(before: position))] {
        let isLayer = !stacks[stack].isFollowedByPredictors || value < stacks[stack].layerCount
        return isLayer ? (stack, value, position) : nil
      }
    }
    return nil
  }

  private static func isPerception(_ name: TensorNameParts, _ modules: ModuleNames) -> Bool {
    guard let kind = ModuleKind(moduleName: modules.module(of: name)) else { return false }
    return kind == .vision || kind == .audio
  }
}
