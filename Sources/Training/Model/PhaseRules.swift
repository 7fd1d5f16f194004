/// What becomes of an optimiser's moments when layers change their form.
public enum MomentumRule: String, Sendable, Hashable, CaseIterable {
  /// All begin anew, also those of layers that do not change: the published rule.
  case reset
  /// They go on: moments of factors become those of the weight, M_W = M_up · down + up · M_down.
  case carry
}

/// What becomes of the means and variances that normalisations have counted when layers change their form.
public enum StatisticsRule: String, Sendable, Hashable, CaseIterable {
  /// They stay: the published rule.
  case copied
  /// They begin anew, means at 0 and variances at 1.
  case restarted
}
