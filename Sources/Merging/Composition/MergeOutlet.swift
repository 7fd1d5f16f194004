internal import TinctureTensors

/// Where the blocks go that a method produces, and what happens to them on the way.
struct MergeOutlet {
  /// Where blocks end.
  enum End {
    /// In the output.
    case file
    /// In memory.
    case memory(MergedTensor)
    /// Nowhere; only their distance to the base is counted.
    case measure(MergedLength)
  }

  /// Changes of the merged task vector.
  var passes: [any MergedVectorPass] = []
  /// Where blocks end.
  var end = End.file
}

/// Receives the blocks of a merged tensor in order.
final class MergedTensor {
  private(set) var elements: ContiguousArray<Float> = []

  init(capacity: Int) { elements.reserveCapacity(capacity) }

  func append(_ block: Span<Float>) {
    for index in 0..<block.count { elements.append(block[index]) }
  }
}

/// Adds up the squared length of a merged task vector.
final class MergedLength {
  private(set) var square = 0.0

  func add(_ vector: Span<Float>) { Kernels.addDot(vector, vector, to: &square) }
}

extension MergeInputs {
  /// Changes the task vectors that blocks hold, for as long as this step lasts.
  func install(_ passes: [any TaskVectorPass]) { taskVectorPasses = passes }

  /// Shows other parameters, and other models where some are given, to whoever looks at the step.
  ///
  /// - Parameters:
  ///   - parameters: The parameters.
  ///   - models: The models with their positions; nil to leave them.
  ///   - body: Looks at the step.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  func showing<Result>(
    _ parameters: ResolvedParameters, models: [any TensorReader]? = nil,
    _ body: () throws(TinctureError) -> Result
  ) throws(TinctureError) -> Result {
    let own = step
    step = step.showing(parameters, models: models)
    defer { step = own }
    return try body()
  }

  /// Shows other parameters from now on.
  func show(_ parameters: ResolvedParameters) { step = step.showing(parameters) }

  /// Sends what `body` produces through an outlet.
  func sending<Result>(to outlet: MergeOutlet, _ body: () throws(TinctureError) -> Result)
    throws(TinctureError) -> Result
  {
    let own = self.outlet
    self.outlet = outlet
    defer { self.outlet = own }
    return try body()
  }

  /// Applies the outlet's passes to a block that a method produced.
  func finish(
    _ merged: inout MutableSpan<Float>, base: Span<Float>, from start: Int,
    _ passes: inout [any MergedVectorPass]
  ) {
    guard !passes.isEmpty else { return }
    Kernels.subtract(base, from: &merged)
    for index in passes.indices { passes[index].apply(to: &merged, from: start) }
    Kernels.add(base, to: &merged)
  }
}

extension MergeStep {
  /// The same step with other parameters and other models.
  func showing(_ parameters: ResolvedParameters, models: [any TensorReader]? = nil) -> MergeStep {
    MergeStep(
      index: index, name: name, shape: shape, dtype: dtype, action: action, base: base,
      models: models ?? self.models,
      modelIndices: models.map { Array($0.indices) } ?? modelIndices,
      statistics: models == nil ? statistics : [], parameters: parameters, layer: layer,
      depth: depth, inputRounding: inputRounding, elements: elements, output: output,
      extras: extras)
  }
}
