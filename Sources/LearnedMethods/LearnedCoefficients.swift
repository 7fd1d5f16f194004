internal import TinctureCheckpoints
internal import TinctureFitting
internal import TinctureMerging
internal import TinctureTensors

/// What a fit of coefficients leaves for the merge that follows it.
public struct LearnedCoefficients: Sendable {
  /// The coefficients of one tensor.
  struct Row {
    /// Ranges of elements, and a number for each task.
    let pieces: [(elements: Range<Int>, values: [Float])]
    /// Which piece each element belongs to, where the pieces are random parts.
    let parts: RandomParts?
  }

  /// The coefficients of each tensor that was learned.
  let rows: [String: Row]
  /// The coefficients of all other tensors.
  let fallback: [Float]
  /// What is done to task vectors first.
  let change: (any TaskVectorChange)?
  /// Files for the output.
  let sidecars: [MergePlan.Sidecar]

  /// Takes what was learned.
  ///
  /// - Parameters:
  ///   - fit: What the coefficients were learned from.
  ///   - learned: The coefficients, and what the fit left beside them.
  ///   - method: The name of the method.
  ///   - change: What is done to task vectors first.
  /// - Throws: `engine` when LibTorch fails.
  init(
    _ fit: CoefficientFit, _ learned: LearnedTable, method: String,
    change: (any TaskVectorChange)? = nil
  ) throws(TinctureError) {
    var parts = TaskPartsWriter(method: method)
    try learned.outcome?.add(to: &parts)
    self.init(
      learned.table, fit.vectors.tensors, learned.outcome?.history, stages: learned.stages, parts,
      learned.sidecars, method: method, change: change)
  }

  /// Takes coefficients, and parts that were learned beside them or after them.
  init(
    _ table: CoefficientTable, _ tensors: [TaskVectorSet.Tensor], _ history: FitHistory?,
    stages: [(title: String, history: FitHistory)] = [], _ parts: TaskPartsWriter,
    _ further: [MergePlan.Sidecar] = [], method: String, change: (any TaskVectorChange)?
  ) {
    var rows: [String: Row] = [:]
    for (index, tensor) in tensors.enumerated() {
      rows[tensor.name] = Row(
        pieces: table.coefficients(ofTensor: index), parts: table.parts(index))
    }
    self.rows = rows
    // Tensors that no network sees get what they would have had: the common coefficient, or that of the start.
    fallback = table.coefficientsOfOthers
    self.change = change
    var sidecars = further
    if let history {
      sidecars += FitLog(history, stages: stages, method: method, tensors, table).sidecars
    }
    if !parts.isEmpty {
      sidecars.append(.init(path: TaskParts.fileName, contents: parts.encoded()))
    }
    self.sidecars = sidecars
  }
}
