internal import SystemPackage
internal import TinctureData
internal import TinctureMetrics
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// Classes of texts or of pairs of texts, or a number for each.
struct TextTaskRunner: TaskRunner {
  /// A network with or without a head of its own.
  enum Model {
    case classifier(any TextClassifier)
    case encoder(any TextEncoder)
  }

  private let model: Model
  private let context: TaskContext
  private let data: TaskData
  private let head: TaskHead?
  private let correction: LowRankCorrection?
  private let inputs: TokenInputs

  init(_ model: Model, _ context: TaskContext) throws(TinctureError) {
    try context.requireMetric([.classes, .scores, .numbers])
    self.model = model
    self.context = context
    data = try TaskData(context, needsTargets: context.needsTargets)
    inputs = try TokenInputs(data, context)
    switch model {
    case .encoder(let network):
      head = try context.head(width: network.featureWidth)
      if head == nil { throw context.refusal("needs a 'head': the network ends with features.") }
      correction = try context.correction(width: network.featureWidth)
    case .classifier(let network):
      head = nil
      if context.task.head != nil {
        throw context.refusal("has a 'head', but the network has one of its own; leave it out.")
      }
      correction = try context.correction(width: network.classCount)
    }
  }

  var count: Int { data.count }

  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    digest.update("text classes 1 \(model)")
    head?.update(&digest)
    inputs.update(&digest)
    try data.update(&digest)
  }

  func outputs(
    _ indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let batch = try inputs.batch(at: indices)
    switch model {
    case .classifier(let network):
      let scores = try network.logits(of: batch, parameters)
      return try correction?(scores) ?? scores
    case .encoder(let network):
      var features = try network.features(of: batch, parameters)
      if let correction { features = try correction(features) }
      return try head?(features) ?? features
    }
  }

  func mask(of indices: [Int]) throws(TinctureError) -> TorchTensor? {
    try inputs.batch(at: indices).mask
  }

  func observations(_ outputs: TaskOutputs) throws(TinctureError) -> Observations {
    try context.observations(outputs, data)
  }
}

/// Texts as ids: from a column of ids, or of texts through the suite's tokenizer.
struct TokenInputs {
  private let data: TaskData
  private let tokenizer: (any TextTokenizer)?
  private let limit: Int?
  private let device: TorchDevice

  init(_ data: TaskData, _ context: TaskContext) throws(TinctureError) {
    self.data = data
    limit = context.task.length
    device = context.device
    if case .numbers(_, let extents) = try data.inputContent {
      guard extents.count == 1 else {
        throw context.refusal("needs a row of ids for each text, but the column has \(extents).")
      }
      tokenizer = nil
    } else {
      guard let folder = context.suite.tokenizer else {
        throw context.refusal("has texts; name the folder of a 'tokenizer' in the suite.")
      }
      tokenizer = try TextTokenizers.open(context.suite.path(folder))
    }
  }

  func update(_ digest: inout ContentDigest) {
    digest.update("tokens \(limit.map(String.init) ?? "all") \(tokenizer != nil)")
    // What a tokenizer does shows in the ids of any text; this one has a bit of everything.
    for id in tokenizer?.ids(of: "The naïve café’s 12½ dogs—ran! 漢字 über_alles @x.y") ?? [] {
      digest.update("\(id)")
    }
  }

  /// Some of the texts as ids.
  func batch(at indices: [Int]) throws(TinctureError) -> TokenBatch {
    guard let tokenizer else {
      var ids = try data.tensor(data.reference.inputs, at: indices).converted(to: .i64)
      if let limit, limit < ids.shape[1] { ids = try ids.slice(0..<limit, along: 1) }
      return try TokenBatch(ids: ids.moved(to: device))
    }
    let texts = try data.texts(at: indices)
    guard let second = texts.second else {
      return try tokenizer.batch(texts.first, limit: limit, on: device)
    }
    return try tokenizer.batch(
      pairs: Array(zip(texts.first, second)), limit: limit, on: device)
  }
}
