public import TinctureMerging
public import TinctureNetworks
public import TinctureTensors

/// Which layers of a network change their form.
public struct RankTargets: Sendable, Hashable {
  /// Names of weights that are chosen; nil chooses as published.
  public var patterns: [TensorPattern]?
  /// Names of weights that are left out.
  public var exclusions: [TensorPattern] = []

  /// The published choice: convolutions of more than a single place, the first one included, but neither shortcuts nor
  /// classifiers; in transformers the linear layers of the blocks.
  public static let published = RankTargets(patterns: nil)

  /// Chooses by names.
  ///
  /// - Parameters:
  ///   - patterns: Expressions of which one is found in the name of a chosen weight; nil chooses as published.
  ///   - exclusions: Expressions of which none is found in the name of a chosen weight.
  public init(patterns: [TensorPattern]?, exclusions: [TensorPattern] = []) {
    self.patterns = patterns
    self.exclusions = exclusions
  }

  /// The chosen weights of a network in its order.
  ///
  /// - Parameter network: The network.
  /// - Returns: Weights of linear layers and convolutions.
  /// - Throws: `recipe` when an expression is found in no weight of a layer.
  public func layers(of network: any Network) throws(TinctureError) -> [ParameterShape] {
    let candidates = network.parameterShapes.filter(\.isLayerWeight)
    var chosen: [ParameterShape]
    if let patterns {
      for pattern in patterns where !candidates.contains(where: { pattern.isFound(in: $0.name) }) {
        throw TinctureError(
          .recipe,
          "The expression \"\(pattern.source)\" is found in no weight of a linear layer or a convolution."
        )
      }
      chosen = candidates.filter { shape in patterns.contains { $0.isFound(in: shape.name) } }
    } else if network is any BlockNetwork || network is Clip {
      chosen = candidates.filter { $0.extents.count == 2 && $0.isNumbered }
    } else {
      chosen = candidates.filter { $0.extents.count == 4 && $0.extents[2] * $0.extents[3] > 1 }
    }
    chosen.removeAll { shape in exclusions.contains { $0.isFound(in: shape.name) } }
    return chosen
  }
}

extension ParameterShape {
  /// Whether it is the weight of a linear layer or of a convolution, and no table.
  var isLayerWeight: Bool {
    (extents.count == 2 && !name.contains("embed")) || extents.count == 4
  }

  /// Whether a part of the name is a number, as in blocks.
  fileprivate var isNumbered: Bool { name.split(separator: ".").contains { Int($0) != nil } }
}
