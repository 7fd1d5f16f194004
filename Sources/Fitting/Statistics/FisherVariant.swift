/// How the diagonal of the Fisher information is estimated.
public enum FisherVariant: Sendable, Hashable {
  /// Its definition: the mean over examples of Σ_c p_c (∂ log p_c)², with a backward pass for each class.
  case exact
  /// The same with labels drawn from p, so many for each example.
  case sampled(draws: Int)
  /// FusionBench's recipe: the squared derivative of Σ √p_c log p_c over a batch, with √p_c held fixed, summed
  /// over batches and divided by the number of examples. It squares a sum, so that it depends on the size of
  /// batches.
  case batch
  /// Of a language model, the mean over texts of the squared derivative of their log-likelihood.
  case texts

  /// The name in files and options.
  public var name: String {
    switch self {
    case .exact: "exact"
    case .sampled: "sampled"
    case .batch: "batch"
    case .texts: "texts"
    }
  }
}
