public import TinctureCheckpoints
public import TinctureTensors

/// An output tensor beside the one that a step is named after.
public struct ExtraOutput: Sendable, Hashable {
  /// What is written.
  public let tensor: OutputLayout.Tensor
  /// Where it begins in the output.
  public let place: OutputLayout.Place

  /// Describes an output.
  public init(tensor: OutputLayout.Tensor, place: OutputLayout.Place) {
    self.tensor = tensor
    self.place = place
  }
}

/// A tensor of the plan, as a method sees it that is asked what else it writes.
public struct OutputScope: Sendable {
  /// The output tensor itself.
  public let tensor: OutputLayout.Tensor
  /// How many models the step has, the base not counted.
  public let modelCount: Int
  /// The values of the step.
  public let parameters: ResolvedParameters
  /// Whether the tensor is a table of the vocabulary.
  public let isVocabulary: Bool
  /// The extents of all merged tensors of the output by name.
  public let shapes: [String: Shape]

  /// Creates a scope.
  public init(
    tensor: OutputLayout.Tensor, modelCount: Int, parameters: ResolvedParameters,
    isVocabulary: Bool, shapes: [String: Shape]
  ) {
    self.tensor = tensor
    self.modelCount = modelCount
    self.parameters = parameters
    self.isVocabulary = isVocabulary
    self.shapes = shapes
  }
}

extension MergeMethod {
  /// Nothing.
  public func extraOutputs(_ scope: OutputScope) -> [OutputLayout.Tensor] { [] }
}

extension MergeInputs {
  /// Writes one of the step's extra outputs, rounded to its type.
  ///
  /// - Parameters:
  ///   - index: Which one, in the order of `extraOutputs`.
  ///   - values: All its elements in row-major order.
  /// - Throws: `io` when writing fails.
  /// - Complexity: O(n).
  public func write(extra index: Int, _ values: Span<Float>) throws(TinctureError) {
    let extra = step.extras[index]
    precondition(
      values.count == extra.tensor.shape.elementCount,
      "\(extra.tensor.name) does not hold \(values.count) elements.")
    guard let writer else {
      throw TinctureError(.internalError, "A survey must not produce output.")
    }
    var sink = OutputSink(
      dtype: extra.tensor.dtype, place: extra.place, writer: writer, piece: tuning.pieceBytes,
      buffer: workspace.output, advance: advance)
    var start = 0
    while start < values.count {
      try interruption.check()
      let end = min(start + workspace.blockCapacity, values.count)
      try sink.append(values.extracting(start..<end))
      start = end
    }
    try sink.flush()
  }
}
