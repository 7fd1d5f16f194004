internal import TinctureMerging
internal import TinctureTensors

extension MethodConformance {
  /// Workers, windows, blocks and cuts change no byte.
  func checkSameBytes(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    var trial = trial(models)
    let expected = try await trial.run().bytes
    var found: [String] = []
    let tunings = [
      EngineTuning(windowBytes: 1, blockElements: 1, share: 0),
      EngineTuning(windowBytes: 5000, blockElements: 8192),
    ]
    for (workers, tuning) in zip([2, 8], tunings) {
      trial.engine = MergeEngine(workers: workers, memoryLimit: 1 << 20, tuning: tuning)
      if try await trial.run().bytes != expected {
        found.append(
          "the output (\(models.dtype.rawValue)) differs with \(workers) workers, windows of"
            + " \(tuning.windowBytes) bytes and blocks of \(tuning.blockElements) elements")
      }
    }
    if method.isElementwise(parameters) {
      trial.cutLength = 1021
      if try await trial.run().bytes != expected {
        found.append("the output (\(models.dtype.rawValue)) differs when tensors are cut")
      }
    }
    return found
  }

  /// The seed matters for random methods, and for no other.
  func checkSeeds(_ models: ConformanceModels) async throws(TinctureError) -> [String] {
    var trial = trial(models)
    let first = try await trial.run().bytes
    guard try await trial.run().bytes == first else {
      return ["the same seed gives two different outputs"]
    }
    trial.options.seed = 1
    let second = try await trial.run().bytes
    switch (method.info.isRandom, first == second) {
    case (true, true): return ["two seeds give the same output, although the method is random"]
    case (false, false):
      return ["two seeds give different outputs, although the method is not random"]
    default: return []
    }
  }
}
