public import SystemPackage
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
  /// The network.
  public var network: any ImageEncoder
  /// What becomes of images before the network sees them.
  public var input: ImageNormalization
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
  func path(_ text: String) -> FilePath {
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
  /// The layer that turns features into scores of classes.
  public var head: TaskHeadReference
  /// The model that was fine-tuned for this task, as a model reference.
  public var expert: String?
  /// The name of the metric.
  public var metric: String
  /// What else the suite says about the metric.
  public var settings = MetricSettings()
}

/// Where the examples of a task are.
public struct TaskDataReference: Sendable, Hashable {
  /// The file.
  public var file: String
  /// The column of inputs.
  public var inputs: String
  /// The column of what is true.
  public var targets: String
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

/// Turns stored pixels into what the network was trained on: (x / range − mean) / deviation.
public struct ImageNormalization: Sendable, Hashable {
  /// The value of the brightest pixel.
  public var range = 255.0
  /// What is subtracted, one number for all channels or one for each.
  public var mean = [0.0]
  /// What is divided by, one number for all channels or one for each.
  public var deviation = [1.0]

  /// Leaves the share of the brightest value.
  public init() {}
}
