public import TinctureTensors

/// What the user asked for, with the place of every choice.
///
/// A recipe is checked as far as its text allows. Whether the method exists, which parameters it
/// has and what the models hold is checked when the merge is planned.
public struct Recipe: Sendable, Hashable {
  /// The name under which other recipes of the same file may use the result.
  public var name: Located<String>?
  /// The method, as it was written.
  public var method: Located<String>
  /// A named set of parameters of the method.
  public var preset: Located<String>?
  /// The model from which the others are taken to be tuned.
  public var base: ModelEntry?
  /// What is merged.
  public var inputs: RecipeInputs
  /// The parameters that hold for the whole recipe.
  public var parameters: ParameterTable
  /// What is done to task vectors before the method, in order.
  public var preprocess: [FilterEntry] = []
  /// What is done to the merged task vector after the method, in order.
  public var postprocess: [FilterEntry] = []
  /// The type of the arithmetic: inputs are rounded to it first.
  public var dtype: Located<DType>?
  /// The type that is written.
  public var outputDtype: Located<DType>?
  /// How the vocabulary is made; nil for the usual choice.
  public var tokenizer: TokenizerRecipe?
  /// A chat template: `auto`, the name of a known template, or the template itself.
  public var chatTemplate: Located<String>?
  /// A file with the statistics of all models; nil when each has its own or none is needed.
  public var statistics: Located<String>?
  /// Tensors that are not merged, in the order in which the rules were written.
  public var keep: [KeepRule]
  /// What a learned method learns from.
  public var data: LearningData?
  /// The seed of everything random.
  public var seed: Located<Int>?
  /// The text of the recipe.
  public var source: RecipeSource
  /// How the merge in the first model is gone on from, where the recipe does that.
  public var continued: MergeContinuation?

  /// Creates a recipe with a method and inputs; everything else is absent.
  public init(method: Located<String>, inputs: RecipeInputs, source: RecipeSource) {
    self.method = method
    self.inputs = inputs
    self.source = source
    parameters = ParameterTable()
    keep = []
  }

  /// An error about one place of the recipe, with file, line, column and the line itself.
  ///
  /// - Parameters:
  ///   - position: The place.
  ///   - message: What is wrong and what to do, in one or two sentences.
  /// - Returns: An error with the code `recipe`, or `usage` when the recipe was given as options.
  /// - Complexity: O(n) in the length of the recipe's text.
  public func error(at position: SourcePosition, _ message: String) -> TinctureError {
    source.error(at: position, message)
  }
}
