import Testing
import TinctureLinearAlgebra
import TinctureNetworks
import TinctureTensors
import TinctureTorch
import TinctureTraining

@Suite("Ranks of weights", .enabled(if: Backend.isAvailable))
struct RankMeasureTests {
  @Test("Counts of known singular values")
  func counts() {
    let even = RankMeasure(Spectrum([2.0, 2, 2, 2]))
    #expect(abs(even.effectiveRank - 4) < 1e-12 && even.stableRank == 4 && even.numericalRank == 4)
    let steep = RankMeasure(Spectrum([1.0, 0.5, 1e-3, 0.9e-3]))
    #expect(abs(steep.stableRank - 1.25) < 1e-5 && steep.numericalRank == 2)
    let nothing = RankMeasure(Spectrum([0.0, 0]))
    #expect(
      nothing.effectiveRank == 0 && nothing.stableRank == 0 && nothing.numericalRank == 0)
  }

  @Test("Filters are a matrix of outputs by all else", .needsLibTorch)
  func filters() throws {
    let layer = LowRankLayer(ParameterShape("w", [8, 4, 3, 3]), form: .matrix, rank: 3)
    let random = CounterRandom(seed: 2, tensor: "w", purpose: "test")
    let tensors = try layer.tensors(from: numbers([8, 4, 3, 3], "w"), random)
    let measure = try RankMeasure(layer.folded(Parameters(tensors)))
    #expect(measure.spectrum.count == 8 && measure.numericalRank == 3)
    #expect(measure.effectiveRank <= 3 + 1e-5 && measure.effectiveRank > 2)
  }

  @Test("Each weight of a model is measured, factored or not", .needsLibTorch)
  func models() throws {
    let fixture = try NetworkFixture()
    let mode = LayerMode.lowRank(LowRankSettings())
    let model = try TrainableModel(
      fixture.dense, in: PhasePlan(mode, for: fixture.network), seed: 1)
    let measures = try model.rankMeasures()
    let folded = try RankMeasure.measures(of: model.folded())
    #expect(measures == folded)
    let weights = fixture.network.parameterShapes.filter { $0.extents.count > 1 }.map(\.name)
    #expect(Set(measures.keys) == Set(weights))
    #expect(measures["layer3.0.conv2.weight"]?.numericalRank == 12)
    #expect(try #require(measures["fc.weight"]).spectrum.count == 4)
  }

  @Test("A weight that is not finite is named", .needsLibTorch)
  func notFinite() throws {
    let error = #expect(throws: TinctureError.self) {
      try RankMeasure.measures(of: ["bad.weight": TorchTensor([Float.nan, 1], shape: [1, 2])])
    }
    #expect(error?.place.tensor == "bad.weight")
  }
}
