import Testing
import TinctureMergeTesting
import TinctureMerging
import TinctureTensors

/// A mean that breaks one promise.
private struct FaultyMean: MergeMethod {
  enum Fault: Sendable, CaseIterable {
    case none, blockSize, cut, order, factor, unchecked, unexpectedSeed, missingSeed, vectors, base
  }

  let fault: Fault

  var info: MethodInfo {
    MethodInfo(
      name: "faulty_mean", title: "Faulty mean", summary: "A mean.", formula: "θ = mean θᵢ",
      source: "", base: fault == .base ? .required : .none, models: 1...8, streaming: .element,
      isRandom: fault == .missingSeed)
  }

  func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  func merge(_ inputs: MergeInputs, state: Void) throws(TinctureError) {
    if fault == .unchecked { return try inputs.passThrough(model: 0) }
    try inputs.produce(.values) { (block, output) throws(TinctureError) in
      for model in 0..<block.modelCount {
        let weight: Float = fault == .order && model == 0 ? 0.5 : 0.25
        Kernels.add(block[model: model], times: weight, to: &output)
      }
      if fault == .vectors {
        var spare = inputs.scratch()
        spare.use(1) { $0[0] = 0 }
      }
      let extra: Float =
        switch fault {
        case .blockSize: Float(block.count)
        case .cut: Float(inputs.step.elements.count)
        case .factor: output.count > 0 ? output[0] + 1 : 0
        case .unexpectedSeed:
          Float(inputs.random("fault", model: 0).uniform(at: block.start))
        case .base: 1
        default: 0
        }
      for index in 0..<output.count { output[index] += extra }
    }
  }
}

@Suite("The conformance kit finds what it looks for")
struct MethodConformanceTests {
  @Test("A method that keeps its promises passes")
  func sound() async throws {
    let violations = try await MethodConformance(FaultyMean(fault: .none)).violations()
    #expect(violations.isEmpty)
  }

  @Test(
    "A broken promise is named",
    arguments: [
      (FaultyMean.Fault.blockSize, "blocks of"), (.cut, "when tensors are cut"),
      (.order, "models reversed"), (.factor, "of equal models"),
      (.unchecked, "is not noticed"), (.unexpectedSeed, "although the method is not random"),
      (.missingSeed, "although the method is random"), (.vectors, "vectors more than the 0"),
      (.base, "of zero task vectors"),
    ])
  private func broken(fault: FaultyMean.Fault, sentence: String) async throws {
    let violations = try await MethodConformance(FaultyMean(fault: fault)).violations(
      dtypes: [.f32])
    #expect(violations.contains { $0.contains(sentence) }, "\(violations)")
  }

  @Test("Values that the method does not accept are refused")
  func values() {
    let error = #expect(throws: TinctureError.self) {
      try MethodConformance(FaultyMean(fault: .none), values: ["weight": .number(1)])
    }
    #expect(error?.code == .recipe)
  }
}
