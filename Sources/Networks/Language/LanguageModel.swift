public import TinctureTensors
public import TinctureTorch

/// A network that scores each next token of a text.
public protocol LanguageModel: Network {
  /// The tokens of the vocabulary.
  var vocabularySize: Int { get }
  /// The numbers in a state.
  var width: Int { get }

  /// The states of all tokens after the last normalisation.
  ///
  /// - Parameters:
  ///   - batch: The texts, padded on either side.
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: The states [N, tokens, width]; those of padding mean nothing.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func states(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor

  /// The scores of the token after each state, before a softmax.
  ///
  /// - Parameters:
  ///   - states: Some or all states [.., width].
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: The scores [.., ``vocabularySize``].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func scores(
    of states: TorchTensor, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor
}

extension LanguageModel {
  /// The scores of the token after each token, before a softmax.
  ///
  /// - Parameters:
  ///   - batch: The texts, padded on either side.
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: The scores [N, tokens, ``vocabularySize``]; those after padding mean nothing.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  public func logits(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    try scores(of: states(of: batch, parameters), parameters)
  }

  /// The mean of −log p(token | tokens before it) over the texts, whose exponential is the perplexity.
  ///
  /// - Parameters:
  ///   - batch: The texts; padding and the first token of each text do not count.
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: A tensor of rank zero; NaN when no token counts.
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  public func loss(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let count = batch.ids.shape[1]
    let states = try states(of: batch, parameters)
    let scores = try scores(of: states.slice(0..<max(0, count - 1), along: 1), parameters)
    var targets = try batch.ids.slice(1..<count, along: 1)
    if let mask = batch.mask {
      // A token counts when it and the one before it belong to the text.
      let counted = try mask.slice(1..<count, along: 1) .& mask.slice(0..<count - 1, along: 1)
      let ignored = try TorchTensor(-100, on: targets.device)
      targets = try targets.replacing(where: .!counted, with: ignored)
    }
    return try scores.flattened(from: 0, to: 1).crossEntropy(targets.flattened(), ignoring: -100)
  }
}
