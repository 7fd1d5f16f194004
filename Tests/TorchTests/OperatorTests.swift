import Testing
import TinctureTensors
import TinctureTorch

@Suite("Operators", .needsLibTorch)
struct OperatorTests {
  @Test("Results are those that PyTorch recorded", arguments: OperatorCase.all)
  func values(operation: OperatorCase) throws {
    let recorded = try RecordedTensors("operators")
    let results = try operation.body(recorded.list(operation.name + "/in"))
    let expected = try recorded.list(operation.name + "/out")
    #expect(results.count == expected.count && !expected.isEmpty)
    for (result, expected) in zip(results, expected) {
      #expect(result.summary == expected.summary)
      // Vector instructions differ among machines in the last bits of functions and long sums.
      #expect(try distance(result, expected) < (result.dtype == .f64 ? 1e-13 : 1e-6))
    }
  }

  @Test(
    "Large linear layers and their derivatives are those of double precision", arguments: [1, 2])
  func largeLinear(threadCount: Int) throws {
    let library = try LibTorch.current()
    let threads = library.threadCount
    library.threadCount = threadCount
    defer { library.threadCount = threads }
    let random = CounterRandom(seed: 8, tensor: "linear", purpose: "test")
    let x = try TorchTensor.normal([8, 64, 256], random)
    let weight = try TorchTensor.normal([192, 256], random, from: 1 << 20)
    let bias = try TorchTensor.normal([192], random, from: 1 << 22)
    let found = try results(x, weight, bias)
    let expected = try results(
      x.converted(to: .f64), weight.converted(to: .f64), bias.converted(to: .f64))
    for (found, expected) in zip(found, expected) {
      #expect(found.shape == expected.shape && found.dtype == .f32)
      #expect(try relativeError(found, expected) < 1e-6)
    }
    // Without a bias, and with rows that are columns of something else.
    let columns = try x.transposed(0, 1)
    let turned = try columns.linear(weight: weight)
    let wide = try columns.converted(to: .f64).linear(weight: weight.converted(to: .f64))
    #expect(turned.shape == [64, 8, 192])
    #expect(try relativeError(turned, wide) < 1e-6)
  }

  /// ‖a − b‖ / ‖b‖.
  private func relativeError(_ a: TorchTensor, _ b: TorchTensor) throws -> Double {
    let difference = try a.converted(to: .f64) - b
    let squares = try (difference * difference).sum() / (b * b).sum()
    return try squares.item(as: Double.self).squareRoot()
  }

  /// A linear layer of a function of its inputs, and its derivatives by all three operands.
  private func results(
    _ x: TorchTensor, _ weight: TorchTensor, _ bias: TorchTensor
  ) throws -> [TorchTensor] {
    let leaves = try [x, weight, bias].map { try $0.requiringGradient() }
    let y = try leaves[0].linear(weight: leaves[1], bias: leaves[2])
    return try [y.detached()] + gradients(of: (y * y).sum(), withRespectTo: leaves)
  }

  @Test(
    "Derivatives are those of central differences",
    arguments: OperatorCase.all.filter { !$0.variables.isEmpty })
  func derivatives(operation: OperatorCase) throws {
    let inputs = try RecordedTensors("operators").list(operation.name + "/in")
    var variables = inputs
    for index in operation.variables { variables[index] = try inputs[index].requiringGradient() }
    let loss = try Self.loss(operation, variables)
    let found = try gradients(
      of: loss, withRespectTo: operation.variables.map { variables[$0] })
    let step = 1e-6
    for (index, gradient) in zip(operation.variables, found) {
      #expect(gradient.summary == inputs[index].summary)
      let values = try inputs[index].array(as: Double.self)
      let expected = try values.indices.map { element in
        let ends = try [step, -step].map { change in
          var moved = values
          moved[element] += change
          var operands = inputs
          operands[index] = try TorchTensor(moved, shape: inputs[index].shape)
          return try Self.loss(operation, operands).item(as: Double.self)
        }
        return (ends[0] - ends[1]) / (2 * step)
      }
      #expect(try distance(gradient, TorchTensor(expected)) < 1e-7)
    }
  }

  @Test("Every recorded case is tested")
  func completeness() throws {
    let recorded = try RecordedTensors("operators").names.compactMap {
      $0.split(separator: "/").first.map(String.init)
    }
    #expect(Set(recorded) == Set(OperatorCase.all.map(\.name)))
  }

  /// Σ w · result over all floating-point results, with weights that differ.
  private static func loss(
    _ operation: OperatorCase, _ inputs: [TorchTensor]
  ) throws -> TorchTensor {
    var loss = try TorchTensor(0.0)
    for result in try operation.body(inputs) where result.isFloating {
      let weights = (0..<result.elementCount).map { 1 + Double($0 * 7 % 11) / 4 }
      loss = try loss + (result * TorchTensor(weights, shape: result.shape)).sum()
    }
    return loss
  }
}
