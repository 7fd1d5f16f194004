internal import TinctureData
internal import TinctureMetrics
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// A class, a depth or a direction for every pixel.
///
/// A row has the pixels of an image, line after line; directions have three numbers for each.
struct DenseTaskRunner: TaskRunner {
  private let network: DenseNetwork
  private let answer: DenseTask
  private let context: TaskContext
  private let data: TaskData

  init(_ network: DenseNetwork, _ context: TaskContext) throws(TinctureError) {
    let name = context.task.output ?? context.task.name
    guard let answer = network.tasks.first(where: { $0.name == name }) else {
      throw context.refusal(
        "asks for the output '\(name)', but the network has"
          + " \(network.tasks.map(\.name).joined(separator: ", ")); name one by 'output'.")
    }
    switch answer.kind {
    case .segmentation: try context.requireMetric([.labelMaps])
    case .depth: try context.requireMetric([.depthMaps])
    case .normals: try context.requireMetric([.normalMaps])
    }
    self.network = network
    self.answer = answer
    self.context = context
    data = try TaskData(context, needsTargets: context.needsTargets)
    if context.task.head != nil {
      throw context.refusal("has a 'head', but the network has one of its own; leave it out.")
    }
  }

  var count: Int { data.count }

  func update(_ digest: inout ContentDigest) throws(TinctureError) {
    digest.update("pixels 1 \(network) \(answer) \(context.suite.input)")
    try data.update(&digest)
  }

  func outputs(
    _ indices: [Int], _ parameters: Parameters
  ) throws(TinctureError) -> TorchTensor {
    let images = try context.images(
      data, at: indices, size: nil, network.backbone.channels)
    let answers = try network.answers(to: images, tasks: [answer.name], parameters)
    guard let found = answers[answer.name] else {
      throw TinctureError(.internalError, "The network has no answer '\(answer.name)'.")
    }
    let rows =
      switch answer.kind {
      case .segmentation: try found.argmax(along: 1).converted(to: .f32)
      case .depth: found
      case .normals: try found.permuted(0, 2, 3, 1).contiguous()
      }
    return try rows.flattened(from: 1)
  }

  func observations(_ outputs: TaskOutputs) throws(TinctureError) -> Observations {
    var targets = try data.tensor(
      data.reference.targets, at: Array(0..<outputs.rowCount))
    if case .normals = answer.kind, targets.rank == 4, targets.shape[3] != 3 {
      targets = try targets.permuted(0, 2, 3, 1).contiguous()
    }
    guard targets.elementCount == outputs.values.count else {
      throw TinctureError(
        .data,
        "What is true has the shape \(Array(targets.shape.dropFirst())), which does not fit the"
          + " \(outputs.rowLength) numbers that the network gives for an image.",
        at: .init(file: data.place, tensor: data.reference.targets))
    }
    switch answer.kind {
    case .segmentation:
      let actual = try targets.converted(to: .i64).array(as: Int.self)
      return .labels(predicted: outputs.values.map { Int($0) }, actual: actual)
    case .depth:
      let actual = try targets.converted(to: .f32).array(as: Float.self)
      return .depths(predicted: outputs.values, actual: actual)
    case .normals:
      let actual = try targets.converted(to: .f32).array(as: Float.self)
      return .directions(predicted: outputs.values, actual: actual)
    }
  }
}
