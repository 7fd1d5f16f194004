internal import SystemPackage
internal import TinctureNetworks
internal import TinctureTensors

extension ModelParameters {
  /// The model as one that steers another.
  ///
  /// - Throws: `checkpoint` when it is no language model.
  func member(_ name: String) throws(TinctureError) -> FusedLanguageModel.Member {
    guard let network = network as? any LanguageModel else {
      throw TinctureError(
        .checkpoint, "Only language models are fused by their scores.", at: .init(model: name))
    }
    return FusedLanguageModel.Member(network: network, parameters: parameters, digest: digest)
  }

  /// The model steered by others.
  ///
  /// - Parameters:
  ///   - members: The small base and its experts.
  ///   - factors: The factors that are tried.
  ///   - suite: The suite, for messages.
  /// - Returns: The model with a network that fuses scores.
  /// - Throws: `recipe` when the suite's network is no language model, `checkpoint` when vocabularies differ.
  func steered(
    by members: [FusedLanguageModel.Member], _ factors: [Double], _ suite: FilePath
  ) throws(TinctureError) -> ModelParameters {
    guard let large = network as? any LanguageModel, let small = members.first else {
      throw TinctureError(
        .recipe, "A 'fusion' needs a suite whose network is a language model.",
        at: .init(file: suite.string))
    }
    guard small.network.vocabularySize == large.vocabularySize else {
      throw TinctureError(
        .checkpoint,
        "The small models of the fusion know \(small.network.vocabularySize) tokens, the large one"
          + " \(large.vocabularySize); all must have one vocabulary.", at: .init(file: suite.string)
      )
    }
    var steered = self
    steered.network = FusedLanguageModel(
      large: large, small: small, experts: Array(members.dropFirst()), factors: factors)
    return steered
  }
}
