import Testing
import TinctureMerging
import TinctureRecipes
import TinctureTensors

@Suite("Parameters")
struct ParameterSettingTests {
  private func numbers(_ values: [Double]) -> ParameterSetting {
    .gradient(values.map { .number($0) })
  }

  @Test(
    "A gradient of numbers is interpolated at depth · (n − 1)",
    arguments: [
      ([0, 1], 0, 0), ([0, 1], 0.25, 0.25), ([0, 1], 1, 1), ([1, 0.5, 0], 0.75, 0.25),
      ([0, 0.5, 0.25, 0.75, 1], 0.125, 0.25), ([0, 0.5, 0.25, 0.75, 1], 0.375, 0.375),
      ([0, 0.5, 0.25, 0.75, 1], 0.5, 0.25), ([3], 0.7, 3), ([2, 4], -1, 2), ([2, 4], 9, 4),
      ([2, 4], .nan, 2),
    ] as [([Double], Double, Double)])
  func gradient(values: [Double], depth: Double, expected: Double) {
    #expect(
      numbers(values).evaluate(name: "x", layer: nil, depth: depth) == .number(expected))
  }

  @Test("A gradient over 40 layers hits the values that mergekit computes")
  func layers() {
    let setting = numbers([0, 0.5, 0.3, 0.7, 1])
    let values = (0..<40).map { layer in
      setting.evaluate(name: "x", layer: layer, depth: Double(layer) / 39)?.number ?? -1
    }
    // Layer 13 is at x = 4/3: one third of the way from 0.5 to 0.3.
    #expect(abs(values[13] - 0.5 + 0.2 / 3) < 1e-15)
    #expect(values[0] == 0)
    #expect(values[39] == 1)
  }

  @Test("Truth values count as numbers in a gradient, as in Python")
  func boolGradient() {
    let setting = ParameterSetting.gradient([.bool(false), .bool(true)])
    #expect(setting.evaluate(name: "x", layer: nil, depth: 0.5) == .number(0.5))
  }

  @Test(
    "A gradient with a word in it takes the entry at the whole part",
    arguments: [
      (0.0, "a"), (0.49, "a"), (0.5, "b"), (0.99, "b"), (1.0, "c"),
    ])
  func words(depth: Double, expected: String) {
    let setting = ParameterSetting.gradient([.text("a"), .text("b"), .text("c")])
    #expect(setting.evaluate(name: "x", layer: nil, depth: depth) == .text(expected))
  }

  @Test("The first condition that chooses a tensor decides; without one there is no value")
  func conditions() throws {
    let recipe = try parseOne(
      """
      merge_method: slerp
      models: [{model: a}]
      parameters:
        t:
          - {filter: self_attn, value: [0, 1]}
          - {filter: attn, value: 7}
          - {filter: '*', layers: [2, 4], value: 8}
        u: {filter: mlp, value: 3}
      """)
    let t = try #require(recipe.parameters["t"]).setting
    #expect(t.evaluate(name: "l.self_attn.q", layer: 1, depth: 0.25) == .number(0.25))
    #expect(t.evaluate(name: "l.attn.q", layer: 1, depth: 0.25) == .number(7))
    #expect(t.evaluate(name: "l.norm", layer: 3, depth: 0.25) == .number(8))
    #expect(t.evaluate(name: "l.norm", layer: 4, depth: 0.25) == nil)
    #expect(t.evaluate(name: "norm", layer: nil, depth: 0.25) == nil)
    #expect(t.writtenValues == [.number(0), .number(1), .number(7), .number(8)])
    let u = try #require(recipe.parameters["u"]).setting
    #expect(u.evaluate(name: "mlp", layer: nil, depth: 0) == .number(3))
    #expect(u.evaluate(name: "attn", layer: nil, depth: 0) == nil)
  }

  @Test("A level whose conditions do not choose the tensor is passed over")
  func scope() throws {
    let recipe = try Fixture.recipe("ties")
    guard case .models(let models) = recipe.inputs else { return }
    var outer = recipe.parameters
    let place = SourcePosition(line: 1, column: 1)
    outer.entries.append(
      .init(
        name: "weight", setting: .value(.number(9)), position: place, settingPosition: place))
    let attention = ParameterTable([
      .init(
        name: "weight",
        setting: .conditional([
          .init(
            selector: TensorSelector(substring: "attn"), setting: .value(.number(4)),
            position: place)
        ]), position: place, settingPosition: place)
    ])
    let scope = ParameterScope([attention, nil, models[2].parameters, outer])
    func weight(_ tensor: String) -> ParameterValue? {
      scope.resolve("weight", tensor: tensor, layer: 0, depth: 0)?.value
    }
    #expect(weight("attn") == .number(4))
    #expect(weight("mlp") == .number(0.5))
    #expect(weight("norm") == .number(0))
    #expect(
      ParameterScope([attention, outer]).resolve("weight", tensor: "mlp", layer: 0, depth: 0)?
        .value == .number(9))
    #expect(scope.resolve("density", tensor: "x", layer: 0, depth: 0)?.position.line == 12)
    #expect(scope.resolve("normalize", tensor: "x", layer: 0, depth: 0)?.value == .bool(true))
    #expect(scope.resolve("lambda", tensor: "x", layer: 0, depth: 0) == nil)
  }

  @Test("Filters compare bytes, so a composed letter is not a decomposed one")
  func bytes() {
    #expect(TensorSelector(substring: "\u{e9}").matches(name: "caf\u{e9}", layer: nil))
    #expect(!TensorSelector(substring: "\u{e9}").matches(name: "cafe\u{301}", layer: nil))
    #expect(TensorSelector.everything.matches(name: "", layer: nil))
    #expect(TensorSelector(substring: "*").matches(name: "", layer: nil))
  }

  @Test("Values convert as Python converts them")
  func conversions() {
    #expect(ParameterValue.bool(true).number == 1)
    #expect(ParameterValue.number(0).bool == false)
    #expect(ParameterValue.number(0.5).bool == true)
    #expect(ParameterValue.text("x").number == nil)
    #expect(ParameterValue.number(3).description == "3")
    #expect(ParameterValue.number(0.25).description == "0.25")
  }
}
