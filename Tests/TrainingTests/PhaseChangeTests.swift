import Testing
import TinctureLinearAlgebra
import TinctureNetworks
import TinctureTensors
import TinctureTorch

@testable import TinctureTraining

@Suite("Changes of phases")
struct PhaseChangeTests {
  static func lowRank(_ form: FactorForm = .matrix) -> LayerMode {
    var settings = LowRankSettings()
    settings.form = form
    return .lowRank(settings)
  }

  static func adaptor(_ form: FactorForm = .matrix) -> LayerMode {
    var settings = AdaptorSettings()
    settings.form = form
    return .adaptor(settings)
  }

  @Test(
    "Nothing that the network computes changes at a switch", .needsLibTorch,
    arguments: FactorForm.allCases)
  func unchanged(form: FactorForm) throws {
    let fixture = try NetworkFixture()
    var alone = AdaptorSettings()
    alone.trainsRest = false
    let modes = [
      Self.lowRank(form), .dense, Self.adaptor(form), .dense, Self.adaptor(.matrix),
      Self.adaptor(form), .adaptor(alone), .dense,
    ]
    var moments: [String: [TorchTensor]] = [:]
    var model = try TrainableModel(
      fixture.dense, in: PhasePlan(modes[0], for: fixture.network), seed: 9)
    for (phase, mode) in modes.enumerated() {
      let (before, during) = (
        try fixture.scores(model), try fixture.scores(model, training: true)
      )
      let plan = try PhasePlan(mode, for: fixture.network)
      try model.change(to: plan, phase: phase, seed: 9, moments: &moments)
      #expect(try distance(fixture.scores(model), before) < 2e-5)
      #expect(try distance(fixture.scores(model, training: true), during) < 2e-4)
      #expect(model.trainedCount == plan.trainedCount)
      // Only what the phase needs is there.
      let shapes = plan.layers.values.flatMap { $0.trainedShapes + $0.fixedShapes }.map(\.name)
      let expected = Set(shapes).union(plan.trained).union(plan.fixed)
      #expect(Set(model.trained.keys).union(model.fixed.keys) == expected)
      // Steps on all that is trained, so that adaptors are not zero at the next switch.
      let gradients = try fixture.gradients(model)
      var variables = model.variables
      for index in variables.indices {
        variables[index] = try variables[index].detached()
          .sum(with: gradients[index], times: -0.01).requiringGradient()
      }
      model.replace(variables)
    }
    // The fold is the dense network.
    let folded = Parameters(try model.folded())
    let scores = try fixture.network.logits(of: fixture.images, folded)
    #expect(try distance(scores, fixture.scores(model)) < 2e-5)
  }

