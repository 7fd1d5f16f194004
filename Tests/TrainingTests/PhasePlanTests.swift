import Testing
import TinctureMerging
import TinctureNetworks
import TinctureTensors
import TinctureTorch
import TinctureTraining

@Suite("Plans of phases")
struct PhasePlanTests {
  /// A network of which only the list of parameters matters.
  struct Listed: ImageEncoder {
    var parameterShapes: [ParameterShape]
    var channels = 3
    var imageSize: Int { 8 }
    var featureWidth: Int { 1 }

    func features(
      of images: TorchTensor, _ parameters: Parameters
    ) throws(TinctureError) -> TorchTensor { images }
  }

  @Test("The published targets: 19 of 23 layers of ResNet-20, 24 of 29 of WRN-28-10")
  func published() throws {
    var small = SmallResNet()
    small.classCount = 10
    let plan = try PhasePlan(.lowRank(LowRankSettings()), for: small)
    #expect(plan.layers.count == 19 && plan.layers["conv1.weight"] != nil && plan.left.isEmpty)
    #expect(plan.layers.keys.allSatisfy { !$0.contains("downsample") && $0 != "fc.weight" })
    let last = try #require(plan.layers["layer3.2.conv2.weight"])
    #expect(last.trainedShapes.map(\.extents) == [[32, 64, 3, 3], [64, 32, 1, 1]])
    var wide = WideResNet()
    wide.classCount = 100
    let others = try PhasePlan(.lowRank(LowRankSettings()), for: wide)
    #expect(others.layers.count == 24)
    // Sixteen channels to 160: the factors are larger than the weight.
    #expect(others.left.map(\.weight) == ["block1.layer.0.conv1.weight"])
    #expect(others.left[0].reason == .savesNothing(factors: 24_320, dense: 23_040))
  }

  @Test("Numbers are counted: five ninths of a layer of equal channels")
  func counts() throws {
    let shape = ParameterShape("a.weight", [64, 64, 3, 3])
    let statistics = ParameterShape("n.running_mean", [64])
    let network = Listed(parameterShapes: [shape, statistics])
    let plan = try PhasePlan(.lowRank(LowRankSettings()), for: network)
    #expect(plan.denseCount == 9 * 4096 && plan.trainedCount * 9 == plan.denseCount * 5)
    #expect(plan.fixed == ["n.running_mean"] && plan.trained.isEmpty)
    let frozen = try PhasePlan(
      .lowRank(LowRankSettings()), for: network, frozen: ["a.weight"],
      others: [ParameterShape("head.weight", [3, 4])])
    #expect(frozen.layers.isEmpty && frozen.trainedCount == 12 && frozen.denseCount == 12)
  }

  @Test("Transformers: all linear layers of the blocks, and nothing else")
  func transformer() throws {
    var network = VisionTransformer()
    (network.width, network.hiddenWidth, network.depth) = (12, 24, 2)
    let layers = try RankTargets.published.layers(of: network)
    #expect(layers.count == 8 && layers.allSatisfy { $0.name.hasPrefix("blocks.") })
    let plan = try PhasePlan(.lowRank(LowRankSettings()), for: network)
    // A square of half rank has as many numbers as before.
    #expect(plan.layers.count == 6 && plan.left.allSatisfy { $0.weight.contains("attn.proj") })
    var settings = LowRankSettings()
    settings.mustSave = false
    #expect(try PhasePlan(.lowRank(settings), for: network).layers.count == 8)
    let both = try RankTargets.published.layers(of: Clip())
    #expect(both.count == 24 * 6 && both.allSatisfy { $0.extents.count == 2 })
  }

  @Test("Names choose layers, and one that is nowhere is an error")
  func patterns() throws {
    var network = SmallResNet()
    network.classCount = 10
    let targets = RankTargets(
      patterns: [try TensorPattern("layer[12]")], exclusions: [try TensorPattern("downsample")])
    let layers = try targets.layers(of: network)
    #expect(layers.count == 12)
    let nowhere = RankTargets(patterns: [try TensorPattern("attention")])
    let error = #expect(throws: TinctureError.self) { try nowhere.layers(of: network) }
    #expect(error?.message.contains("\"attention\"") == true)
  }

  @Test("Layers stay dense where factors mean nothing, and the reason is told")
  func edges() throws {
    let shapes = [
      ParameterShape("stem.weight", [16, 1, 3, 3]),
      ParameterShape("depthwise.weight", [16, 1, 3, 3]),
      ParameterShape("narrow.weight", [4, 1, 1, 2]), ParameterShape("wide.weight", [8, 8, 3, 3]),
    ]
    var settings = LowRankSettings()
    settings.mustSave = false
    let grey = try PhasePlan(
      .lowRank(settings), for: Listed(parameterShapes: shapes, channels: 1))
    #expect(grey.layers.keys.sorted() == ["stem.weight", "wide.weight"])
    #expect(grey.left.map(\.reason) == [.depthwise, .depthwise])
    let coloured = try PhasePlan(
      .lowRank(settings), for: Listed(parameterShapes: shapes, channels: 3))
    #expect(coloured.layers.keys.sorted() == ["wide.weight"])
    settings.rank = .ratio(1)
    let whole = try PhasePlan(
      .lowRank(settings), for: Listed(parameterShapes: [shapes[3]]))
    #expect(whole.left.map(\.reason) == [.wholeRank(rank: 8, extent: 8)])
    #expect(whole.left[0].reason.description.contains("rank 8"))
  }

  @Test("A rank above layers is an error that names each of them")
  func ranks() throws {
    var network = SmallResNet()
    network.classCount = 10
    var settings = AdaptorSettings()
    settings.rank = .rank(20)
    let error = #expect(throws: TinctureError.self) {
      try PhasePlan(.adaptor(settings), for: network)
    }
    #expect(error?.code == .recipe && error?.causes.count == 7)
    #expect(error?.causes.first?.place.tensor == "conv1.weight")
    settings.rank = .rank(16)
    #expect(try PhasePlan(.adaptor(settings), for: network).layers["conv1.weight"] == nil)
    for rank in [LayerRank.rank(0), .ratio(0), .ratio(1.5)] {
      settings.rank = rank
      #expect(throws: TinctureError.self) { try PhasePlan(.adaptor(settings), for: network) }
    }
    #expect(LayerRank.ratio(0.29).rank(of: [100, 3, 3, 3]) == 29)
    #expect(LayerRank.ratio(0.5).rank(of: [10, 4]) == 2)
    #expect(LayerRank.ratio(0.01).rank(of: [10, 4]) == 1)
  }

  @Test("An adaptor may be all that is trained, beside a head")
  func adaptorsOnly() throws {
    var network = SmallResNet()
    network.classCount = nil
    var settings = AdaptorSettings()
    settings.trainsRest = false
    let head = ParameterShape("head.weight", [10, 64])
    let plan = try PhasePlan(.adaptor(settings), for: network, others: [head])
    #expect(plan.trained == ["head.weight"] && plan.fixed.contains("bn1.weight"))
    let factors = plan.layers.values.flatMap(\.trainedShapes).reduce(0) {
      $0 + $1.extents.reduce(1, *)
    }
    #expect(plan.trainedCount == factors + 640)
  }
}
