internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureFitting
internal import TinctureTensors

/// What was measured to choose the values of a parameter, beside the output until the merge is done.
struct ValidationScores {
  private let folder: FilePath
  private var snapshot = FitSnapshot()

  /// Finds the place beside an output.
  init(of output: FilePath) {
    let name = output.lastComponent?.string ?? "output"
    folder = output.removingLastComponent().appending(".\(name).tincture-validation")
  }

  /// Where merges with the values that are tried go, one after the other.
  var candidate: FilePath { folder.appending("candidate") }

  private var file: FilePath { folder.appending("scores.safetensors") }

  private static func name(_ candidate: Double) -> String { "scores of \(candidate)" }

  /// Begins, with what an interrupted run of the same merge left where that is wanted.
  ///
  /// - Parameters:
  ///   - identity: What must be equal for earlier figures to be of use.
  ///   - resumes: Whether they are.
  mutating func begin(_ identity: String, resumes: Bool) {
    snapshot = FitSnapshot()
    if resumes, let found = FitSnapshot.found(at: file, identity) {
      snapshot = found
      Directories.remove(candidate)
    } else {
      remove()
    }
    snapshot.identity = identity
  }

  /// The figures of the models with a value, when they are known.
  func known(_ candidate: Double, models: Int) -> [Double]? {
    try? snapshot.doubles(Self.name(candidate), count: models)
  }

  /// Keeps the figures of the models with a value.
  ///
  /// - Throws: `io` when writing fails.
  mutating func keep(_ scores: [Double], of candidate: Double) throws(TinctureError) {
    snapshot.set(Self.name(candidate), scores)
    try snapshot.write(to: file)
    Directories.remove(self.candidate)
  }

  /// Removes everything; without effect when there is nothing.
  func remove() { Directories.remove(folder) }
}