  @Test("The first phase begins with the dense tensors it is given", .needsLibTorch)
  func start() throws {
    let fixture = try NetworkFixture()
    var dense = fixture.dense
    dense["head.weight"] = try numbers([2, 3], "head")
    let model = try TrainableModel(
      dense, in: PhasePlan(Self.adaptor(), for: fixture.network), seed: 1)
    let plain = try fixture.network.logits(of: fixture.images, Parameters(fixture.dense))
    #expect(try distance(fixture.scores(model), plain) < 1e-5)
    #expect(model.trained["head.weight"] != nil)
    #expect(model.fixed["bn1.running_mean"] != nil && model.trained["bn1.running_mean"] == nil)
    dense["conv1.weight"] = nil
    let error = #expect(throws: TinctureError.self) {
      try TrainableModel(
        dense, in: PhasePlan(Self.lowRank(), for: fixture.network), seed: 1)
    }
    #expect(error?.place.tensor == "conv1.weight")
  }

  @Test("Weights that stay as they are get no gradients, and factors do", .needsLibTorch)
  func frozen() throws {
    let fixture = try NetworkFixture()
    let plan = try PhasePlan(Self.adaptor(), for: fixture.network)
    let model = try TrainableModel(fixture.dense, in: plan, seed: 1)
    let gradients = Dictionary(zip(model.trainedNames, try fixture.gradients(model))) { $1 }
    for (name, layer) in plan.layers {
      #expect(model.trained[name] == nil && model.fixed[name]?.requiresGradient == false)
      let names = layer.trainedShapes.map(\.name)
      // The last factor is zero, so that the first one's gradient is zero at first.
      #expect(try #require(gradients[names[0]]).abs().max().item(as: Float.self) == 0)
      #expect(try #require(gradients[names[1]]).abs().max().item(as: Float.self) > 0)
    }
    #expect(gradients["bn1.running_mean"] == nil && gradients["fc.weight"] != nil)
  }

  @Test("New random numbers for every phase, the same for the same seed", .needsLibTorch)
  func seeds() throws {
    let fixture = try NetworkFixture()
    let plan = try PhasePlan(Self.adaptor(), for: fixture.network)
    func down(_ seed: UInt64, _ phase: Int) throws -> TorchTensor {
      try #require(
        TrainableModel(fixture.dense, in: plan, seed: seed, phase: phase)
          .trained["conv1.weight.adaptor.down"])
    }
    let first = try down(1, 2)
    #expect(try distance(first, down(1, 2)) == 0)
    #expect(try distance(first, down(1, 3)) > 0 && distance(first, down(2, 2)) > 0)
  }

  @Test("What normalisations counted stays, or begins anew where that is wanted", .needsLibTorch)
  func statistics() throws {
    let fixture = try NetworkFixture()
    var model = try TrainableModel(
      fixture.dense, in: PhasePlan(Self.lowRank(), for: fixture.network), seed: 1)
    let dense = try PhasePlan(.dense, for: fixture.network)
    var moments: [String: [TorchTensor]] = [:]
    try model.change(to: dense, phase: 1, seed: 1, moments: &moments)
    let mean = try #require(model.fixed["bn1.running_mean"])
    #expect(try distance(mean, #require(fixture.dense["bn1.running_mean"])) == 0)
    try model.change(
      to: dense, phase: 2, seed: 1, statistics: .restarted, moments: &moments)
    #expect(try distance(#require(model.fixed["bn1.running_mean"]), .zeros([6])) == 0)
    #expect(try distance(#require(model.fixed["bn1.running_var"]), .ones([6])) == 0)
  }

  @Test("Moments of factors become those of the weight: M U V", .needsLibTorch)
  func carried() throws {
    let fixture = try NetworkFixture()
    let plan = try PhasePlan(Self.lowRank(), for: fixture.network)
    var model = try TrainableModel(fixture.dense, in: plan, seed: 1)
    var moments: [String: [TorchTensor]] = [:]
    for (name, tensor) in model.trained { moments[name] = [try numbers(tensor.shape, name)] }
    let (before, tensors) = (moments, model.trained)
    try model.change(
      to: PhasePlan(.dense, for: fixture.network), phase: 1, seed: 1, momentum: .carry,
      moments: &moments)
    #expect(Set(moments.keys) == Set(model.trainedNames))
    #expect(try distance(moments["fc.bias"]![0], before["fc.bias"]![0]) == 0)
    for name in plan.layers.keys {
      func matrix(_ tensor: TorchTensor?) throws -> TorchTensor {
        let tensor = try #require(tensor).detached()
        return try tensor.reshaped([tensor.shape[0], -1])
      }
      let (down, up) = (name + ".low_rank.down", name + ".low_rank.up")
      let expected =
        try matrix(before[up]?[0]).matmul(matrix(tensors[down]))
        + matrix(tensors[up]).matmul(matrix(before[down]?[0]))
      #expect(try distance(matrix(moments[name]?[0]), expected) < 1e-5)
    }
    // An optimiser goes on with them.
    let rule = OptimizationRule.sgd(momentum: 0.9)
    let state = try model.optimizer(rule, learningRate: 0.1, step: 7, carrying: moments).state()
    #expect(state.step == 7)
    let again = model.moments(of: state)
    #expect(try distance(again["conv1.weight"]![0], moments["conv1.weight"]![0]) == 0)
  }

  @Test(
    "Carried moments are how the folded weight moves with its factors", .needsLibTorch,
    arguments: FactorForm.allCases)
  func finiteDifferences(form: FactorForm) throws {
    let layer = AdaptorLayer(ParameterShape("w", [5, 4, 3, 3]), form: form, rank: 3, alpha: 2)
    let weight = try numbers([5, 4, 3, 3], "weight").converted(to: .f64)
    var tensors: [String: TorchTensor] = ["w": weight]
    var (ahead, behind): ([String: TorchTensor], [String: TorchTensor]) = (tensors, tensors)
    var (moments, factors): ([[TorchTensor]], [TorchTensor]) = ([], [])
    for shape in layer.trainedShapes {
      let factor = try numbers(shape.extents, shape.name).converted(to: .f64)
      let moment = try numbers(shape.extents, shape.name + "m").converted(to: .f64)
      tensors[shape.name] = factor
      ahead[shape.name] = try factor.sum(with: moment, times: 1e-4)
      behind[shape.name] = try factor.sum(with: moment, times: -1e-4)
      factors.append(factor)
      moments.append([moment, try moment.abs()])
    }
    let gathered = try layer.gathered(moments, factors)
    #expect(gathered.count == 2)
    let slope = try (layer.folded(Parameters(ahead)) - layer.folded(Parameters(behind))) * 5e3
    #expect(try distance(gathered[0], slope) < 1e-5)
    // ⟨M_W, dW⟩ is the same by the weight and by the factors.
    let dense = try numbers([5, 4, 3, 3], "dense").converted(to: .f64)
    let spread = try layer.spread([dense], factors)
    var sum = 0.0
    for (part, moment) in zip(spread, moments) {
      sum += try (part[0] * moment[0]).sum().item(as: Double.self)
    }
    let whole = try (gathered[0] * dense).sum().item(as: Double.self)
    #expect(abs(sum - whole) < 1e-8 * max(1, abs(whole)))
  }

  @Test("Reset is the published rule: no moment goes on", .needsLibTorch)
  func reset() throws {
    let fixture = try NetworkFixture()
    var model = try TrainableModel(
      fixture.dense, in: PhasePlan(Self.lowRank(), for: fixture.network), seed: 1)
    var moments: [String: [TorchTensor]] = ["fc.weight": [try numbers([4, 24], "m")]]
    try model.change(
      to: PhasePlan(.dense, for: fixture.network), phase: 1, seed: 1, moments: &moments)
    #expect(moments.isEmpty)
  }

  @Test(
    "Weights can be cut to factors, with their moments", .needsLibTorch,
    .enabled(if: Backend.isAvailable))
  func cut() throws {
    let fixture = try NetworkFixture()
    var model = try TrainableModel(
      fixture.dense, in: PhasePlan(.dense, for: fixture.network), seed: 1)
    var moments: [String: [TorchTensor]] = [:]
    for (name, tensor) in model.trained { moments[name] = [try numbers(tensor.shape, name)] }
    let before = moments
    var settings = LowRankSettings()
    settings.startsFromWeight = true
    let plan = try PhasePlan(.lowRank(settings), for: fixture.network)
    try model.change(to: plan, phase: 1, seed: 1, momentum: .carry, moments: &moments)
    let name = "layer3.0.conv2.weight"
    let dense = try #require(fixture.dense[name])
    let all = Parameters(model.trained)
    let error = try (try #require(plan.layers[name]).folded(all) - dense).square().sum()
    let rest = try RankMeasure(dense).spectrum.dropFirst(12).map { $0 * $0 }.reduce(0, +)
    #expect(abs(Double(try error.item(as: Float.self)) / rest - 1) < 1e-3)
    // M_up = M_W · downᵀ.
    let moment = try #require(before[name]?[0]).reshaped([24, -1])
    let down = try all(name + ".low_rank.down").detached().reshaped([12, -1])
    let up = try #require(moments[name + ".low_rank.up"]?[0]).reshaped([24, 12])
    #expect(try distance(up, moment.matmul(down.transposed())) < 1e-4)
    #expect(moments[name] == nil)
  }
}
