import ArgumentParser
import Tincture

struct BenchmarkNetworkCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network",
    abstract: "Measure a vision transformer's forward pass and gradients.",
    discussion: """
      Parameters and images are random. The gradients are those of all parameters. \
      Times are medians of the repeats, after one that is not counted.

      EXAMPLE
        tincture benchmark network --size base --batch 32 --threads 1
      """)

  /// The networks that are measured.
  enum Size: String, CaseIterable, ExpressibleByArgument {
    case bundled, base

    var network: VisionTransformer {
      var network = VisionTransformer()
      switch self {
      case .base: network.patchSize = 32
      case .bundled:
        (network.imageSize, network.channels, network.patchSize) = (28, 1, 7)
        (network.width, network.depth, network.heads) = (128, 6, 4)
        (network.hiddenWidth, network.pooling) = (512, .mean)
      }
      return network
    }
  }

  @Option(help: "The network: bundled (28 pixels, width 128) or base (ViT-B/32, 224 pixels).")
  var size = Size.base

  @Option(help: "How often each pass is measured.")
  var repeats = 15

  @OptionGroup(title: "Engines") var engines: EngineOptions
  @OptionGroup(title: "Computation") var computation: ComputationOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if repeats < 1 { throw ValidationError("--repeats must be at least 1.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let start = ContinuousClock.now
      try computation.prepare(engines)
      _ = try TorchTensor([1] as [Float], on: computation.torchDevice) + 1
      let startUp = (ContinuousClock.now - start) / .seconds(1)
      let passes = try NetworkPasses(
        size.network, batch: computation.batch ?? 32, on: computation.torchDevice)
      let precision: ComputePrecision = computation.bf16 ? .bf16 : .full
      let (forward, both) = try precision.scope { () throws(TinctureError) in
        (
          try median { () throws(TinctureError) in try passes.forward() },
          try median { () throws(TinctureError) in try passes.gradients() }
        )
      }
      show([("start_up", startUp), ("forward", forward), ("forward_and_gradients", both)])
    }
  }

  private func show(_ seconds: [(name: String, value: Double)]) {
    if display.json {
      let members = seconds.map { ($0.name + "_seconds", JSONValue.number(String($0.value))) }
      Console.result(JSONValue.object(JSONObject(members)).text())
    } else {
      for (name, value) in seconds {
        Console.result("\(name.replacing("_", with: " ")): \(ByteSize.decimal(value * 1000, 1)) ms")
      }
    }
  }

  /// The median time of a pass in seconds.
  private func median(
    _ pass: () throws(TinctureError) -> Void
  ) throws(TinctureError) -> Double {
    try pass()
    var times: [Double] = []
    for _ in 0..<repeats {
      try Signals.interruption.check()
      let start = ContinuousClock.now
      try pass()
      times.append((ContinuousClock.now - start) / .seconds(1))
    }
    times.sort()
    return (times[(times.count - 1) / 2] + times[times.count / 2]) / 2
  }
}

/// The two passes that are measured, with random parameters and images.
private struct NetworkPasses {
  private let network: VisionTransformer
  private let images: TorchTensor
  private let fixed: Parameters
  private let free: [String: TorchTensor]

  init(_ network: VisionTransformer, batch: Int, on device: TorchDevice) throws(TinctureError) {
    self.network = network
    func random(_ name: String, _ shape: [Int], _ low: Double, _ high: Double)
      throws(TinctureError) -> TorchTensor
    {
      let stream = CounterRandom(seed: 1, tensor: name, purpose: "benchmark")
      return try .uniform(shape, stream, low: low, high: high, on: device)
    }
    let side = network.imageSize
    images = try random("images", [batch, network.channels, side, side], -1, 1)
    var tensors: [String: TorchTensor] = [:]
    for shape in network.parameterShapes {
      tensors[shape.name] = try random(shape.name, shape.extents, -0.03, 0.03)
    }
    fixed = Parameters(tensors)
    var free: [String: TorchTensor] = [:]
    for (name, tensor) in tensors { free[name] = try tensor.requiringGradient() }
    self.free = free
  }

  func forward() throws(TinctureError) {
    // Taking a number out waits for a device that works on its own.
    _ = try withoutGradients { () throws(TinctureError) in
      try network.features(of: images, fixed).select(0, along: 0).select(0, along: 0)
        .item(as: Float.self)
    }
  }

  func gradients() throws(TinctureError) {
    let loss = try network.features(of: images, Parameters(free)).square().mean()
    let found = try Tincture.gradients(of: loss, withRespectTo: Array(free.values))
    _ = try found[0].flattened().select(0, along: 0).item(as: Float.self)
  }
}
