public import TinctureMerging
public import TinctureTensors

/// Sets a random half of a fine-tuned model's tensors back to the base.
///
/// With `granularity: category`, the attention, the perceptron and the norms of each layer are reset separately:
/// of m modules, such as q, k, v and o, ⌊r m⌋ chosen at random, r the ratio, and in a random part of the layers one more, so that
/// with r = ½ and gate, up and down half of the layers lose two and the others one. `layer` resets whole layers, `tensor` modules
/// anywhere in the model. Weights and biases of a module go together. Otherwise what is in no layer, such as embeddings, the head and the last
/// norm, stays fine-tuned, and so does everything when nothing has a layer. The published method draws the half anew
/// before every stage of training; here it is drawn once, by the seed. Complexity: O(n).
/// Source: Hui et al., arXiv:2404.18466.
public struct HalfReset: MergeMethod {
  static let ratio = Parameter<Double>(
    "ratio", default: 0.5, in: .fraction, "The fraction that is set back.")
  static let granularity = Parameter<String>(
    "granularity", default: "category", of: ["category", "layer", "tensor"],
    "What is drawn: modules of each kind in each layer, whole layers, or modules of the whole model."
  )

  /// The description of the method.
  public let info = MethodInfo(
    name: "half_reset", aliases: ["hft"], title: "Half reset",
    summary: "Sets a random half of a fine-tuned model's modules back to the base.",
    formula: "θ = θ₀ in a random half of the modules of each kind, θ₁ elsewhere",
    source: "Hui et al. 2024, Half fine-tuning", link: "https://arxiv.org/abs/2404.18466",
    base: .required, models: 1...1, streaming: .element, isRandom: true,
    parameters: [ratio, granularity])

  /// Creates the method.
  public init() {}

  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// The draw is one for the whole model.
  public func check(_ plan: MergePlan) throws(TinctureError) {
    try plan.requireOneValue(of: ["ratio", "granularity"])
  }

  /// Draws what is set back: names of tensors.
  public func prepare(_ session: MergeSession) async throws(TinctureError) -> Set<String> {
    guard let parameters = session.steps.first?.parameters else { return [] }
    let ratio = parameters[Self.ratio]
    let isByTensor = parameters[Self.granularity] == "tensor"
    var tensors: [ModuleName: Set<String>] = [:]
    for step in session.steps {
      guard let layer = isByTensor ? step.layer ?? -1 : step.layer else { continue }
      tensors[ModuleName(step.name, layer: layer), default: []].insert(step.name)
    }
    let seed = session.options.seed
    func drawn<Item>(_ items: [Item], _ count: Int, _ key: (Item) -> String) -> [Item] {
      let numbers = items.map { item in
        CounterRandom(seed: seed, tensor: key(item), purpose: "half_reset").bits(at: 0)
      }
      let order = items.indices.sorted {
        (numbers[$0], key(items[$0])) < (numbers[$1], key(items[$1]))
      }
      return order.prefix(count).map { items[$0] }
    }
    let modules = tensors.keys.sorted { $0.text < $1.text }
    var reset: [ModuleName] = []
    switch parameters[Self.granularity] {
    case "tensor":
      reset = drawn(modules, Int(ratio * Double(modules.count)), \.text)
    case "layer":
      let layers = Set(modules.map(\.layer)).sorted()
      let own = Set(drawn(layers, Int(ratio * Double(layers.count))) { "layer \($0)" })
      reset = modules.filter { own.contains($0.layer) }
    default:
      for kind in ModuleName.Kind.allCases {
        let groups = Dictionary(grouping: modules.filter { $0.kind == kind }, by: \.layer)
        // Layers alike share the remainders of their halves.
        let sizes = Dictionary(grouping: groups.keys.sorted()) { groups[$0]?.count ?? 0 }
        for (size, layers) in sizes.sorted(by: { $0.key < $1.key }) {
          let wanted = ratio * Double(size)
          let whole = Int(wanted)
          let extra = Int((wanted - Double(whole)) * Double(layers.count))
          let longer = Set(drawn(layers, extra) { "\(kind) \(size) layer \($0)" })
          for layer in layers {
            reset += drawn(
              groups[layer] ?? [], whole + (longer.contains(layer) ? 1 : 0), \.text)
          }
        }
      }
    }
    return reset.reduce(into: []) { $0.formUnion(tensors[$1] ?? []) }
  }

  /// Makes one tensor.
  public func merge(_ inputs: MergeInputs, state: Set<String>) throws(TinctureError) {
    let isReset = state.contains(inputs.step.name)
    try inputs.produce(.values) { (block, output) throws(TinctureError) in
      if isReset {
        Kernels.copy(block.base, to: &output)
      } else {
        Kernels.copy(block[model: 0], to: &output)
      }
    }
  }
}
