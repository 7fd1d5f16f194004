import Testing
import TinctureNetworks
import TinctureTensors
import TinctureTorch
import TinctureTraining

/// Numbers for tests, in a stream of each name's own.
func numbers(_ extents: [Int], _ name: String, by size: Double = 1) throws -> TorchTensor {
  try .normal(extents, CounterRandom(seed: 5, tensor: name, purpose: "test"), deviation: size)
}

/// The largest difference of two tensors, infinite where extents differ or an element is not finite.
func distance(_ a: TorchTensor, _ b: TorchTensor) throws -> Double {
  guard a.shape == b.shape else { return .infinity }
  return zip(try a.detached().array(as: Double.self), try b.detached().array(as: Double.self))
    .map { abs($0 - $1) }.reduce(0) { $1.isNaN ? .infinity : max($0, $1) }
}

/// A small residual network with numbers that leave nothing at zero or one.
struct NetworkFixture {
  var network = SmallResNet()
  let dense: [String: TorchTensor]
  let images: TorchTensor

  init() throws {
    network.stemWidth = 6
    network.blocks = 1
    network.classCount = 4
    var dense = try InitialWeights(seed: 3).tensors(of: network)
    for shape in network.parameterShapes where shape.extents.count == 1 {
      let shift = try numbers(shape.extents, shape.name, by: 0.1)
      let isOne = shape.name.hasSuffix("running_var") || shape.name.hasSuffix("bn2.weight")
      dense[shape.name] = isOne ? try shift.abs() + 0.7 : try shift + (dense[shape.name] ?? shift)
    }
    self.dense = dense
    images = try numbers([3, 3, 8, 8], "images")
  }

  func scores(_ model: TrainableModel, training: Bool = false) throws -> TorchTensor {
    let parameters = model.parameters
    return try network.logits(
      of: images, training ? parameters.inTraining(TrainingPass()) : parameters)
  }

  func gradients(_ model: TrainableModel) throws -> [TorchTensor] {
    let labels = try TorchTensor([Int64(0), 3, 1])
    return try TinctureTorch.gradients(
      of: scores(model, training: true).crossEntropy(labels), withRespectTo: model.variables)
  }
}
