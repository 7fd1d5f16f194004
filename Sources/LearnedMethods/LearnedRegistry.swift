public import TinctureMerging

/// The methods that learn from examples, one line each.
public enum LearnedRegistry {
  /// The methods in the order in which they are listed.
  public static let all: [any MergeMethod] = [
    Tinting.plain,
    Tinting.plus,
    AdaMerging(),
    SuperMerge(),
    Atlas(),
    ExpertMerging(),
    SelfPositioning(),
    FrankWolfe(),
    SoftFrankWolfe(),
    ParetoMap(),
    Surgery.features,
    Surgery.blocks,
    Concrete(),
    AdaRank(),
    TwinMerging(),
    WeMoe(),
  ]
}
