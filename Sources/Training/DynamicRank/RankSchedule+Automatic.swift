public import TinctureTensors

extension RankSchedule {
  /// The window of dense training around the first decay of the learning rate.
  ///
  /// Inflation at ⌈0.55 e⌉ and deflation at min(E, ⌈1.2 e⌉) for a first decay at epoch e of E: 55 and 120 for e = 100,
  /// as published. Dense epochs then lie on both sides of the change from noisy to quiet steps.
  ///
  /// - Parameters:
  ///   - firstDecay: The epoch at which the learning rate first decays.
  ///   - epochs: The epochs of the run.
  ///   - lowRank: The mode before the window.
  ///   - deflated: The mode after the window.
  /// - Returns: Three phases, or two where the window lasts until the end.
  /// - Throws: `recipe` when there is no room for the window.
  public static func automatic(
    firstDecay: Int, epochs: Int, lowRank: LowRankSettings = LowRankSettings(),
    deflated: LayerMode = .adaptor(AdaptorSettings())
  ) throws(TinctureError) -> RankSchedule {
    guard firstDecay >= 1, firstDecay <= 1 << 40 else {
      throw TinctureError(
        .recipe,
        "Ranks are placed around the first decay of the learning rate, which must be at epoch 1 or later; it is"
          + " \(firstDecay).")
    }
    // In whole numbers, for 0.55 · 100 is a little more than 55 in floating point.
    let inflate = (11 * firstDecay + 19) / 20
    let deflate = (6 * firstDecay + 4) / 5
    guard inflate < epochs else {
      throw TinctureError(
        .recipe,
        "With a first decay at epoch \(firstDecay) dense training would begin at epoch \(inflate), but the run ends"
          + " after \(epochs) epochs.")
    }
    return try RankSchedule(
      windows: [(inflate, deflate < epochs ? deflate : nil)], lowRank: lowRank, deflated: deflated)
  }

  /// The first epoch at which a learning rate is at most half of its peak so far.
  ///
  /// - Parameter rates: The learning rate of each epoch, warm-up included.
  /// - Returns: The epoch, or nil when the rate never falls so far. For steps it is the first step, for a cosine the
  ///   middle of the fall.
  public static func firstDecay(of rates: [Double]) -> Int? {
    var peak = 0.0
    for (epoch, rate) in rates.enumerated() {
      peak = max(peak, rate)
      if rate <= peak / 2, peak > 0 { return epoch }
    }
    return nil
  }
}
