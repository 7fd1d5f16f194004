public import TinctureMerging
public import TinctureTensors

/// Drops at every position the elements whose sign is not that of the sum of the task vectors.
///
/// Source: Yadav et al., arXiv:2306.01708.
public struct SignElectionFilter: TaskVectorFilter {
  /// The description of the step.
  public let info = FilterInfo(
    name: "elect", aliases: ["sign_election"],
    summary: "Drops elements whose sign is not that of the sum of all task vectors.",
    formula: "τᵢ ← τᵢ [sign τᵢ = sign Σ τⱼ], with + where the sum is zero",
    source: "Yadav et al. 2023, TIES-Merging", link: "https://arxiv.org/abs/2306.01708")

  /// Creates the filter.
  public init() {}

  /// A vector for the sum.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory(vectors: 1) }

  /// Nothing has to be known.
  public func settled(_ inputs: MergeInputs) throws(TinctureError) -> any TaskVectorPass { Pass() }

  private struct Pass: TaskVectorPass {
    var seesAllModels: Bool { true }

    func apply(to block: inout ElementBlock, models: Range<Int>, _ inputs: MergeInputs) {
      SignElection.keepElected(&block, zeroSign: 1, inputs)
    }
  }
}
