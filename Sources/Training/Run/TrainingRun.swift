public import SystemPackage
public import TinctureEvaluation
public import TinctureJSON
public import TinctureMerging
public import TinctureNetworks
public import TinctureTensors
public import TinctureTorch

/// How a network is trained: what, from where, on what data and by which rule.
///
/// A run is a YAML file; see ``TrainingRun/init(reading:)``. Relative paths in it are meant from its folder.
public struct TrainingRun: Sendable {
  /// The name, by which messages, the head and the model card call what is trained.
  public var name: String
  /// The text.
  public let source: RecipeSource
  /// The network.
  public var network: any Network
  /// What stands in the `config.json` of the result.
  public var configuration: JSONValue
  /// What becomes of images before the network sees them.
  public var input = ImageInput.normalized(ImageNormalization())
  /// The folder of the tokenizer for texts.
  public var tokenizer: String?
  /// How many tokens of a text are used; nil uses all that the network takes.
  public var length: Int?
  /// What training begins with.
  public var start = TrainingStart()
  /// The layer from features to scores; nil where the network has one of its own.
  public var head: TrainingHead?
  /// The examples.
  public var data: TrainingData
  /// The share of probability that is spread over all classes in the loss.
  public var smoothing = 0.0
  /// The rule and the rate of optimisation.
  public var optimizer = TrainingOptimizer()
  /// How the rate changes.
  public var schedule = LearningRateSchedule()
  /// How long training lasts.
  public var duration = TrainingDuration.epochs(10)
  /// How many examples are seen in a step.
  public var batchSize = 128
  /// How many examples go through the network at a time when it is measured.
  public var testBatchSize = 128
  /// What is changed at random about images.
  public var augmentation = Augmentation()
  /// How matrices are multiplied; parameters and optimiser stay in single precision.
  public var precision = ComputePrecision.full
  /// The seed of everything that is random.
  public var seed: UInt64 = 0
  /// The greatest length of all derivatives of a step together; longer ones are shortened.
  public var gradientClip: Double?
  /// How far counted means and variances of normalisations move in a step.
  public var normalizationMomentum = 0.1
  /// How weights are held; nil holds them as they are and measures no ranks.
  public var ranks: TrainingRanks?
  /// Parameters that stay as they are: names, or the beginnings of names.
  public var frozen: [String] = []
  /// After how many epochs a model is written beside the output, again and again.
  public var saveInterval: Int?
  /// Whether the changes of the chosen layers are written as an adapter of PEFT, too.
  public var exportsAdapter = false
  /// The type of the written tensors.
  public var outputType = DType.f32

  /// The file.
  public var file: FilePath { FilePath(source.name) }

  /// The path of a file of the run.
  func path(_ text: String) -> FilePath {
    let path = FilePath(text)
    let folder = file.removingLastComponent()
    return path.isRelative && !folder.isEmpty ? folder.pushing(path) : path
  }

  init(
    name: String, source: RecipeSource, network: any Network, configuration: JSONValue,
    data: TrainingData
  ) {
    self.name = name
    self.source = source
    self.network = network
    self.configuration = configuration
    self.data = data
  }
}

/// What training begins with.
public struct TrainingStart: Sendable, Hashable {
  /// A model reference: a checkpoint, an expert of a bank, a base with an adapter; nil begins at random.
  public var model: String?
  /// Parameters of a model that begin at random all the same: names, or the beginnings of names.
  public var random: [String] = []

  /// Begins at random.
  public init() {}
}

/// The layer from features to scores of classes.
public struct TrainingHead: Sendable, Hashable {
  /// Where it comes from; nil begins at random.
  public var reference: TaskHeadReference?
  /// The number of classes, where the layer begins at random.
  public var classCount: Int?
  /// Whether it is trained, too.
  public var isTrained: Bool
}

/// The examples of a run.
public struct TrainingData: Sendable, Hashable {
  /// What is learned from.
  public var training: TaskDataReference
  /// What the network is measured on.
  public var test: TaskDataReference?
  /// How many of the first training examples are used; nil uses all.
  public var limit: Int?
  /// How many of the first test examples are used; nil uses all.
  public var testLimit: Int?
}

/// How parameters follow their gradients in a run.
public struct TrainingOptimizer: Sendable, Hashable {
  /// The rule.
  public var rule = OptimizationRule.adamW()
  /// The greatest learning rate.
  public var rate = 1e-3
  /// Whether weight decay is for matrices and kernels alone, not for biases and normalisations.
  public var decaysMatricesOnly = false

  /// AdamW with its usual settings.
  public init() {}
}

/// How long training lasts.
public enum TrainingDuration: Sendable, Hashable {
  /// As often as all examples are seen.
  case epochs(Int)
  /// Steps of one batch each.
  case steps(Int)
}
