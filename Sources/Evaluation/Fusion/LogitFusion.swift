/// A large language model that is steered by small ones while it reads: dynamic logit fusion.
///
/// The small experts were tuned from the small base; what they say more than it is added to what the large model says.
/// Every step has a factor of its own. See ``FusedLanguageModel`` for the formula.
///
/// Source: Fan et al., arXiv:2406.15480.
public struct LogitFusion: Sendable, Hashable {
  /// The large model, of the suite's network, as a model reference.
  public var large: String
  /// The small model from which the small experts were tuned, as a model reference.
  public var small: String
  /// The small experts, as model references.
  public var experts: [String]
  /// The file or folder with the configuration of the small models; nil looks into the folder of the small
  /// model, and takes the suite's network where there is none.
  public var configuration: String?
  /// The largest factor that is tried.
  public var limit = 2.0
  /// The distance between factors that are tried.
  public var step = 0.1

  /// Names the models.
  public init(large: String, small: String, experts: [String]) {
    (self.large, self.small, self.experts) = (large, small, experts)
  }

  /// The factors that are tried, from zero.
  public var factors: [Double] {
    let count = Int((limit / step + 1e-9).rounded(.down))
    return (0...count).map { Double($0) * step }
  }
}
