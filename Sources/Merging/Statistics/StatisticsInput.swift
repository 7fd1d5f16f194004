/// The statistics of one model's tensor.
public struct StatisticsInput: Sendable {
  /// Reads them.
  public let reader: any TensorReader
  /// Whether the tensor is a weight that is stored [in, out], as GPT-2's are, and not [out, in].
  public let isInputMajor: Bool
  /// Reads the mean of the rows of a linear layer's input, [in], where the file has it.
  public let mean: (any TensorReader)?

  /// Creates an input.
  public init(
    _ reader: any TensorReader, isInputMajor: Bool = false, mean: (any TensorReader)? = nil
  ) {
    self.reader = reader
    self.isInputMajor = isInputMajor
    self.mean = mean
  }
}
