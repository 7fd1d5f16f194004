public import TinctureMerging

/// All steps that recipes can put before and after methods, one line each.
public enum FilterRegistry {
  /// The steps in the order in which they are listed.
  public static let all = FilterCatalog(
    preprocess: [
      SparsifyingFilter.dare,
      SparsifyingFilter.trim,
      SparsifyingFilter.ties,
      SparsifyingFilter.della,
      SparsifyingFilter.breadcrumbs,
      SignElectionFilter(),
      NormFilter(),
      DisentanglingFilter(),
      TaskLinesFilter(),
    ],
    postprocess: [
      LinesFilter(),
      SvcFilter(),
      ScaleFilter(),
    ])
}
