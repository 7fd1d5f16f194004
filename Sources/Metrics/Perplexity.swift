#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif
public import TinctureTensors

/// How many tokens a language model hesitates between, on average.
///
/// perplexity = exp((1/n) Σ −ln p(token)), over all tokens of all texts: long texts weigh more than
/// short ones. Undefined (nil) without tokens, infinite when the mean overflows.
///
/// Memory is constant.
public struct Perplexity: Metric {
  /// The sum of −ln p.
  public private(set) var negativeLogLikelihood = 0.0
  /// The number of tokens.
  public private(set) var tokenCount = 0

  /// Starts a count.
  public init() {}

  /// Name, formula, direction, unit and the output that is needed.
  public var info: MetricInfo {
    MetricInfo(
      "perplexity", title: "Perplexity", formula: "exp((1/n) Σ −ln p(token))", direction: .lower,
      unit: .ratio, needs: .likelihood)
  }

  /// The figure so far, or nil where it is undefined.
  public var value: Double? {
    tokenCount == 0 ? nil : exp(negativeLogLikelihood / Double(tokenCount))
  }

  /// Takes a batch into account.
  ///
  /// - Parameter batch: Outputs of the kind that `info` names.
  /// - Throws: `data` when the batch is of another kind or does not fit itself; nothing is counted then.
  public mutating func add(_ batch: Observations) throws(TinctureError) {
    guard case .likelihood(let sum, let tokens) = batch else { throw batch.mismatch(info) }
    guard tokens >= 0 else {
      throw TinctureError(.data, "A text cannot have \(tokens) tokens.")
    }
    negativeLogLikelihood += sum
    tokenCount += tokens
  }
}
