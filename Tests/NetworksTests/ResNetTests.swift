import Testing
import TinctureJSON
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@Suite("Residual networks")
struct ResNetTests {
  @Test("Scores are torchvision's, for images of odd extents", .needsLibTorch)
  func parity() throws {
    let recorded = try RecordedNetwork("resnet")
    let network = try ResNet(configuration: recorded.configuration)
    try network.check(recorded.shapes)
    #expect(network.parameterShapes.count == recorded.shapes.count)
    let (images, parameters) = (try recorded("inputs/images"), try recorded.parameters())
    let logits = try network.logits(of: images, parameters)
    #expect(try recorded.distance(logits, "outputs/logits") < 1e-4)
    let maps = try network.maps(of: images, parameters)
    #expect(
      maps.map(\.shape) == [[2, 16, 9, 10], [2, 32, 5, 5], [2, 64, 3, 3], [2, 128, 2, 2]])
  }

  @Test("Gradients are PyTorch's, also of counted means and variances", .needsLibTorch)
  func gradients() throws {
    let recorded = try RecordedNetwork("resnet")
    let network = try ResNet(configuration: recorded.configuration)
    let distance = try recorded.gradientDistance {
      try network.logits(of: recorded("inputs/images"), $0)
    }
    #expect(distance < 1e-4)
  }

  @Test("Answers for every pixel are those of torchvision's pyramid and the heads", .needsLibTorch)
  func dense() throws {
    let recorded = try RecordedNetwork("dense")
    let network = try DenseNetwork(configuration: recorded.configuration)
    try network.check(recorded.shapes)
    #expect(network.parameterShapes.count == recorded.shapes.count)
    let (images, parameters) = (try recorded("inputs/images"), try recorded.parameters())
    let answers = try network.answers(to: images, parameters)
    for task in ["parts", "distance", "surface"] {
      let answer = try #require(answers[task])
      #expect(try recorded.distance(answer, "outputs/" + task) < 1e-4)
    }
    #expect(
      try network.answers(to: images, tasks: ["parts"], parameters).keys.sorted() == ["parts"])
  }

  @Test(
    "What cannot be computed is refused by the setting's name",
    arguments: [
      ("model_type", #"{"model_type": "resnet"}"#),
      ("architecture", #"{"architecture": "resnet18"}"#),
      ("depths", #"{"model_type": "resnet50", "depths": [3, 4, 6]}"#),
      ("depths", #"{"model_type": "resnet50", "depths": [3, 4, 0, 3]}"#),
      ("embedding_size", #"{"model_type": "resnet50", "embedding_size": 1000000}"#),
    ])
  func refusals(setting: String, text: String) throws {
    let configuration = try JSONValue(parsing: text)
    let error = #expect(throws: TinctureError.self) { try ResNet(configuration: configuration) }
    #expect(error?.message.contains("\"\(setting)\"") == true)
  }
}
