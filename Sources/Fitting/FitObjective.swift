package import TinctureTensors
package import TinctureTorch

/// What a merged model is fitted to, without labels.
public enum FitObjective: Sendable, Hashable {
  /// The entropy of the merged model's own answers: the mean of −Σ p ln p. Source: arXiv:2310.02575.
  case entropy
  /// The expert's answers as labels: the mean of −ln p of the expert's highest class.
  ///
  /// With the filter of Model Tinting++ an example is left out when the two answers differ and the merged
  /// model is surer of its own. Source: arXiv:2412.19098.
  case expertLabels(filtered: Bool)
  /// The expert's distribution q: the mean of −Σ q ln p.
  case expertDistribution

  /// Whether answers of experts are needed.
  var needsExperts: Bool { self != .entropy }

  /// The loss of a batch, and of how many examples it is the mean.
  ///
  /// - Parameters:
  ///   - scores: z of the merged model, [N, classes].
  ///   - expert: z of the expert.
  /// - Returns: A tensor of rank zero; nil when no example is kept.
  /// - Throws: `engine` when the shapes differ.
  package func loss(
    _ scores: TorchTensor, expert: TorchTensor?
  ) throws(TinctureError) -> (loss: TorchTensor, kept: Int)? {
    let count = scores.shape[0]
    let logs = try scores.logSoftmax()
    guard let expert, needsExperts else {
      return (try (logs.exp() * logs).sum(along: 1).mean() * -1, count)
    }
    switch self {
    case .entropy: return nil
    case .expertDistribution:
      return (try (expert.softmax() * logs).sum(along: 1).mean() * -1, count)
    case .expertLabels(let filtered):
      let labels = try expert.argmax(along: 1, keepingAxes: true)
      let own = try logs.gathered(at: labels, along: 1).squeezed(at: 1)
      guard filtered else { return (try own.mean() * -1, count) }
      let kept = try Self.kept(scores.detached(), expert, labels)
      let number = Int(try kept.sum().item(as: Float.self))
      guard number > 0 else { return nil }
      return (try (own * kept).sum() * (-1 / Double(number)), number)
    }
  }

  /// One for every example that the filter keeps: equal answers, or an expert at least as sure.
  private static func kept(
    _ scores: TorchTensor, _ expert: TorchTensor, _ labels: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    let own = try scores.softmax()
    let answer = try scores.argmax(along: 1, keepingAxes: true)
    let sureness = try own.gathered(at: answer, along: 1)
    let expertSureness = try expert.softmax().gathered(at: labels, along: 1)
    let isKept = try (answer .== labels) .| (expertSureness .>= sureness)
    return try isKept.converted(to: .f32).squeezed(at: 1)
  }
}
