public import TinctureJSON
public import TinctureTensors
public import TinctureTorch

/// A network from texts to scores of classes.
public protocol TextClassifier: Network {
  /// The number of classes.
  var classCount: Int { get }

  /// The scores of texts before a softmax.
  ///
  /// - Parameters:
  ///   - batch: The texts.
  ///   - parameters: What ``Network/parameterShapes`` lists.
  /// - Returns: The scores [N, ``classCount``].
  /// - Throws: `checkpoint` for a missing parameter, `engine` when LibTorch fails.
  func logits(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor
}

/// BERT or RoBERTa with a head for classes of texts.
///
/// BERT's head is a linear map of the pooler's result: `classifier` [classes, w]. RoBERTa's is
/// W₂ tanh(W₁ x₀ + b₁) + b₂ of the first token's state: `classifier.dense` [w, w], `classifier.out_proj`
/// [classes, w]; each with its `.bias`. One class is a regression.
public struct BertClassifier: TextClassifier, Hashable {
  /// The network before the head; the head is a linear map when it has a pooler.
  public var encoder: Bert
  /// The number of classes.
  public var classCount: Int

  /// Puts a head on a network.
  public init(_ encoder: Bert, classCount: Int) {
    self.encoder = encoder
    self.classCount = classCount
  }

  /// Reads a configuration of transformers, where the number of labels (2 when absent) is the classes'.
  ///
  /// - Parameter configuration: The contents of `config.json`.
  /// - Throws: `checkpoint` that names a setting which is missing, malformed or not supported.
  public init(configuration: JSONValue) throws(TinctureError) {
    let settings = try ConfigurationReader(configuration)
    encoder = try Bert(configuration: configuration)
    encoder.hasPooler = encoder.positions == .counted
    encoder.root = encoder.hasPooler ? "bert" : "roberta"
    classCount = 2
    if let labels = settings.value("id2label")?.objectValue?.count, labels > 0 {
      classCount = labels
    } else {
      classCount = try settings.count("num_labels", or: 2)
    }
  }

  /// Every parameter.
  public var parameterShapes: [ParameterShape] {
    var shapes = encoder.parameterShapes
    if encoder.hasPooler {
      shapes.append(layer: "classifier", [classCount, encoder.width])
    } else {
      shapes.append(layer: "classifier.dense", [encoder.width, encoder.width])
      shapes.append(layer: "classifier.out_proj", [classCount, encoder.width])
    }
    return shapes
  }

  /// The scores of texts before a softmax.
  public func logits(
    of batch: TokenBatch, _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let features = try encoder.features(of: batch, parameters)
    if encoder.hasPooler { return try parameters.linear("classifier", features) }
    let hidden = try parameters.linear("classifier.dense", features).tanh()
    return try parameters.linear("classifier.out_proj", hidden)
  }

  /// The same network under the names that a model gives to its parameters.
  public func fitted(to shapes: [String: [Int]]) throws(TinctureError) -> BertClassifier {
    BertClassifier(try encoder.fitted(to: shapes), classCount: classCount)
  }
}
