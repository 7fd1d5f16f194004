/// How adapters are combined.
///
/// Names are those of PEFT's `add_weighted_adapter` where it has the mode, except that modes on whole changes
/// begin with `delta_` where PEFT appends `_svd`; the latter are understood, too.
public enum CombinationMode: String, Sendable, Hashable, CaseIterable {
  /// The weighted sum of the changes, exactly: factors below and beside each other.
  case cat
  /// The weighted sum of the changes, cut to a rank.
  case svd
  /// The factors A and B each summed with the square roots of the weights.
  case linear
  /// TIES on the factors A and B, each for itself.
  case ties
  /// Random pruning and a sum of the factors A and B, each for itself.
  case dareLinear = "dare_linear"
  /// Random pruning and TIES' election on the factors A and B, each for itself.
  case dareTies = "dare_ties"
  /// The largest elements of the factors A and B, each for itself, summed.
  case magnitudePrune = "magnitude_prune"
  /// TIES on the changes, cut to a rank.
  case deltaTies = "delta_ties"
  /// Random pruning and a sum of the changes, cut to a rank.
  case deltaDareLinear = "delta_dare_linear"
  /// Random pruning and TIES' election on the changes, cut to a rank.
  case deltaDareTies = "delta_dare_ties"
  /// The largest elements of the changes, summed and cut to a rank.
  case deltaMagnitudePrune = "delta_magnitude_prune"
  /// Clusters of pairs of a row of A and a column of B.
  case lego
  /// A rule on coordinates of the common left singular directions.
  case knots
  /// A rule on the cores between common bases of both sides.
  case core

  /// The mode of a name, PEFT's included.
  ///
  /// - Parameter name: The name.
  public init?(named name: String) {
    if let mode = CombinationMode(rawValue: name) {
      self = mode
    } else if name.hasSuffix("_svd"), let mode = Self(rawValue: "delta_" + name.dropLast(4)) {
      self = mode
    } else {
      return nil
    }
  }

  /// What the mode does to elements, where it has a rule of its own.
  public var elementRule: ElementRule? {
    switch self {
    case .linear: .sum
    case .ties, .deltaTies: .ties
    case .dareLinear, .deltaDareLinear: .dareLinear
    case .dareTies, .deltaDareTies: .dareTies
    case .magnitudePrune, .deltaMagnitudePrune: .magnitudePrune
    case .cat, .svd, .lego, .knots, .core: nil
    }
  }

  /// Whether the rule acts on the factors.
  var actsOnFactors: Bool {
    switch self {
    case .linear, .ties, .dareLinear, .dareTies, .magnitudePrune: true
    default: false
    }
  }

  /// Whether the rank of the result can be chosen.
  public var hasRank: Bool { self != .cat && !actsOnFactors }
}

/// A rule for merging elements that stand at the same place.
public enum ElementRule: String, Sendable, Hashable, CaseIterable {
  /// The weighted sum.
  case sum
  /// The largest elements, an election of signs, the mean of those that agree.
  case ties
  /// Random pruning with rescaling, then the weighted sum.
  case dareLinear = "dare_linear"
  /// Random pruning with rescaling, an election of signs, the mean of those that agree.
  case dareTies = "dare_ties"
  /// The largest elements, then the weighted sum.
  case magnitudePrune = "magnitude_prune"

  /// Which elements stay.
  enum Pruning { case none, magnitude, random }

  var pruning: Pruning {
    switch self {
    case .sum: .none
    case .ties, .magnitudePrune: .magnitude
    case .dareLinear, .dareTies: .random
    }
  }

  /// Whether the rule has a density.
  public var prunes: Bool { pruning != .none }
  /// Whether the rule elects signs.
  public var elects: Bool { self == .ties || self == .dareTies }
  /// Whether random numbers decide.
  public var isRandom: Bool { pruning == .random }
}

/// How the sign that counts is found.
public enum MajoritySign: String, Sendable, Hashable, CaseIterable {
  /// The sign of the sum of the elements.
  case total
  /// The sign that more elements have.
  case frequency
}

/// What can be set about a combination besides its mode.
public struct CombinationOptions: Sendable, Hashable {
  /// The share of elements that stays, for rules that prune.
  public var density: Double
  /// How the sign that counts is found.
  public var majoritySign: MajoritySign
  /// The rank of the result, for modes that cut; nil takes the largest of the inputs, or all there is.
  public var rank: Int?
  /// The rule of `knots` and `core`.
  public var inner: ElementRule
  /// The seed of random rules.
  public var seed: UInt64

  /// Creates options.
  ///
  /// - Parameters:
  ///   - density: The share of elements that stays.
  ///   - majoritySign: How the sign that counts is found.
  ///   - rank: The rank of the result.
  ///   - inner: The rule of `knots` and `core`.
  ///   - seed: The seed of random rules.
  public init(
    density: Double = 1, majoritySign: MajoritySign = .total, rank: Int? = nil,
    inner: ElementRule = .ties, seed: UInt64 = 0
  ) {
    self.density = density
    self.majoritySign = majoritySign
    self.rank = rank
    self.inner = inner
    self.seed = seed
  }
}
