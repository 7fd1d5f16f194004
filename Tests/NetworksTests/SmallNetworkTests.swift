import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("Residual networks for small images")
struct SmallNetworkTests {
  static let names = [
    "small_resnet_projection", "small_resnet_downsample", "small_resnet_padding", "wide_resnet",
  ]

  static func network(_ recorded: RecordedNetwork) throws -> any ImageClassifier {
    let network = try NetworkKind(configuration: recorded.configuration).network(
      configuration: recorded.configuration)
    return try #require(network as? any ImageClassifier)
  }

  @Test("Scores are PyTorch's", .needsLibTorch, arguments: names)
  func parity(name: String) throws {
    let recorded = try RecordedNetwork(name)
    let network = try Self.network(recorded)
    try network.check(recorded.shapes)
    #expect(network.parameterShapes.count == recorded.shapes.count)
    let logits = try network.logits(of: recorded("inputs/images"), recorded.parameters())
    #expect(try recorded.distance(logits, "outputs/logits") < 1e-4)
  }

  @Test(
    "In training scores, counted means and gradients are PyTorch's", .needsLibTorch,
    arguments: names)
  func training(name: String) throws {
    let recorded = try RecordedNetwork(name)
    let network = try Self.network(recorded)
    let pass = TrainingPass()
    let distance = try recorded.gradientDistance { parameters in
      let logits = try network.logits(
        of: recorded("inputs/images"), parameters.inTraining(pass))
      #expect(try recorded.distance(logits, "outputs/training") < 1e-4)
      return logits
    }
    #expect(distance < 1e-3)
    let moved = pass.moved
    let expected = recorded.names("outputs").filter { $0.hasPrefix("moved/") }
    #expect(!expected.isEmpty && moved.count == expected.count)
    for name in expected {
      let tensor = try #require(moved[String(name.dropFirst("moved/".count))])
      #expect(try recorded.distance(tensor, "outputs/" + name) < 1e-5)
    }
  }

  @Test(
    "Dropout depends on the seed and the step alone, and is not outside of training", .needsLibTorch
  )
  func dropout() throws {
    let recorded = try RecordedNetwork("wide_resnet")
    var network = try WideResNet(configuration: recorded.configuration)
    let (images, parameters) = (try recorded("inputs/images"), try recorded.parameters())
    func scores(_ seed: UInt64, _ step: Int) throws -> [Float] {
      let pass = TrainingPass(seed: seed, step: step)
      return try network.logits(of: images, parameters.inTraining(pass)).array()
    }
    let plain = try scores(1, 1)
    network.dropout = 0.3
    let first = try scores(1, 1)
    #expect(try first == scores(1, 1))
    #expect(try first != plain && first != scores(1, 2) && first != scores(2, 1))
    let logits = try network.logits(of: images, parameters)
    #expect(try recorded.distance(logits, "outputs/logits") < 1e-4)
  }

  @Test("The families have the layers of the papers")
  func families() {
    func weights(_ network: any Network) -> Int {
      network.parameterShapes.filter { $0.extents.count > 1 }.count
    }
    var small = SmallResNet()
    small.classCount = 10
    #expect(weights(small) == 23 && small.depth == 20)
    small.shortcut = .downsample
    #expect(weights(small) == 22)
    small.shortcut = .padding
    #expect(weights(small) == 20)
    var wide = WideResNet()
    wide.classCount = 100
    #expect(weights(wide) == 29 && wide.depth == 28)
  }

  @Test(
    "What cannot be computed is refused by the setting's name",
    arguments: [
      ("model_type", #"{"model_type": "resnet"}"#),
      ("depth", #"{"model_type": "small_resnet", "depth": 18}"#),
      ("depth", #"{"model_type": "small_resnet", "depth": 2}"#),
      ("shortcut", #"{"model_type": "small_resnet", "shortcut": "none"}"#),
      ("embedding_size", #"{"model_type": "small_resnet", "embedding_size": 1000000}"#),
    ])
  func refusals(setting: String, text: String) throws {
    let configuration = try JSONValue(parsing: text)
    let error = #expect(throws: TinctureError.self) {
      try SmallResNet(configuration: configuration)
    }
    #expect(error?.message.contains("\"\(setting)\"") == true)
  }

  @Test(
    "What cannot be computed wide is refused by the setting's name",
    arguments: [
      ("model_type", #"{"model_type": "small_resnet"}"#),
      ("depth", #"{"model_type": "wide_resnet", "depth": 20}"#),
      ("dropout", #"{"model_type": "wide_resnet", "dropout": 1}"#),
      ("widen_factor", #"{"model_type": "wide_resnet", "widen_factor": 5000}"#),
    ])
  func wideRefusals(setting: String, text: String) throws {
    let configuration = try JSONValue(parsing: text)
    let error = #expect(throws: TinctureError.self) {
      try WideResNet(configuration: configuration)
    }
    #expect(error?.message.contains("\"\(setting)\"") == true)
  }
}
