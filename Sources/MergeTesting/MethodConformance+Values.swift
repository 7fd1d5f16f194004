internal import TinctureMerging
internal import TinctureTensors

extension MethodConformance {
  /// The order of the models does not matter.
  func checkSymmetry(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    let expected = try await trial(models).run().model
    var reversed = models
    reversed.models.reverse()
    reversed.statistics.reverse()
    let got = try await trial(reversed).run().model
    return models.difference(got, expected).map { ["with models reversed, \($0)"] } ?? []
  }

  /// Models that are all equal give that model.
  func checkEqualModels(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    guard let model = models.models.first else { return [] }
    var equal = models
    equal.models = equal.models.map { _ in model }
    let got = try await trial(equal, withBase: false).run().model
    return models.difference(got, model).map { ["of equal models, \($0)"] } ?? []
  }

  /// Models equal to the base give the base.
  func checkZeroTaskVectors(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    var equal = models
    equal.models = equal.models.map { _ in models.base }
    let got = try await trial(equal).run().model
    return models.difference(got, models.base).map { ["of zero task vectors, \($0)"] } ?? []
  }
}
