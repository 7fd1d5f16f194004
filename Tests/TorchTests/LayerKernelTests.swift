import Testing
import TinctureTensors
import TinctureTorch

/// Linear layers by our own kernels, whichever processor this is.
@Suite("Linear layers", .needsLibTorch)
struct LayerKernelTests {
  static let random = CounterRandom(seed: 5, tensor: "layer", purpose: "test")

  /// A layer's output and its derivatives with respect to input, weight and bias, of a loss that weighs all outputs.
  static func pass(
    _ x: TorchTensor, _ w: TorchTensor, _ b: TorchTensor?, _ weights: TorchTensor,
    asking isAsked: [Bool] = [true, true, true]
  ) throws -> [TorchTensor] {
    try LayerKernels.$isWanted.withValue(true) {
      try layer(x, w, b, weights, asking: isAsked)
    }
  }

  private static func layer(
    _ x: TorchTensor, _ w: TorchTensor, _ b: TorchTensor?, _ weights: TorchTensor,
    asking isAsked: [Bool]
  ) throws -> [TorchTensor] {
    var leaves = try [x, w].map { try $0.detached() }
    if let b { leaves.append(try b.detached()) }
    for place in leaves.indices where isAsked[place] {
      leaves[place] = try leaves[place].requiringGradient()
    }
    let y = try leaves[0].linear(weight: leaves[1], bias: b == nil ? nil : leaves[2])
    let asked = leaves.indices.filter { isAsked[$0] }.map { leaves[$0] }
    return try [y] + gradients(of: (y * weights).sum(), withRespectTo: asked)
  }

  static func distance(_ a: TorchTensor, _ b: TorchTensor) throws -> Double {
    let (a, b) = (try a.array(as: Double.self), try b.array(as: Double.self))
    guard a.count == b.count else { return .infinity }
    let error = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (error / max(1e-30, b.reduce(0) { $0 + $1 * $1 })).squareRoot()
  }

  @Test(
    "Outputs and derivatives are those of double precision",
    arguments: [[9, 5], [40, 64], [2, 8, 96], [3, 4, 5, 33], [600, 128]], [1, 17, 160])
  func accuracy(shape: [Int], outputs: Int) throws {
    let inputs = shape[shape.count - 1]
    let x = try TorchTensor.normal(shape, Self.random)
    let w = try TorchTensor.normal([outputs, inputs], Self.random, from: 1 << 20)
    let b = try TorchTensor.normal([outputs], Self.random, from: 2 << 20)
    let weights = try TorchTensor.normal(
      Array(shape.dropLast()) + [outputs], Self.random, from: 3 << 20)
    for bias in [nil, b] {
      let found = try Self.pass(x, w, bias, weights)
      let expected = try Self.pass(
        x.converted(to: .f64), w.converted(to: .f64), bias?.converted(to: .f64),
        weights.converted(to: .f64))
      #expect(found.map(\.shape) == expected.map(\.shape))
      for (a, b) in zip(found, expected) { #expect(try Self.distance(a, b) < 1e-5) }
    }
  }

  @Test("Tensors that are views, and weights stored by columns, count as what they are")
  func views() throws {
    let x = try TorchTensor.normal([64, 30], Self.random).transposed()
    let w = try TorchTensor.normal([64, 50], Self.random, from: 1 << 20).transposed()
    let strided = try TorchTensor.normal([50, 128], Self.random, from: 2 << 20).slice(
      0..<128, along: 1, step: 2)
    let b = try TorchTensor.normal([100], Self.random, from: 3 << 20).slice(
      0..<100, along: 0, step: 2)
    let weights = try TorchTensor.normal([1, 50], Self.random, from: 4 << 20).expanded([30, 50])
    for weight in [w, strided] {
      let found = try Self.pass(x, weight, b, weights)
      let expected = try Self.pass(
        x.contiguous(), weight.contiguous(), b.contiguous(), weights.contiguous())
      for (a, b) in zip(found, expected) { #expect(try a.array(as: Float.self) == b.array()) }
    }
    // The derivative of a plain sum comes as one number that stands for all.
    let y = try x.requiringGradient()
    let slope = try LayerKernels.$isWanted.withValue(true) {
      try gradients(of: y.linear(weight: w).sum(), withRespectTo: [y])[0]
    }
    let sums = try w.converted(to: .f64).sum(along: 0)
    #expect(try Self.distance(slope.slice(7..<8, along: 0).flattened(from: 0), sums) < 1e-6)
  }

  @Test("Derivatives that are not asked for are left out, and the others stay the same")
  func frozen() throws {
    let x = try TorchTensor.normal([70, 40], Self.random)
    let w = try TorchTensor.normal([50, 40], Self.random, from: 1 << 20)
    let b = try TorchTensor.normal([50], Self.random, from: 2 << 20)
    let weights = try TorchTensor.normal([70, 50], Self.random, from: 3 << 20)
    let all = try Self.pass(x, w, b, weights)
    for place in 0..<3 {
      var isAsked = [false, false, false]
      isAsked[place] = true
      let found = try Self.pass(x, w, b, weights, asking: isAsked)
      #expect(found.count == 2)
      #expect(try found[1].array(as: Float.self) == all[place + 1].array())
    }
  }

  @Test("The bits do not depend on the number of threads")
  func threads() async {
    await #expect(processExitsWith: .success) {
      let library = try LibTorch.current()
      let x = try TorchTensor.normal([512, 128], LayerKernelTests.random)
      let w = try TorchTensor.normal([384, 128], LayerKernelTests.random, from: 1 << 20)
      let b = try TorchTensor.normal([384], LayerKernelTests.random, from: 2 << 20)
      let weights = try TorchTensor.normal([512, 384], LayerKernelTests.random, from: 3 << 20)
      var found: [[[Float]]] = []
      for count in [1, 2, 3, 7] {
        library.threadCount = count
        found.append(
          try LayerKernelTests.pass(x, w, b, weights).map { try $0.array(as: Float.self) })
      }
      #expect(found.allSatisfy { $0 == found[0] })
    }
  }
}
