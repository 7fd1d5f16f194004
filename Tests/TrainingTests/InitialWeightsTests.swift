import Testing
import TinctureNetworks
import TinctureTensors
import TinctureTorch
import TinctureTraining

@Suite("Weights at random")
struct InitialWeightsTests {
  static let networks: [any Network] = {
    var transformer = VisionTransformer()
    (transformer.imageSize, transformer.patchSize, transformer.depth) = (8, 4, 1)
    (transformer.width, transformer.heads, transformer.hiddenWidth) = (48, 2, 96)
    var resnet = ResNet()
    (resnet.stemWidth, resnet.depths, resnet.classCount) = (8, [1, 1, 1, 1], 5)
    var small = SmallResNet()
    small.classCount = 5
    var wide = WideResNet()
    (wide.widening, wide.blocks, wide.classCount) = (2, 1, 5)
    var bert = Bert()
    (bert.vocabularySize, bert.width, bert.depth, bert.heads) = (40, 32, 1, 2)
    (bert.hiddenWidth, bert.positionCount, bert.positions) = (64, 20, .afterPadding(1))
    bert.hasPooler = false
    return [transformer, resnet, small, wide, BertClassifier(bert, classCount: 3)]
  }()

  @Test("Every parameter of every network begins, the same for the same seed", .needsLibTorch)
  func complete() throws {
    for network in Self.networks {
      let tensors = try InitialWeights(seed: 4).tensors(of: network)
      try network.check(tensors.mapValues(\.shape))
      #expect(tensors.count == network.parameterShapes.count)
      let again = try InitialWeights(seed: 4).tensors(of: network)
      let other = try InitialWeights(seed: 5).tensors(of: network)
      var changed = 0
      for (name, tensor) in tensors {
        #expect(try distance(tensor, #require(again[name])) == 0)
        #expect(try tensor.isFinite().all().item(as: Bool.self))
        changed += try distance(tensor, #require(other[name])) > 0 ? 1 : 0
      }
      let wide = network.parameterShapes.filter { $0.extents.count > 1 }.count
      #expect(changed >= wide)
    }
  }

  @Test("The spreads are those of the libraries", .needsLibTorch)
  func spreads() throws {
    func deviation(_ network: any Network, _ name: String) throws -> Double {
      let tensor = try #require(try InitialWeights(seed: 4).tensors(of: network)[name])
      let values = try tensor.array(as: Double.self)
      return (values.map { $0 * $0 }.reduce(0, +) / Double(values.count)).squareRoot()
    }
    func near(_ found: Double, _ expected: Double) -> Bool { abs(found / expected - 1) < 0.1 }
    let networks = Self.networks
    #expect(near(try deviation(networks[0], "blocks.0.mlp.fc1.weight"), 0.02))
    #expect(near(try deviation(networks[0], "pos_embed"), 0.02))
    #expect(try deviation(networks[0], "cls_token") < 1e-5)
    #expect(
      near(try deviation(networks[0], "patch_embed.proj.weight"), 1 / (3.0 * 48).squareRoot()))
    #expect(try deviation(networks[0], "blocks.0.norm1.weight") == 1)
    let torchvision = (2 / Double(64 * 9)).squareRoot()
    #expect(near(try deviation(networks[1], "layer4.0.conv2.weight"), torchvision))
    let glorot = (2 / Double(128 * 9)).squareRoot()
    #expect(near(try deviation(networks[2], "layer3.1.conv2.weight"), glorot))
    #expect(try deviation(networks[2], "layer3.1.bn2.weight") == 0)
    #expect(try deviation(networks[2], "layer3.1.bn1.weight") == 1)
    #expect(try deviation(networks[3], "fc.bias") == 0)
    #expect(near(try deviation(networks[4], "classifier.dense.weight"), 0.02))
    let tables = try InitialWeights(seed: 4).tensors(of: networks[4])
    for name in ["word_embeddings", "position_embeddings"] {
      let table = try #require(
        tables["roberta.embeddings.\(name).weight"] ?? tables["embeddings.\(name).weight"])
      let padding = try table.select(1, along: 0).abs().max().item(as: Float.self)
      let first = try table.select(0, along: 0).abs().max().item(as: Float.self)
      #expect(padding == 0 && first > 0)
    }
  }

  @Test("Networks that begin from models only are refused", .needsLibTorch)
  func refused() throws {
    let error = #expect(throws: TinctureError.self) {
      try InitialWeights(seed: 1).tensors(of: ClipVision())
    }
    #expect(error?.message.contains("ClipVision") == true)
  }

  @Test("A head begins uniform, without a bias", .needsLibTorch)
  func head() throws {
    let (weight, bias) = try InitialWeights(seed: 1).head(classes: 10, width: 64)
    #expect(weight.shape == [10, 64])
    let largest = try weight.abs().max().item(as: Float.self)
    #expect(largest <= 0.125 && largest > 0.12)
    #expect(try distance(bias, .zeros([10])) == 0)
  }
}
