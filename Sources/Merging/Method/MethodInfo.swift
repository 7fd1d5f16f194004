/// What a method is called, where it comes from, what it needs and what can be set.
///
/// Recipes are checked against it, and help screens, the method table and the documentation pages are
/// generated from it.
public struct MethodInfo: Sendable {
  /// Whether a method works relative to a base model.
  public enum BaseUse: Sendable, Hashable {
    /// A base is required, and task vectors are taken from it.
    case required
    /// With a base, task vectors are merged; without, the models themselves.
    case optional
    /// The base, when there is one, is one of the models that are merged, provided that it has a value
    /// for every parameter.
    case member
    /// The method has no base; `base_model` only names the donor of configuration and tokenizer.
    case none
  }

  /// How much of a tensor a method has to see, which decides how it is streamed.
  public enum StreamingClass: String, Sendable {
    /// Element by element, one pass.
    case element = "S1"
    /// One tensor at a time, more than one pass over it.
    case tensor = "S1r"
    /// Passes over the whole model beforehand.
    case model = "S3"
  }

  /// A named set of parameter values that reproduces an implementation.
  public struct Preset: Sendable {
    /// The name in recipes.
    public let name: String
    /// The values that replace defaults.
    public let values: [(name: String, value: ParameterValue)]
    /// One sentence on what it reproduces.
    public let summary: String

    /// Creates a preset.
    public init(_ name: String, _ values: [(String, ParameterValue)], _ summary: String) {
      self.name = name
      self.values = values.map { (name: $0.0, value: $0.1) }
      self.summary = summary
    }
  }

  /// The name in recipes.
  public let name: String
  /// Other names that recipes may use.
  public let aliases: [String]
  /// The name in sentences.
  public let title: String
  /// One sentence on what the method does.
  public let summary: String
  /// The formula in plain text.
  public let formula: String
  /// The paper or page that describes the method.
  public let source: String
  /// Its address, where there is one.
  public let link: String?
  /// Whether the method works relative to a base.
  public internal(set) var base: BaseUse
  /// How many models may be merged, the base not counted unless it is a member.
  public let modelCount: ClosedRange<Int>
  /// How the method is streamed.
  public let streaming: StreamingClass
  /// Whether the method draws random numbers.
  public internal(set) var isRandom: Bool
  /// Whether the method learns from the examples that a recipe names under `data`.
  public let learns: Bool
  /// Whether the method makes something for each task beside the model, such as heads.
  public let makesParts: Bool
  /// What must be known of each model besides its weights; nil when nothing.
  public let statistics: StatisticsKind?
  /// What is chosen for each model on the examples that a recipe names under `data`; nil when nothing.
  public let validated: ValidatedParameter?
  /// Whether models may be LoRA adapters, whose factors the method takes as they are.
  public let takesAdapters: Bool
  /// Whether what it does may change, since its source says too little to be followed exactly.
  public let isExperimental: Bool
  /// What can be set.
  public let parameters: [ParameterDeclaration]
  /// Named sets of values.
  public let presets: [Preset]

  /// The steps that a recipe put before the method, by their names.
  public internal(set) var before: [String] = []
  /// The steps that a recipe put after the method, by their names.
  public internal(set) var after: [String] = []

  /// Whether the base, where there is one, is not among the models that are merged.
  var separatesBase: Bool { base == .required || base == .optional }

  /// Creates the description of a method.
  public init(
    name: String, aliases: [String] = [], title: String, summary: String, formula: String,
    source: String, link: String? = nil, base: BaseUse, models: ClosedRange<Int>,
    streaming: StreamingClass, isRandom: Bool = false, learns: Bool = false,
    makesParts: Bool = false, statistics: StatisticsKind? = nil,
    validated: ValidatedParameter? = nil, takesAdapters: Bool = false, isExperimental: Bool = false,
    parameters: [any DeclaresParameter] = [], presets: [Preset] = []
  ) {
    self.name = name
    self.aliases = aliases
    self.title = title
    self.summary = summary
    self.formula = formula
    self.source = source
    self.link = link
    self.base = base
    modelCount = models
    self.streaming = streaming
    self.isRandom = isRandom
    self.learns = learns
    self.makesParts = makesParts
    self.statistics = statistics
    self.validated = validated
    self.takesAdapters = takesAdapters
    self.isExperimental = isExperimental
    self.parameters = parameters.map(\.declaration)
    self.presets = presets
  }
}
