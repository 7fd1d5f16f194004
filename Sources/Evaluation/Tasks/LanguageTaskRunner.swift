internal import TinctureMetrics
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// The likelihood of texts under a language model: a row has −Σ ln p and the number of tokens it is over.
///
/// The first token of a text is given and not counted.
struct LanguageTaskRunner: TaskRunner {
  private let network: any LanguageModel
  private let data: TaskData
  private let inputs: TokenInputs

  init(_ network: any LanguageModel, _ context: TaskContext) throws(TinctureError) {
    try context.requireMetric([.likelihood])
    self.network = network
    data = try TaskData(context, needsTargets: false)
    inputs = try TokenInputs(data, context)
    if context.task.head != nil {
      throw context.refusal("has a 'head', which a language model does not need; leave it out.")
    }
  }

  var count: Int { data.count }

  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    digest.update("likelihood 1 \(network)")
    inputs.update(&digest)
    try data.update(&digest)
  }

  func outputs(
    _ indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let batch = try inputs.batch(at: indices)
    let length = batch.ids.shape[1]
    guard length > 1 else {
      return try TorchTensor.zeros([indices.count, 2], on: batch.ids.device)
    }
    let states = try network.states(of: batch, parameters).slice(0..<length - 1, along: 1)
    let targets = try batch.ids.slice(1..<length, along: 1)
    let found = try network.scores(of: states, parameters).converted(to: .f32).logSoftmax()
      .gathered(at: targets.unsqueezed(at: -1), along: -1).squeezed(at: -1)
    var counted = try TorchTensor.ones([indices.count, length - 1], on: batch.ids.device)
    if let mask = batch.mask {
      counted = try (mask.slice(1..<length, along: 1) .& mask.slice(0..<length - 1, along: 1))
        .converted(to: .f32)
    }
    let losses = try (found * counted).sum(along: 1) * -1
    return try TorchTensor.stacked([losses, counted.sum(along: 1)], along: 1)
  }

  func mask(of indices: [Int]) throws(TinctureError) -> TorchTensor? {
    try inputs.batch(at: indices).mask
  }

  func observations(_ outputs: TaskOutputs) throws(TinctureError) -> Observations {
    var loss = 0.0
    var tokens = 0
    for row in 0..<outputs.rowCount {
      loss += Double(outputs.values[2 * row])
      tokens += Int(outputs.values[2 * row + 1])
    }
    return .likelihood(negativeLogLikelihood: loss, tokenCount: tokens)
  }
}
