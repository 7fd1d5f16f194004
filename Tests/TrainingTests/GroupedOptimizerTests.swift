import Testing
import TinctureTensors
import TinctureTorch

@testable import TinctureTraining

@Suite("Optimisers of groups", .needsLibTorch)
struct GroupedOptimizerTests {
  @Test("Only matrices decay where that is asked for; moments go on in the order of the variables")
  func groups() throws {
    var settings = TrainingOptimizer()
    settings.rule = .sgd(momentum: 0.5, weightDecay: 0.1)
    settings.decaysMatricesOnly = true
    let start = [
      try TorchTensor([Float(1), 2], shape: [2]),
      try TorchTensor([Float(1), 2, 3, 4], shape: [2, 2]),
      try TorchTensor([Float(5)], shape: [1]),
    ]
    var variables: [TorchTensor] = []
    for tensor in start { variables.append(try tensor.requiringGradient()) }
    let optimizer = try GroupedOptimizer(settings, for: variables)
    let slopes = try variables.map { try TorchTensor.ones($0.shape) }
    try optimizer.step(&variables, slopes, rate: 0.1)
    #expect(try variables[0].array(as: Float.self) == [0.9, 1.9])
    #expect(try variables[2].array(as: Float.self) == [4.9])
    let matrix = try variables[1].array(as: Float.self)
    for (value, old) in zip(matrix, [Float(1), 2, 3, 4]) {
      #expect(abs(value - (old - 0.1 * (1 + 0.1 * old))) < 1e-6)
    }
    let state = try optimizer.state()
    #expect(state.step == 1 && state.moments.map { $0[0].shape } == [[2], [2, 2], [1]])
    let other = try GroupedOptimizer(settings, for: variables)
    try other.restore(state)
    var (one, two) = (variables, variables)
    try optimizer.step(&one, slopes, rate: 0.1)
    try other.step(&two, slopes, rate: 0.1)
    for (a, b) in zip(one, two) {
      #expect(try a.array(as: Float.self) == b.array(as: Float.self))
    }
  }
}
