import Testing
import TinctureLinearAlgebra
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureTraining

@Suite("Parameterisations")
struct ParameterizationTests {
  static let random = CounterRandom(seed: 1, tensor: "w", purpose: "test")

  /// The layer's tensors with no factor at zero.
  static func filled(_ layer: some FactoredLayer, _ weight: TorchTensor) throws -> Parameters {
    var tensors = try layer.tensors(from: weight, random)
    for shape in layer.trainedShapes {
      tensors[shape.name] = try numbers(shape.extents, shape.name, by: 0.4)
    }
    return Parameters(tensors)
  }

  @Test(
    "A convolution by its factors is one with the folded filters", .needsLibTorch,
    arguments: FactorForm.allCases, [(1, 1), (2, 1), (2, 0), (3, 2)])
  func convolutions(form: FactorForm, places: (stride: Int, padding: Int)) throws {
    let dense = ParameterShape("conv.weight", [7, 5, 3, 2])
    let weight = try numbers(dense.extents, "weight")
    let (input, bias) = (try numbers([2, 5, 9, 8], "input"), try numbers([7], "bias"))
    let layers: [any FactoredLayer] = [
      LowRankLayer(dense, form: form, rank: 3), AdaptorLayer(dense, form: form, rank: 3, alpha: 2),
    ]
    for layer in layers {
      let tensors = try Self.filled(layer, weight)
      let folded = try layer.folded(tensors)
      #expect(folded.shape == dense.extents && folded.dtype == .f32)
      let whole = try input.conv2d(
        weight: folded, bias: bias, stride: places.stride, padding: places.padding)
      let parts = try layer.convolution(
        input, bias: bias, stride: places.stride, padding: places.padding, tensors)
      #expect(try distance(whole, #require(parts)) < 2e-4)
      #expect(try layer.linear(input, bias: nil, isInputMajor: false, tensors) == nil)
    }
  }

