internal import TinctureMerging
internal import TinctureTensors

extension MethodConformance {
  /// NaN is an error with its place, or is replaced by the base's element, or is let through.
  func checkNonFinite(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    let (tensor, element) = ("tensor[3, 5]", 8)
    var spoilt = models
    var repaired = models
    let last = modelCount - 1
    let hasBase = trial(models).base != nil
    let original = hasBase ? models.base[tensor]?[element] ?? 0 : 0
    spoilt.models[last].replace(element, of: tensor, by: -.infinity)
    repaired.models[last].replace(element, of: tensor, by: original)
    var found: [String] = []
    var trial = trial(spoilt)
    do throws(TinctureError) {
      _ = try await trial.run()
      found.append("an infinite element is not noticed")
    } catch {
      let isPlaced =
        error.code == .checkpoint && error.place.model == "model\(last)"
        && error.place.tensor == tensor && error.message.contains("Element \(element) ")
      if !isPlaced { found.append("the error of an infinite element lacks its place: \(error)") }
    }
    trial.options.nonFinite = .replaceByBase
    let replaced = try await trial.run().bytes
    if try await self.trial(repaired).run().bytes != replaced {
      found.append("an infinite element is not replaced by the base's")
    }
    trial.options.nonFinite = .propagate
    trial.models[last].replace(element, of: tensor, by: .nan)
    _ = try await trial.run()
    return found
  }
}
