import SystemPackage
import Tincture

/// The base and the experts of a suite, opened.
struct SuiteExperts {
  /// The base, when the suite names one.
  let base: ModelInput?
  /// The expert of each task, in the order of the tasks.
  let experts: [ModelInput]
  /// The models as a recipe anywhere on this machine names them.
  let paths: (base: String?, experts: [String])

  /// Opens every task's expert.
  ///
  /// - Throws: `recipe` when the suite does not name them all, and what is wrong with them.
  init(_ suite: EvaluationSuite) throws(TinctureError) {
    func place(_ path: String) -> String {
      let beside = suite.folder.pushing(FilePath(path)).string
      return ModelReference.isOnDisk(path) || !ModelReference.isOnDisk(beside) ? path : beside
    }
    func open(_ word: String, base: ModelInput?) throws(TinctureError) -> (ModelInput, String) {
      var reference = try ModelReference(parsing: word) { ModelReference.isOnDisk(place($0)) }
      let path = place(reference.path)
      if ModelReference.isOnDisk(path) {
        reference.path = FilePath(path).absolute.string
      }
      let input = try ModelInput(
        opening: reference, locator: ModelLocator(), folder: suite.folder, base: base)
      return (input, reference.description)
    }
    let opened = try suite.base.map { (word) throws(TinctureError) in try open(word, base: nil) }
    var experts: [(ModelInput, String)] = []
    for task in suite.tasks {
      guard let expert = task.expert else {
        throw TinctureError(
          .recipe, "The task '\(task.name)' names no 'expert'.",
          at: .init(file: suite.file.string))
      }
      experts.append(try open(expert, base: opened?.0))
    }
    base = opened?.0
    self.experts = experts.map(\.0)
    paths = (opened?.1, experts.map(\.1))
  }
}
