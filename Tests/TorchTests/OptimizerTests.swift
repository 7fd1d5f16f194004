import Testing
import TinctureTensors
import TinctureTorch

@Suite("Optimisers", .needsLibTorch)
struct OptimizerTests {
  static let rules: [(String, OptimizationRule, Double)] = [
    ("sgd", .sgd(), 0.1),
    ("sgd momentum", .sgd(momentum: 0.9, weightDecay: 0.01), 0.1),
    ("sgd nesterov", .sgd(momentum: 0.8, nesterov: true), 0.05),
    ("sgd dampened", .sgd(momentum: 0.8, dampening: 0.5), 0.05),
    ("adam", .adam(), 0.01),
    ("adam decay", .adam(beta1: 0.8, beta2: 0.95, weightDecay: 0.1), 0.01),
    ("adamw", .adamW(epsilon: 1e-6, weightDecay: 0.1), 0.01),
  ]

  @Test("Ten steps are those of torch.optim, also when interrupted and restored", arguments: rules)
  func trajectory(name: String, rule: OptimizationRule, learningRate: Double) throws {
    let recorded = try RecordedTensors("optimizers")
    var parameters = try recorded.list("start/")
    let start = try parameters.map { try $0.array(as: Float.self) }
    let beginning = parameters
    var optimizer = try TorchOptimizer(rule, learningRate: learningRate, for: parameters)
    for step in 0..<10 {
      if step == 5 { optimizer.learningRate *= 0.5 }
      if step == 7 {
        let successor = try TorchOptimizer(
          rule, learningRate: optimizer.learningRate, for: parameters)
        try successor.restore(optimizer.state())
        // What goes on with the first one does not reach its successor.
        var others = parameters
        try optimizer.step(&others, parameters)
        optimizer = successor
      }
      try optimizer.step(&parameters, recorded.list("gradient\(step)/"))
      let expected = try recorded.list("\(name)/step\(step)/")
      for (parameter, expected) in zip(parameters, expected) {
        #expect(parameter.requiresGradient && parameter.summary == expected.summary)
        #expect(try distance(parameter, expected) < 1e-6, "step \(step)")
      }
    }
    #expect(try beginning.map { try $0.array(as: Float.self) } == start)
  }

  @Test("Parameters and gradients may be transposed views")
  func views() throws {
    let values = (0..<6).map(Double.init)
    let slopes = [0.5, -1, 2, -0.25, 3, 1]
    for rule in [OptimizationRule.sgd(momentum: 0.9), .adam()] {
      var plain = [try TorchTensor(values, shape: [2, 3]).transposed().contiguous()]
      var view = [try TorchTensor(values, shape: [2, 3]).transposed()]
      let gradient = try TorchTensor(slopes, shape: [2, 3]).transposed()
      let one = try TorchOptimizer(rule, learningRate: 0.1, for: plain)
      let other = try TorchOptimizer(rule, learningRate: 0.1, for: view)
      for _ in 0..<3 {
        try one.step(&plain, [gradient.contiguous()])
        try other.step(&view, [gradient])
      }
      #expect(try plain[0].array(as: Double.self) == view[0].array(as: Double.self))
    }
  }

  @Test("What does not fit is refused before anything changes")
  func misfits() throws {
    var parameters = [try TorchTensor([1.0, 2])]
    let optimizer = try TorchOptimizer(.adam(), learningRate: 0.1, for: parameters)
    let wrong = [[try TorchTensor([1.0])], [try TorchTensor([1 as Float, 2])], []]
    for gradients in wrong {
      let error = #expect(throws: TinctureError.self) {
        try optimizer.step(&parameters, gradients)
      }
      #expect(error?.code == .engine)
    }
    #expect(try optimizer.state().step == 0)
    #expect(try parameters[0].array(as: Double.self) == [1, 2])
    #expect(throws: TinctureError.self) {
      try optimizer.restore(OptimizerState(step: 1, moments: []))
    }
  }

  @Test("Clipping scales the common norm and leaves small gradients alone")
  func clipping() throws {
    let gradients = [try TorchTensor([3.0]), try TorchTensor([4.0])]
    let clipped = try gradients.clipped(toNorm: 1).map { try $0.item(as: Double.self) }
    #expect(abs(clipped[0] - 0.6) < 1e-6 && abs(clipped[1] - 0.8) < 1e-6)
    #expect(try gradients.clipped(toNorm: 6).map { try $0.item(as: Double.self) } == [3, 4])
  }
}
