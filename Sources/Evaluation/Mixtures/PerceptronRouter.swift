internal import Synchronization
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// Mixes the parameters of perceptrons for what goes into them: θ + Σₜ wₜ vₜ.
///
/// The router of a block has two layers, w = mean over tokens of W₂ relu(W₁ x + b₁) + b₂, without a softmax.
/// Parameters: `layers.0.weight` [d, d], `layers.0.bias` [d], `layers.1.weight` [T, d], `layers.1.bias` [T].
package struct PerceptronRouter: ParameterRouter {
  /// The routers' parameters.
  package var routers: [Parameters]
  /// The number of the router of each block.
  package let places: [String: Int]
  private let shapes: [String: [ParameterShape]]
  /// The vectors of all experts for each tensor, [T, n].
  private let vectors: [String: TorchTensor]
  /// Whether all inputs of a batch get the mean of their weights, as in training.
  private let averages: Bool
  /// Hears of the weights.
  private let record: WeightRecord?

  /// The names and the extents of a router's parameters.
  package static func shapes(width: Int, tasks: Int) -> [(role: String, extents: [Int])] {
    [
      ("layers.0.weight", [width, width]), ("layers.0.bias", [width]),
      ("layers.1.weight", [tasks, width]), ("layers.1.bias", [tasks]),
    ]
  }

  /// Puts routers together.
  ///
  /// - Parameters:
  ///   - routers: The routers' parameters.
  ///   - places: The number of the router of each block.
  ///   - perceptrons: The perceptrons.
  ///   - vectors: The vectors of all experts for each of their tensors, [T, n].
  ///   - averages: Whether all inputs of a batch get the mean of their weights.
  ///   - record: Hears of the weights.
  package init(
    _ routers: [Parameters], places: [String: Int], _ perceptrons: [Perceptron],
    vectors: [String: TorchTensor], averages: Bool, record: WeightRecord? = nil
  ) {
    self.routers = routers
    self.places = places
    self.vectors = vectors
    self.averages = averages
    self.record = record
    shapes = Dictionary(
      perceptrons.map { ($0.module, $0.parameters) }, uniquingKeysWith: { first, _ in first })
  }

  /// The mixed parameters of a block's perceptron.
  package func parameters(
    of module: String, for tokens: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> [String: TorchTensor] {
    guard let place = places[module], let shapes = shapes[module] else { return [:] }
    let router = routers[place]
    let hidden = try router.linear("layers.0", tokens).relu()
    var weights = try router.linear("layers.1", hidden).mean(along: 1)
    try record?.add(weights, module)
    if averages { weights = try weights.mean(along: 0, keepingAxes: true) }
    let count = weights.shape[0]
    var tensors: [String: TorchTensor] = [:]
    for shape in shapes {
      guard let base = parameters.all[shape.name], let vectors = vectors[shape.name] else {
        continue
      }
      let extents = averages ? shape.extents : [count] + shape.extents
      tensors[shape.name] = try base + weights.matmul(vectors).reshaped(extents)
    }
    return tensors
  }
}

/// The mean weights of the inputs that were seen, by block.
package final class WeightRecord: Sendable {
  private let sums = Mutex<[String: (values: [Double], count: Int)]>([:])

  /// Begins without inputs.
  package init() {}

  /// Takes the weights [N, T] of some inputs in.
  func add(_ weights: TorchTensor, _ module: String) throws(TinctureError) {
    let values = try weights.detached().array(as: Float.self)
    let (rows, width) = (weights.shape[0], weights.shape[1])
    sums.withLock { sums in
      var (sum, count) = sums[module] ?? ([Double](repeating: 0, count: width), 0)
      for row in 0..<rows {
        for column in 0..<width { sum[column] += Double(values[row * width + column]) }
      }
      count += rows
      sums[module] = (sum, count)
    }
  }

  /// The mean weights of a block's inputs.
  package func means(_ module: String) -> [Float] {
    sums.withLock { sums in
      guard let (values, count) = sums[module] else { return [] }
      return values.map { Float($0 / Double(max(1, count))) }
    }
  }
}
