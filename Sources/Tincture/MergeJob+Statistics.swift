internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureFitting
internal import TinctureMerging
internal import TinctureTensors

/// The statistics of a merge that are measured while it runs, beside the output until it is done.
struct MeasuredStatistics {
  private let folder: FilePath

  /// Finds the place beside an output.
  init(of output: FilePath) {
    let name = output.lastComponent?.string ?? "output"
    folder = output.removingLastComponent().appending(".\(name).tincture-statistics")
  }

  /// The recipe with statistics, measured where it asks for that.
  ///
  /// - Parameters:
  ///   - planner: The recipe with its opened models.
  ///   - interruption: Stops the work when raised.
  ///   - observer: Hears of the progress.
  /// - Returns: The recipe with files, or nil when nothing is to be measured.
  /// - Throws: What measuring throws.
  func measure(
    _ planner: Planner, _ interruption: Interruption, _ observer: (@Sendable (MergeEvent) -> Void)?
  ) throws(TinctureError) -> Recipe? {
    guard let measurement = MergeMeasurement(planner) else { return nil }
    // What is wrong with the merge is said before models are measured.
    var checked = planner
    _ = try checked.plan()
    return try measurement.run(into: folder, interruption) { count, total in
      observer?(.measured(examples: count, of: total))
    }
  }

  /// Removes the statistics; without effect when there are none.
  func remove() { Directories.remove(folder) }
}
