public import SystemPackage
public import TinctureBanks
public import TinctureData
public import TinctureMetrics
public import TinctureNetworks

/// What a model is measured on: a network, tasks with their data and heads, and the models to compare with.
///
/// A suite is a YAML file; see ``EvaluationSuite/init(reading:)``. It names no model of its own: any
/// checkpoint whose tensors fit the network can be evaluated.
public struct EvaluationSuite: Sendable {
  /// The suite's name, for tables.
  public var name: String
  /// The file.
  public var file: FilePath
  /// The network, whose parameters get the names that each model gives them.
  public var network: any Network
  /// What becomes of images before the network sees them.
  public var input: ImageInput
  /// The folder of the tokenizer for texts.
  public var tokenizer: String?
  /// How many examples go through the network at a time.
  public var batchSize: Int
  /// The model from which the experts were fine-tuned, as a model reference.
  public var base: String?
  /// What is measured, in the order of tables.
  public var tasks: [EvaluationTask]
  /// The models that are evaluated when none is named.
  public var models: [SuiteModel]

  /// The folder in which the suite's relative paths are looked for.
  public var folder: FilePath { file.removingLastComponent() }

  /// The path of a file of the suite.
  package func path(_ text: String) -> FilePath {
    let path = FilePath(text)
    return path.isRelative && !folder.isEmpty ? folder.pushing(path) : path
  }
}

/// One task of a suite: examples, what is true of them, a head and a metric.
public struct EvaluationTask: Sendable, Hashable {
  /// The name, unique within the suite.
  public var name: String
  /// The examples.
  public var data: TaskDataReference
  /// The layer that turns features into scores of classes; nil where the network has one of its own.
  public var head: TaskHeadReference?
  /// Which of a network's outputs the task is about; nil is that of the task's name.
  public var output: String?
  /// How many tokens of a text are used; nil uses all that the network takes.
  public var length: Int?
  /// The model that was fine-tuned for this task, as a model reference.
  public var expert: String?
  /// The name of the metric.
  public var metric: String
  /// What else the suite says about the metric.
  public var settings = MetricSettings()
}

/// Where the examples of a task are.
public struct TaskDataReference: Sendable, Hashable {
  /// The file or folder.
  public var file: String
  /// The column of inputs.
  public var inputs: String
  /// The column of second texts, where examples are pairs.
  public var second: String?
  /// The column of what is true.
  public var targets: String
  /// The form of the data; nil goes by the name.
  public var format: DataSetFormat?
  /// The names of the classes in the order of their labels, where targets are names.
  public var classes: [String]?
  /// The part of a folder in the format of MNIST.
  public var part = "t10k"
}

/// Where a linear layer from features to scores is: weight [classes, features] and bias [classes].
public struct TaskHeadReference: Sendable, Hashable {
  /// The file.
  public var file: String
  /// The tensor of the weight.
  public var weight: String
  /// The tensor of the bias, if there is one.
  public var bias: String?
  /// Whether features are scaled to length one first, as CLIP's are.
  public var normalizesFeatures = false
}

/// A model that a suite lists.
public struct SuiteModel: Sendable, Hashable {
  /// Where the model comes from.
  public enum Source: Sendable, Hashable {
    /// A checkpoint, an expert of a bank, a base with an adapter; or a bank, whose experts do the tasks of
    /// their names.
    case model(String)
    /// A recipe, which is carried out first.
    case recipe(String)
    /// Each task's expert.
    case experts
    /// Each task's expert as a bank of this codec keeps it.
    case codec(BankCodec)
    /// A large language model that small ones steer.
    case fusion(LogitFusion)
  }

  /// The name in tables.
  public var name: String
  /// Where it comes from.
  public var source: Source
  /// Published figures by task, as tables show them (per cent).
  public var reference: [String: Double]

  /// Names a model.
  public init(name: String, source: Source, reference: [String: Double] = [:]) {
    self.name = name
    self.source = source
    self.reference = reference
  }
}

/// What becomes of images before a network sees them.
public enum ImageInput: Sendable, Hashable {
  /// A well-known way to resize, crop and normalise pictures of any size.
  public enum Preprocessing: String, Sendable, Hashable, CaseIterable {
    /// That of CLIP.
    case clip
    /// That of networks trained on ImageNet.
    case imagenet

    package var preprocessor: ImagePreprocessor { self == .clip ? .clip : .imageNet }
  }

  /// Images of the network's size, scaled and shifted.
  case normalized(ImageNormalization)
  /// Pictures of any size.
  case preprocessed(Preprocessing)
}

/// Turns stored pixels into what the network was trained on: (x / range − mean) / deviation.
///
/// Where images are standardised each by itself, (x − mean) / max(deviation, 1/√n) takes its place, with the mean and the
/// deviation of the image's n numbers as they are stored.
public struct ImageNormalization: Sendable, Hashable {
  /// The value of the brightest pixel.
  public var range = 255.0
  /// What is subtracted, one number for all channels or one for each.
  public var mean = [0.0]
  /// What is divided by, one number for all channels or one for each.
  public var deviation = [1.0]

  /// Whether each image gets mean zero and deviation one, by its own numbers.
  public var standardizes = false

  /// Leaves the share of the brightest value.
  public init() {}
}
