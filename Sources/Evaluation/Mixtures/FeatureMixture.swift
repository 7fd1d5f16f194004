internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureNetworks
internal import TinctureSafetensors
internal import TinctureTensors
internal import TinctureTorch

/// How inputs are mixed for by a router of features.
public enum MixtureRouting: String, Sendable, Hashable, CaseIterable {
  /// Every input by the router's softmax; inputs are computed one by one.
  case soft
  /// Every input by the one expert with the highest score; inputs of one expert are computed together.
  case top
}

/// A model whose tensors are mixed for every input as a router of the model's features says.
struct FeatureMixture: Sendable {
  /// Up to how many elements of all experts together vectors are held unpacked: 1 GiB.
  static let unpackedLimit = 1 << 28

  private let router: TaskRouter
  private let terms: [(name: String, term: MixtureTerm)]
  private let routing: MixtureRouting

  /// Reads a mixture.
  ///
  /// - Parameters:
  ///   - mixture: The mixture.
  ///   - network: The network.
  ///   - width: The numbers in the network's features.
  ///   - routing: How inputs are mixed for.
  ///   - device: Where tensors shall lie.
  /// - Throws: `checkpoint` when it does not fit the network or is malformed.
  init(
    _ mixture: Mixture, for network: any Network, width: Int, _ routing: MixtureRouting,
    on device: TorchDevice
  ) throws(TinctureError) {
    guard let stored = mixture.routers.first,
      let function = TaskRouter.Function(rawValue: mixture.settings["activation"] ?? "")
    else {
      throw TinctureError(
        .checkpoint, "The mixture does not name its router's activation, leaky_relu or relu.",
        at: .init(file: mixture.file.file.path.string))
    }
    let hidden = stored.tensors["layers.0.bias"]?.shape.elementCount ?? 0
    let shapes = TaskRouter.shapes(width: width, hidden: hidden, tasks: mixture.experts.count)
    let tensors = try mixture.tensors(of: stored, shapes.learned + shapes.counted, on: device)
    for (role, _) in shapes.counted where role.hasSuffix("running_var") {
      let variances = try tensors[role]?.array(as: Float.self) ?? []
      guard variances.allSatisfy({ $0 >= 0 }) else {
        throw TinctureError(
          .checkpoint, "The variances '\(role)' of the router must not be negative.",
          at: .init(file: mixture.file.file.path.string))
      }
    }
    router = TaskRouter(Parameters(tensors), function)
    self.routing = routing
    let names = Set(mixture.experts.flatMap(\.vectors.keys))
    let mixed = network.parameterShapes.filter { names.contains($0.name) }
    let elements = mixed.reduce(0) { $0 + $1.extents.reduce(1, *) } * mixture.experts.count
    var terms: [(String, MixtureTerm)] = []
    for shape in mixed {
      let term = try MixtureTerm(
        shape.name, extents: shape.extents, of: mixture, unpacks: elements <= Self.unpackedLimit,
        on: device)
      terms.append((shape.name, term))
    }
    self.terms = terms
  }

  /// The features of some inputs.
  ///
  /// - Parameters:
  ///   - parameters: The shared parameters.
  ///   - compute: Computes the features of some of the inputs, or of all, with parameters.
  /// - Returns: A row for each input.
  /// - Throws: What `compute` throws.
  /// - Complexity: A pass with the shared parameters, and one for each expert that is used or each input.
  func features(
    _ parameters: Parameters,
    _ compute: (TorchTensor?, Parameters) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    let shared = try compute(nil, parameters)
    let scores = try router(shared)
    let count = scores.shape[0]
    let experts = scores.shape[1]
    let weights: TorchTensor
    switch routing {
    case .soft: weights = try scores.softmax()
    case .top: weights = try scores.argmax(along: 1).oneHot(experts).converted(to: .f32)
    }
    // Inputs of exactly the same weights go together.
    let values = try weights.array(as: Float.self)
    var groups: [(row: Int, members: [Int])] = []
    var places: [[Float]: Int] = [:]
    for row in 0..<count {
      let key = Array(values[row * experts..<(row + 1) * experts])
      if let place = places[key] {
        groups[place].members.append(row)
      } else {
        places[key] = groups.count
        groups.append((row, [row]))
      }
    }
    var parts: [TorchTensor] = []
    for group in groups {
      let own = try mixed(parameters, weights.select(group.row, along: 0))
      parts.append(try compute(TorchTensor(group.members, on: shared.device), own))
    }
    var order = [Int](repeating: 0, count: count)
    for (place, row) in groups.flatMap(\.members).enumerated() { order[row] = place }
    return try TorchTensor.concatenated(parts, along: 0)
      .selected(at: TorchTensor(order, on: shared.device), along: 0)
  }

  /// The parameters for weights of the experts.
  private func mixed(
    _ parameters: Parameters, _ weights: TorchTensor
  ) throws(TinctureError) -> Parameters {
    var tensors: [String: TorchTensor] = [:]
    for (name, term) in terms { tensors[name] = try term.mixed(parameters(name), weights) }
    return parameters.replacing(tensors)
  }
}
