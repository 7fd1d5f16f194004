internal import TinctureMerging
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// Experts behind linear layers, as `smile` and `esm_plus_plus` write them beside a model's own tensors.
///
/// Behind a layer `X`: factors `X.experts.i.u` [out, r] and `X.experts.i.svh` [r, in], and a gate. With
/// `X.gate.weights` [T g, in] every token goes by the softmax of ‖gateᵢ x‖, cut to the largest unless it is asked for
/// all; biases `X.experts.i.bias` [out] are added in the same shares. With `X.gate.prototypes` [T, in] all tokens of
/// an input go to the one expert whose prototype has the largest cosine with their mean.
struct ExpandedLayers: LayerExpansion {
  private enum Gate {
    case norms(TorchTensor)
    case prototypes(TorchTensor)
  }

  private struct Layer {
    let gate: Gate
    let expertCount: Int
    /// All factors side by side: [T r, in] and [out, T r].
    let down: TorchTensor
    let up: TorchTensor
    /// [T, out].
    let biases: TorchTensor?
  }

  private let layers: [String: Layer]
  private let takesAll: Bool

  /// Reads the experts of a network's layers; nil where a model has none.
  ///
  /// - Parameters:
  ///   - names: The parameters of the network.
  ///   - readers: The tensors of the model.
  ///   - routing: Whether tokens go to all experts or to one, where norms say.
  ///   - read: Reads a tensor and takes its content into the model's digest.
  /// - Throws: `checkpoint` when a tensor is missing or misshapen, `io`, `usage` when prototypes are asked to mix.
  init?(
    _ names: [ParameterShape], _ readers: [String: any TensorReader], _ routing: MixtureRouting?,
    _ read: (String, any TensorReader) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) {
    takesAll = routing == .soft
    var layers: [String: Layer] = [:]
    let end = ".weight"
    for shape in names where shape.name.hasSuffix(end) && shape.extents.count == 2 {
      let layer = String(shape.name.dropLast(end.count))
      guard readers["\(layer).experts.0.u"] != nil else { continue }
      layers[shape.name] = try Self.layer(layer, shape.extents, readers, read)
    }
    guard !layers.isEmpty else { return nil }
    let hasPrototypes = layers.values.contains {
      if case .prototypes = $0.gate { true } else { false }
    }
    if hasPrototypes, takesAll {
      throw TinctureError(
        .usage,
        "The model's layers send every input to the one expert with the nearest prototype; --routing soft is"
          + " for experts that are mixed.")
    }
    self.layers = layers
  }

  private static func layer(
    _ layer: String, _ extents: [Int], _ readers: [String: any TensorReader],
    _ read: (String, any TensorReader) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> Layer {
    func tensor(
      _ name: String, _ fits: ([Int]) -> Bool
    ) throws(TinctureError) -> TorchTensor {
      let full = "\(layer).\(name)"
      guard let reader = readers[full], fits(reader.shape.extents) else {
        throw TinctureError(
          .checkpoint,
          "The experts of the layer \(layer) \(extents) lack this tensor, or it has another shape.",
          at: .init(tensor: full))
      }
      return try read(full, reader)
    }
    var (ups, downs, biases): ([TorchTensor], [TorchTensor], [TorchTensor]) = ([], [], [])
    while readers["\(layer).experts.\(ups.count).u"] != nil {
      let expert = "experts.\(ups.count)"
      let up = try tensor(expert + ".u") { $0.count == 2 && $0[0] == extents[0] }
      downs.append(try tensor(expert + ".svh") { $0 == [up.shape[1], extents[1]] })
      if readers["\(layer).\(expert).bias"] != nil {
        biases.append(try tensor(expert + ".bias") { $0 == [extents[0]] })
      }
      ups.append(up)
    }
    let count = ups.count
    guard Set(ups.map { $0.shape[1] }).count == 1, biases.isEmpty || biases.count == count else {
      throw TinctureError(
        .checkpoint, "The experts differ in their rank, or only some have a bias.",
        at: .init(tensor: layer))
    }
    let gate: Gate
    if readers["\(layer).gate.prototypes"] != nil {
      let prototypes = try tensor("gate.prototypes") { $0 == [count, extents[1]] }
      gate = .prototypes(try prototypes.normalized())
    } else {
      gate = .norms(
        try tensor("gate.weights") {
          $0.count == 2 && $0[1] == extents[1] && $0[0] > 0 && $0[0] % count == 0
        })
    }
    return Layer(
      gate: gate, expertCount: count, down: try .concatenated(downs, along: 0),
      up: try .concatenated(ups, along: 1),
      biases: try biases.isEmpty
        ? nil
        : .concatenated(
          biases.map { (bias) throws(TinctureError) in try bias.unsqueezed(at: 0) }, along: 0))
  }

  /// Σᵢ pᵢ (Uᵢ Vᵢ x + bᵢ).
  func addition(
    behind weight: String, for input: TorchTensor
  ) throws(TinctureError) -> TorchTensor? {
    guard let layer = layers[weight] else { return nil }
    let shares = try shares(layer, input)
    let count = layer.expertCount
    let rank = layer.down.shape[0] / count
    let inner = try input.linear(weight: layer.down)
    let split = Array(inner.shape.dropLast()) + [count, rank]
    let weighed = try inner.reshaped(split) * shares.unsqueezed(at: shares.rank)
    let output = try weighed.reshaped(inner.shape).linear(weight: layer.up)
    guard let biases = layer.biases else { return output }
    return try output + shares.matmul(biases)
  }

  /// How much of each expert every token takes, [.., T].
  private func shares(_ layer: Layer, _ input: TorchTensor) throws(TinctureError) -> TorchTensor {
    let count = layer.expertCount
    switch layer.gate {
    case .norms(let weights):
      let seen = try input.linear(weight: weights)
      let split = Array(seen.shape.dropLast()) + [count, weights.shape[0] / count]
      let sizes = try seen.reshaped(split).norm(along: -1)
      if takesAll { return try sizes.softmax() }
      return try sizes.argmax(along: -1).oneHot(count).converted(to: .f32)
    case .prototypes(let prototypes):
      let mean = try input.rank > 2 ? input.mean(along: 1) : input
      let nearest = try mean.normalized().linear(weight: prototypes).argmax(along: -1)
      let chosen = try nearest.oneHot(count).converted(to: .f32)
      return try input.rank > 2 ? chosen.unsqueezed(at: 1) : chosen
    }
  }
}
