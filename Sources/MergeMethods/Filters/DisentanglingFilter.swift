public import TinctureMerging
public import TinctureTensors

/// Takes one redundant vector out of all task vectors, so that they interfere less: AWD in front of any method.
///
/// δ = Σ aₖ τₖ minimises mean over pairs |cos(τᵢ − δ, τⱼ − δ)| + α ‖δ‖ over whole models; `Awd` says how it is found. Where some
/// models lack a tensor, only the others' parts of δ are taken out there. Source: Xiong et al., arXiv:2411.18729.
public struct DisentanglingFilter: TaskVectorFilter {
  /// The description of the step.
  public let info = FilterInfo(
    name: "awd", aliases: ["adaptive_weight_disentanglement", "disentangle"],
    summary: "Takes a redundant vector out of all task vectors, so that they interfere less.",
    formula: "δ = argmin mean |cos(τᵢ − δ, τⱼ − δ)| + α ‖δ‖;  τᵢ ← τᵢ − δ",
    source: "Xiong et al. 2024, Multi-Task Model Merging via Adaptive Weight Disentanglement",
    link: "https://arxiv.org/abs/2411.18729",
    parameters: [Awd.alpha, Awd.rate, Awd.steps, Awd.tolerance])

  private var coefficients: [Int: Double] = [:]

  /// Creates the filter.
  public init() {}

  /// A vector for what is taken out.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// One pass more.
  public func cost(_ parameters: ResolvedParameters) -> String? {
    "finds the inner products of whole task vectors by a pass over all tensors beforehand"
  }

  /// Finds the redundant vector.
  public func prepared(_ session: MergeSession) async throws(TinctureError)
    -> any TaskVectorFilter
  {
    var copy = self
    copy.coefficients = try await Awd.coefficients(session)
    return copy
  }

  /// The redundant vector of a tensor.
  public func settled(_ inputs: MergeInputs) throws(TinctureError) -> any TaskVectorPass {
    Pass(shares: inputs.step.modelIndices.map { Float(coefficients[$0] ?? 0) })
  }

  private struct Pass: TaskVectorPass {
    let shares: [Float]

    var seesAllModels: Bool { true }

    func apply(to block: inout ElementBlock, models: Range<Int>, _ inputs: MergeInputs) {
      var redundant = inputs.scratch()
      redundant.use(block.count) { block.weightedSum(shares, into: &$0) }
      for model in 0..<block.modelCount {
        block.change(model: model) { Kernels.subtract(redundant.prefix($0.count), from: &$0) }
      }
    }
  }
}
