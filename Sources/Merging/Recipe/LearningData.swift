/// What a learned method learns from: the section `data` of a recipe.
///
/// The suite names the network, the tasks with their examples, and heads. Which model is the expert of which
/// task follows from the suite, or from `tasks`.
public struct LearningData: Sendable, Hashable {
  /// The suite's file, as written.
  public var suite: Located<String>
  /// The tasks in the order of the recipe's models; nil lets the suite decide.
  public var tasks: Located<[String]>?
  /// The file that holds the examples of all tasks, in place of the suite's.
  public var file: Located<String>?
  /// The most examples of a task that are used.
  public var limit: Located<Int>?
  /// Where the section stands.
  public var position: SourcePosition
  /// The recipe's text.
  public var source: RecipeSource

  /// Names a suite.
  public init(suite: Located<String>, position: SourcePosition, source: RecipeSource) {
    self.suite = suite
    self.position = position
    self.source = source
  }
}

/// Where and how networks run while a merge is learned.
public struct LearningMachine: Sendable, Hashable {
  /// The device, as the command line names it: `cpu`, `cuda:0`, `mps`.
  public var device = "cpu"
  /// Whether matrices are multiplied in bf16.
  public var usesHalfPrecision = false

  /// The processor, in single precision.
  public init() {}
}
