public import TinctureJSON
public import TinctureTensors
public import TinctureTorch

/// A network from texts to directions, so that texts of like meaning are near each other: MiniLM.
///
/// The states of a text's tokens are averaged, padding left out, and the mean is divided by its length.
///
/// Sources: Reimers and Gurevych, arXiv:1908.10084; Wang et al., arXiv:2002.10957.
public struct SentenceEncoder: TextEncoder, Hashable {
  /// What stands for a text.
  public enum Pooling: String, Sendable, Hashable, CaseIterable {
    /// The mean of its tokens' states.
    case mean
    /// The state of its first token.
    case token
  }

  /// The network before the mean.
  public var encoder: Bert
  /// What stands for a text.
  public var pooling = Pooling.mean
  /// Whether features have length one.
  public var normalizes = true

  /// Puts a mean behind a network, whose pooler is not needed.
  public init(_ encoder: Bert) {
    self.encoder = encoder
    self.encoder.hasPooler = false
  }

  /// Reads a configuration of transformers.
  ///
  /// - Parameters:
  ///   - configuration: The contents of `config.json`.
  ///   - pooling: The contents of `1_Pooling/config.json` of sentence-transformers; nil is the mean.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(
    configuration: JSONValue, pooling: JSONValue? = nil
  ) throws(TinctureError) {
    self.init(try Bert(configuration: configuration))
    guard let pooling else { return }
    let settings = try ConfigurationReader(pooling)
    var modes: [String] = []
    for key in settings.keys where key.hasPrefix("pooling_mode_") {
      if try settings.flag(key) { modes.append(key) }
    }
    if settings.value("pooling_mode") != nil {
      modes.append("pooling_mode_" + (try settings.text("pooling_mode")))
    }
    switch modes {
    case ["pooling_mode_mean_tokens"], ["pooling_mode_mean"]: self.pooling = .mean
    case ["pooling_mode_cls_token"], ["pooling_mode_cls"]: self.pooling = .token
    default:
      throw TinctureError(
        .checkpoint,
        "The pooling \(modes.isEmpty ? "is not set" : modes.joined(separator: ", ")); supported is one of"
          + " pooling_mode_mean_tokens and pooling_mode_cls_token.")
    }
  }

  /// The numbers in a feature.
  public var featureWidth: Int { encoder.width }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] { encoder.parameterShapes }

  /// The directions of texts.
  public func features(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let states = try encoder.states(of: batch, parameters)
    var pooled: TorchTensor
    if pooling == .token {
      pooled = try states.select(0, along: 1)
    } else if let mask = batch.mask {
      let weights = try mask.converted(to: states.dtype ?? .f32).unsqueezed(at: -1)
      pooled = try (states * weights).sum(along: 1) / weights.sum(along: 1).clamped(min: 1e-9)
    } else {
      pooled = try states.mean(along: 1)
    }
    return normalizes ? try pooled.normalized() : pooled
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> SentenceEncoder {
    var network = self
    network.encoder = try encoder.fitted(to: shapes)
    return network
  }
}
