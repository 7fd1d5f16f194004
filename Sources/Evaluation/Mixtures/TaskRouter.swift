package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// A router that tells from features of which task they are: layers with a normalisation over the batch, and a last
/// layer with a score for each task.
///
/// x ← act(norm(W x + b)) for all layers but the last. Parameters: `layers.i.weight`, `.bias`, and for all but
/// the last `norms.i.weight`, `.bias`, `.running_mean`, `.running_var`.
package struct TaskRouter: Sendable {
  /// The function between layers.
  package enum Function: String, Sendable, CaseIterable {
    /// max(x, 0.01 x).
    case leakyRelu = "leaky_relu"
    /// max(x, 0).
    case relu

    /// Applies the function to every element.
    package func callAsFunction(_ x: TorchTensor) throws(TinctureError) -> TorchTensor {
      switch self {
      case .leakyRelu: try x.maximum(x * 0.01)
      case .relu: try x.relu()
      }
    }
  }

  /// How many layers there are before the last.
  package static let hiddenCount = 2
  /// What is added to variances.
  package static let epsilon = 1e-5

  /// The parameters.
  package var parameters: Parameters
  /// The function between layers.
  package let function: Function

  /// Puts a router together.
  package init(_ parameters: Parameters, _ function: Function) {
    self.parameters = parameters
    self.function = function
  }

  /// The names and the extents of the parameters; what is learned comes first, then what is counted.
  ///
  /// - Parameters:
  ///   - width: The numbers in a feature.
  ///   - hidden: The numbers between layers.
  ///   - tasks: The number of tasks.
  /// - Returns: Both lists, in a fixed order.
  package static func shapes(
    width: Int, hidden: Int, tasks: Int
  ) -> (learned: [(role: String, extents: [Int])], counted: [(role: String, extents: [Int])]) {
    var learned: [(role: String, extents: [Int])] = []
    var counted: [(role: String, extents: [Int])] = []
    for layer in 0...hiddenCount {
      let outputs = layer == hiddenCount ? tasks : hidden
      learned.append(("layers.\(layer).weight", [outputs, layer == 0 ? width : hidden]))
      learned.append(("layers.\(layer).bias", [outputs]))
      guard layer < hiddenCount else { break }
      learned.append(("norms.\(layer).weight", [hidden]))
      learned.append(("norms.\(layer).bias", [hidden]))
      counted.append(("norms.\(layer).running_mean", [hidden]))
      counted.append(("norms.\(layer).running_var", [hidden]))
    }
    return (learned, counted)
  }

  /// The scores [N, tasks] of features [N, width].
  package func callAsFunction(_ features: TorchTensor) throws(TinctureError) -> TorchTensor {
    var x = features
    for layer in 0..<Self.hiddenCount {
      x = try parameters.linear("layers.\(layer)", x)
      x = try function(parameters.batchNorm("norms.\(layer)", x, epsilon: Self.epsilon))
    }
    return try parameters.linear("layers.\(Self.hiddenCount)", x)
  }

  /// The scores in training: normalised by the batch itself, with some of the numbers dropped.
  ///
  /// - Parameters:
  ///   - features: The features [N, width].
  ///   - drop: Drops numbers of a layer's outputs.
  /// - Returns: The scores, and what is counted for later.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  package func train(
    _ features: TorchTensor,
    _ drop: (TorchTensor, Int) throws(TinctureError) -> TorchTensor
  ) throws(TinctureError) -> (scores: TorchTensor, counted: [String: TorchTensor]) {
    var x = features
    var counted: [String: TorchTensor] = [:]
    for layer in 0..<Self.hiddenCount {
      let norm = parameters.scope("norms", layer)
      let found = try parameters.linear("layers.\(layer)", x).batchNormInTraining(
        mean: norm("running_mean"), variance: norm("running_var"), weight: norm("weight"),
        bias: norm("bias"), epsilon: Self.epsilon)
      counted["norms.\(layer).running_mean"] = found.mean
      counted["norms.\(layer).running_var"] = found.variance
      x = try drop(function(found.output), layer)
    }
    return (try parameters.linear("layers.\(Self.hiddenCount)", x), counted)
  }
}
