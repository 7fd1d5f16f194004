internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A language model whose scores are those of a large model, shifted by what a small expert says more than its base.
///
/// With the scores ℓ of the large model, ℓₛ of the small base and ℓₜ of the small experts, P = softmax(ℓ),
/// Q = softmax(ℓₛ) and Qₜ = softmax(ℓₜ), each step has P̃ = softmax(ℓ + α (ℓₑ − ℓₛ)) with the expert e and the α of a
/// grid that make Σₜ (KL(P̃‖P) − KL(Qₜ‖Q))² + (KL(P‖P̃) − KL(Q‖Qₜ))² least; of equals the first expert and the least α.
/// So P̃ is as far from P as the experts are from their base. With several experts one acts in each step.
///
/// Its states are those of all models side by side. Source: Fan et al., arXiv:2406.15480.
struct FusedLanguageModel: LanguageModel, CustomStringConvertible {
  /// A model with its parameters.
  struct Member: Sendable {
    let network: any LanguageModel
    let parameters: Parameters
    let digest: String
  }

  let large: any LanguageModel
  let small: Member
  let experts: [Member]
  let factors: [Double]

  var description: String {
    let digests = ([small] + experts).map(\.digest).joined(separator: " ")
    return "fused \(large) \(small.network) \(digests) \(factors)"
  }

  /// The parameters of the large model.
  var parameterShapes: [ParameterShape] { large.parameterShapes }
  var vocabularySize: Int { large.vocabularySize }
  var width: Int { ([small] + experts).reduce(large.width) { $0 + $1.network.width } }

  /// The states of all models side by side.
  func states(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    var states = [try large.states(of: batch, parameters)]
    for member in [small] + experts {
      states.append(try member.network.states(of: batch, member.parameters))
    }
    return try TorchTensor.concatenated(states, along: -1)
  }

  /// The logarithms of P̃.
  func scores(
    of states: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let members = [small] + experts
    let shape = Array(states.shape.dropLast())
    let rows = try states.flattened(from: 0, to: -2)
    let widths = [large.width] + members.map(\.network.width)
    // As many steps together as have scores of 16 MiB in each model.
    let together = max(1, (1 << 22) / max(1, vocabularySize))
    var parts: [TorchTensor] = []
    for start in stride(from: 0, to: rows.shape[0], by: together) {
      let range = start..<min(start + together, rows.shape[0])
      let own = try rows.slice(range, along: 0).split(widths, along: 1)
      let base = try large.scores(of: own[0], parameters).converted(to: .f32).logSoftmax()
      var others: [TorchTensor] = []
      for (member, states) in zip(members, own.dropFirst()) {
        let scores = try member.network.scores(of: states, member.parameters)
        others.append(try scores.converted(to: .f32).logSoftmax())
      }
      parts.append(try Self.fused(base, others[0], Array(others.dropFirst()), factors))
    }
    return try TorchTensor.concatenated(parts, along: 0).reshaped(shape + [vocabularySize])
  }

  /// The logarithms of P̃ of some steps.
  ///
  /// - Parameters:
  ///   - large: ln P, [steps, vocabulary].
  ///   - small: ln Q.
  ///   - experts: ln Qₜ.
  ///   - factors: The α that are tried.
  /// - Returns: ln P̃.
  /// - Throws: `engine` when memory runs out.
  static func fused(
    _ large: TorchTensor, _ small: TorchTensor, _ experts: [TorchTensor], _ factors: [Double]
  ) throws(TinctureError) -> TorchTensor {
    var away: [TorchTensor] = []
    var back: [TorchTensor] = []
    for expert in experts {
      away.append(try divergence(of: expert, from: small))
      back.append(try divergence(of: small, from: expert))
    }
    var best: (objective: TorchTensor, scores: TorchTensor)?
    for expert in experts {
      let shift = try expert - small
      for factor in factors {
        let scores = try (large + shift * factor).logSoftmax()
        let (ahead, behind) = (
          try divergence(of: scores, from: large), try divergence(of: large, from: scores)
        )
        var objective = try TorchTensor.zeros(ahead.shape, on: ahead.device)
        for (target, other) in zip(away, back) {
          objective = try objective + (ahead - target).square() + (behind - other).square()
        }
        guard let found = best else {
          best = (objective, scores)
          continue
        }
        let isBetter = try objective .< found.objective
        best = (
          try found.objective.replacing(where: isBetter, with: objective),
          try found.scores.replacing(where: isBetter.unsqueezed(at: 1), with: scores)
        )
      }
    }
    return best?.scores ?? large
  }

  /// KL(a‖b) of each row, from logarithms.
  private static func divergence(
    of a: TorchTensor, from b: TorchTensor
  ) throws(TinctureError) -> TorchTensor {
    try (a.exp() * (a - b)).sum(along: 1)
  }
}