  @Test("A linear layer by its factors is one with the folded weight", .needsLibTorch)
  func linears() throws {
    let dense = ParameterShape("fc.weight", [7, 5])
    let (weight, bias) = (try numbers([7, 5], "weight"), try numbers([7], "bias"))
    let (input, other) = (try numbers([2, 3, 5], "input"), try numbers([2, 3, 7], "other"))
    // Forms of convolutions are matrices here.
    for form in FactorForm.allCases {
      let layers: [any FactoredLayer] = [
        LowRankLayer(dense, form: form, rank: 2), AdaptorLayer(dense, form: form, rank: 2),
      ]
      for layer in layers {
        let tensors = try Self.filled(layer, weight)
        let folded = try layer.folded(tensors)
        let parts = try layer.linear(input, bias: bias, isInputMajor: false, tensors)
        #expect(try distance(input.linear(weight: folded, bias: bias), #require(parts)) < 1e-4)
        let turned = try layer.linear(other, bias: nil, isInputMajor: true, tensors)
        #expect(try distance(other.matmul(folded), #require(turned)) < 1e-4)
        #expect(
          try layer.convolution(input, bias: nil, stride: 1, padding: 0, tensors) == nil)
      }
    }
  }

  @Test("The fold of matrices is U V, entry for entry", .needsLibTorch)
  func fold() throws {
    let layer = LowRankLayer(ParameterShape("w", [3, 2, 2, 1]), form: .matrix, rank: 2)
    let tensors = try Self.filled(layer, numbers([3, 2, 2, 1], "weight"))
    let (down, up): ([Float], [Float]) = (
      try tensors("w.low_rank.down").array(), try tensors("w.low_rank.up").array()
    )
    let folded: [Float] = try layer.folded(tensors).array()
    for row in 0..<3 {
      for column in 0..<4 {
        let value = up[2 * row] * down[column] + up[2 * row + 1] * down[4 + column]
        #expect(abs(folded[4 * row + column] - value) < 1e-6)
      }
    }
  }

  @Test("An adaptor begins without a change, of the published scale", .needsLibTorch)
  func adaptorStart() throws {
    let dense = ParameterShape("conv.weight", [8, 4, 3, 3])
    let weight = try numbers(dense.extents, "weight")
    for (form, alpha) in [(FactorForm.matrix, 16.0), (.tucker, 1), (.cp, 64), (.chain, 64)] {
      let layer = AdaptorLayer(dense, form: form, rank: 2)
      #expect(layer.scale == alpha / 2)
      let tensors = Parameters(try layer.tensors(from: weight, Self.random))
      #expect(try distance(layer.folded(tensors), weight) == 0)
      #expect(layer.fixedShapes == [dense])
      for name in layer.factorNames.dropLast() {
        #expect(try tensors(name).abs().max().item(as: Float.self) > 0)
      }
    }
  }

  @Test("Factors at random are Glorot's, and the same for the same stream", .needsLibTorch)
  func glorot() throws {
    let layer = LowRankLayer(ParameterShape("w", [64, 32, 3, 3]), form: .matrix, rank: 32)
    let weight = try numbers([64, 32, 3, 3], "weight")
    let tensors = try layer.tensors(from: weight, Self.random)
    let again = try layer.tensors(from: weight, Self.random)
    for (name, limit) in [("down", 6.0 / (64 * 9)), ("up", 6.0 / 96)] {
      let factor = try #require(tensors["w.low_rank." + name])
      let values = try factor.array(as: Double.self)
      let largest = values.map(abs).max() ?? 0
      #expect(largest <= limit.squareRoot() && largest > 0.98 * limit.squareRoot())
      let square = values.map { $0 * $0 }.reduce(0, +) / Double(values.count)
      #expect(abs(square / (limit / 3) - 1) < 0.1)
      #expect(try distance(factor, #require(again["w.low_rank." + name])) == 0)
    }
  }

  @Test(
    "Factors that start from a weight are the nearest ones", .needsLibTorch,
    .enabled(if: Backend.isAvailable))
  func nearest() throws {
    let weight = try numbers([6, 4, 3, 3], "weight")
    let layer = LowRankLayer(
      ParameterShape("w", [6, 4, 3, 3]), form: .matrix, rank: 2, startsFromWeight: true)
    let tensors = Parameters(try layer.tensors(from: weight, Self.random))
    let difference = try layer.folded(tensors) - weight
    let error = try difference.square().sum().item(as: Float.self)
    let measure = try RankMeasure(weight)
    let rest = measure.spectrum.dropFirst(2).map { $0 * $0 }.reduce(0, +)
    #expect(abs(Double(error) / rest - 1) < 1e-4)
    // Both factors have the roots of the singular values.
    let down = try tensors("w.low_rank.down").square().sum().item(as: Float.self)
    let up = try tensors("w.low_rank.up").square().sum().item(as: Float.self)
    #expect(abs(down / up - 1) < 1e-4)
  }

  @Test(
    "Tucker's factors hold a weight of their rank exactly", .needsLibTorch,
    .enabled(if: Backend.isAvailable))
  func tucker() throws {
    let dense = ParameterShape("w", [6, 5, 3, 3])
    let source = LowRankLayer(dense, form: .tucker, rank: 3)
    let weight = try source.folded(Self.filled(source, numbers(dense.extents, "weight")))
    let layer = LowRankLayer(dense, form: .tucker, rank: 3, startsFromWeight: true)
    let found = Parameters(try layer.tensors(from: weight, Self.random))
    #expect(try distance(layer.folded(found), weight) < 1e-5)
    // More channels than places and other channels: the vectors that are missing are zeros.
    let small = ParameterShape("s", [9, 2, 1, 2])
    let whole = try numbers(small.extents, "small")
    let wide = LowRankLayer(small, form: .tucker, rank: 8, startsFromWeight: true)
    let tensors = Parameters(try wide.tensors(from: whole, Self.random))
    #expect(try distance(wide.folded(tensors), whole) < 1e-5)
  }

  @Test("Forms without a decomposition say so", .needsLibTorch)
  func undecomposable() throws {
    let layer = LowRankLayer(
      ParameterShape("w", [6, 5, 3, 3]), form: .cp, rank: 2, startsFromWeight: true)
    let error = #expect(throws: TinctureError.self) {
      try layer.tensors(from: numbers([6, 5, 3, 3], "weight"), Self.random)
    }
    #expect(error?.message.contains("matrix or tucker") == true)
  }

  @Test("Weights are folded in single precision, whatever the products' precision", .needsLibTorch)
  func precision() throws {
    let layer = LowRankLayer(ParameterShape("w", [8, 6]), form: .matrix, rank: 3)
    let tensors = try Self.filled(layer, numbers([8, 6], "weight"))
    let plain = try layer.folded(tensors)
    let scoped = try ComputePrecision.bf16.scope { () throws(TinctureError) in
      try layer.folded(tensors)
    }
    #expect(try distance(plain, scoped) == 0)
  }
}
