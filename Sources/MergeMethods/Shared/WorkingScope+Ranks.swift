internal import TinctureMerging
internal import TinctureTensors

extension WorkingScope {
  /// Whether order statistics are worth a sample that mostly saves a pass or two.
  func samples(ranks: Int, series: Int) -> Bool {
    elementCount >= 1 << 20 && elementCount < 1 << 32
      && RankSearch.memory(ranks: ranks, sampling: true) * series <= share / 2
  }

  /// The memory of the searches for some ranks in each of some series.
  func rankSearchBytes(ranks: Int, series: Int) -> Int {
    RankSearch.memory(ranks: ranks, sampling: samples(ranks: ranks, series: series)) * series
  }
}
