package import TinctureTensors
package import TinctureTorch

/// What a merged model is fitted to.
public enum FitObjective: Sendable, Hashable {
  /// Which examples take part where the labels are an expert's answers.
  public enum Filter: Sendable, Hashable {
    /// All.
    case none
    /// Those that both answer alike, and those of which the expert is at least as sure (Model Tinting++).
    case confidence
    /// The share of the batch of which the expert is surest.
    case top(Double)
  }

  /// The entropy of the merged model's own answers: the mean of −Σ p ln p. Source: arXiv:2310.02575.
  case entropy
  /// The expert's answers as labels: the mean of −ln p of the expert's class. Source: arXiv:2412.19098.
  case expertLabels(Filter)
  /// The expert's distribution q at a temperature T: T² times the mean of −Σ q ln p, with both at T.
  case expertDistribution(temperature: Double)
  /// What is true: the mean of −ln p of the label.
  case labels
  /// The merged model's own answers as labels, of the examples of which it is at least so sure: the mean of
  /// −ln p of its class.
  case ownLabels(sureness: Double)

  /// Whether answers of experts are needed.
  package var needsExperts: Bool {
    switch self {
    case .entropy, .labels, .ownLabels: false
    case .expertLabels, .expertDistribution: true
    }
  }

  /// Whether it must be known what is true.
  package var needsLabels: Bool { self == .labels }

  /// What a batch is compared with.
  package struct Targets {
    /// z of the expert, [N, classes].
    package var expert: TorchTensor?
    /// The labels.
    package var labels: [Int]?

    /// Describes what is known.
    package init(expert: TorchTensor? = nil, labels: [Int]? = nil) {
      self.expert = expert
      self.labels = labels
    }
  }

  /// The loss of a batch, and of how many examples it is the mean.
  ///
  /// - Parameters:
  ///   - scores: z of the merged model, [N, classes].
  ///   - targets: What the scores are compared with.
  /// - Returns: A tensor of rank zero; nil when no example takes part.
  /// - Throws: `engine` when the shapes differ.
  package func loss(
    _ scores: TorchTensor, _ targets: Targets
  ) throws(TinctureError) -> (loss: TorchTensor, kept: Int)? {
    let count = scores.shape[0]
    func missing(_ what: String) -> TinctureError {
      TinctureError(.internalError, "A loss lacks \(what).")
    }
    switch self {
    case .entropy:
      let logs = try scores.logSoftmax()
      return (try (logs.exp() * logs).sum(along: 1).mean() * -1, count)
    case .labels:
      guard let labels = targets.labels else { throw missing("labels") }
      let places = try TorchTensor(labels, on: scores.device).unsqueezed(at: 1)
      return (try scores.logSoftmax().gathered(at: places, along: 1).mean() * -1, count)
    case .ownLabels(let sureness):
      let logs = try scores.logSoftmax()
      let labels = try scores.detached().argmax(along: 1, keepingAxes: true)
      let own = try logs.gathered(at: labels, along: 1).squeezed(at: 1)
      let kept = try (own.detached().exp() .>= sureness).converted(to: .f32)
      let number = Int(try kept.sum().item(as: Float.self))
      guard number > 0 else { return nil }
      return (try (own * kept).sum() * (-1 / Double(number)), number)
    case .expertDistribution(let temperature):
      guard let expert = targets.expert else { throw missing("an expert's scores") }
      let logs = try (scores / temperature).logSoftmax()
      let sum = try ((expert / temperature).softmax() * logs).sum(along: 1)
      return (try sum.mean() * (-temperature * temperature), count)
    case .expertLabels(let filter):
      guard let expert = targets.expert else { throw missing("an expert's scores") }
      let labels = try expert.argmax(along: 1, keepingAxes: true)
      let own = try scores.logSoftmax().gathered(at: labels, along: 1).squeezed(at: 1)
      guard let kept = try Self.kept(filter, scores.detached(), expert, labels) else {
        return (try own.mean() * -1, count)
      }
      let number = Int(try kept.sum().item(as: Float.self))
      guard number > 0 else { return nil }
      return (try (own * kept).sum() * (-1 / Double(number)), number)
    }
  }

  /// One for every example that takes part, zero for the others; nil for all.
  private static func kept(
    _ filter: Filter, _ scores: TorchTensor, _ expert: TorchTensor, _ labels: TorchTensor
  ) throws(TinctureError) -> TorchTensor? {
    let expertSureness = try expert.softmax().gathered(at: labels, along: 1)
    switch filter {
    case .none: return nil
    case .confidence:
      let answer = try scores.argmax(along: 1, keepingAxes: true)
      let sureness = try scores.softmax().gathered(at: answer, along: 1)
      let isKept = try (answer .== labels) .| (expertSureness .>= sureness)
      return try isKept.converted(to: .f32).squeezed(at: 1)
    case .top(let share):
      let values = try expertSureness.array(as: Float.self)
      let number = min(values.count, Int((share * Double(values.count)).rounded(.up)))
      let order = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
      var mask = [Float](repeating: 0, count: values.count)
      for index in order.prefix(number) { mask[index] = 1 }
      return try TorchTensor(mask, on: scores.device)
    }
  }
}
