/// What the user chose besides the recipe.
public struct PlanSettings: Sendable, Hashable {
  /// What to do about a tensor that some models lack.
  public enum MissingTensors: String, Sendable, CaseIterable {
    /// Stop and list them.
    case error
    /// Merge the models that have it.
    case present
    /// Leave it out of the output.
    case drop
  }

  /// The most bytes of tensors in an output file.
  public var shardSize: Int
  /// What to do about a tensor that some models lack.
  public var missing: MissingTensors
  /// Whether embeddings of different length are cut to the shortest.
  public var truncatesEmbeddings: Bool
  /// What to do about NaN and infinity.
  public var nonFinite: MergeOptions.NonFinite
  /// The seed of random methods; nil takes the recipe's, or zero.
  public var seed: UInt64?
  /// Whether one model is rewritten as it is: every tensor is kept, tied ones too, and its own card
  /// instead of one about a merge.
  public var isConversion: Bool
  /// The base of banks whose experts are named, in place of the recipe's.
  public var bankBase: ModelReference?
  /// Where a learned method runs networks.
  public var machine = LearningMachine()
  /// The version of the tool, for the model card.
  public var toolVersion: String

  /// Creates settings.
  public init(
    shardSize: Int = 5_000_000_000, missing: MissingTensors = .error,
    truncatesEmbeddings: Bool = false, nonFinite: MergeOptions.NonFinite = .error,
    seed: UInt64? = nil, isConversion: Bool = false,
    toolVersion: String = ""
  ) {
    self.shardSize = shardSize
    self.missing = missing
    self.truncatesEmbeddings = truncatesEmbeddings
    self.nonFinite = nonFinite
    self.seed = seed
    self.isConversion = isConversion
    self.toolVersion = toolVersion
  }
}
