/// What was measured of a model on examples, besides its weights.
public enum StatisticsKind: String, Sendable, Hashable, CaseIterable {
  /// The diagonal of the Fisher information: for each element of a tensor the mean of the squared
  /// derivative of the log-likelihood. Shape: that of the tensor.
  case fisher
  /// What enters the layers. Of a linear layer Xᵀ X / N over the N rows of its inputs, [in, in], under the
  /// name of its weight; of a convolution the same over the patches it sees; of the factors of a
  /// normalisation the mean of x̂², [width], with x̂ the input after it was shifted and scaled. Of a linear
  /// layer also the mean of the rows, [in], under the weight's name and ``meanEnd``.
  case gram
  /// Gram matrices of the inputs of linear layers as they are behind layers that were merged already: what
  /// RegMean++ needs. Those of all models of a merge are collected together.
  case mergedGram = "merged_gram"

  /// The second moments of an optimiser of the family of Adam, `exp_avg_sq`: for each element of a tensor the
  /// running mean of its squared derivative at the end of training. Shape: that of the tensor.
  case secondMoment = "second_moment"

  /// Whether there is one number for each element of the tensor.
  public var isElementwise: Bool { self == .fisher || self == .secondMoment }

  /// What follows the name of a weight in the name of the mean of its inputs.
  public static let meanEnd = ".mean"
  /// The key of a file's metadata under which the kind stands.
  public static let metadataKey = "tincture.statistics"
  /// The key of a file's metadata under which the weights are listed, one a line, that are stored
  /// [in, out].
  public static let inputMajorKey = "tincture.input_major"

  /// The name in sentences.
  public var title: String {
    switch self {
    case .fisher: "Fisher information"
    case .gram, .mergedGram: "Gram matrix"
    case .secondMoment: "second moments"
    }
  }

  /// The name of many in sentences.
  public var plural: String {
    switch self {
    case .fisher: "Fisher information"
    case .gram: "Gram matrices"
    case .mergedGram: "Gram matrices behind merged layers"
    case .secondMoment: "optimisers' second moments"
    }
  }

  /// What is measured on examples: these statistics, or what stands in for them where they are saved while
  /// training.
  public var measured: StatisticsKind { self == .secondMoment ? .fisher : self }

  /// The command that collects them, or what stands in for them.
  public var command: String { "tincture stats " + measured.rawValue.replacing("_", with: "-") }

  /// How to get them, as a sentence begins.
  public var advice: String {
    measured == self
      ? "Collect them with `\(command)`"
      : "Save the optimiser's state (exp_avg_sq) with each model, or collect the \(measured.plural) in"
        + " its place with `\(command)`,"
  }
}
