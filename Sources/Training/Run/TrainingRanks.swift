internal import TinctureTensors

/// How the weights of chosen layers are held in the course of a run, as its file says it.
public struct TrainingRanks: Sendable, Hashable {
  /// Where phases begin.
  public enum Placement: Sendable, Hashable {
    /// As listed.
    case listed(RankSchedule)
    /// Around the first decay of the learning rate.
    case automatic(lowRank: LowRankSettings, deflated: LayerMode)
  }

  /// Where phases begin.
  public var placement = Placement.listed(RankSchedule(.dense))
  /// The layers that change their form.
  public var targets = RankTargets.published
  /// What becomes of the optimiser's moments at a change.
  public var momentum = MomentumRule.reset
  /// What becomes of counted normalisations at a change.
  public var statistics = StatisticsRule.copied
  /// Whether the ranks of all weights are measured after each epoch; nil measures where there is a library for it.
  public var isMeasured: Bool?

  /// Dense weights from beginning to end, whose ranks are measured.
  public init() {}

  /// The phases of a run.
  ///
  /// - Parameters:
  ///   - rates: The learning rate at the beginning of each epoch.
  ///   - decays: The epochs at which the rate falls suddenly, if any.
  /// - Returns: The schedule.
  /// - Throws: `recipe` when phases begin after the end of the run, or an automatic placement finds no decay or no
  ///   room.
  func schedule(rates: [Double], decays: [Double]) throws(TinctureError) -> RankSchedule {
    switch placement {
    case .listed(let schedule):
      try schedule.check(epochs: rates.count)
      return schedule
    case .automatic(let lowRank, let deflated):
      let first = decays.first.map { Int($0.rounded(.up)) } ?? RankSchedule.firstDecay(of: rates)
      guard let first else {
        throw TinctureError(
          .recipe,
          "The learning rate never falls to a half, so that there is nothing around which dense epochs could be"
            + " placed; name 'inflate' and 'deflate' in 'ranks', or choose another schedule.")
      }
      return try RankSchedule.automatic(
        firstDecay: first, epochs: rates.count, lowRank: lowRank, deflated: deflated)
    }
  }
}
