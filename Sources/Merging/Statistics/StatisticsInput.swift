/// The statistics of one model's tensor.
public struct StatisticsInput: Sendable {
  /// Reads them.
  public let reader: any TensorReader
  /// Whether the tensor is a weight that is stored [in, out], as GPT-2's are, and not [out, in].
  public let isInputMajor: Bool

  /// Creates an input.
  public init(_ reader: any TensorReader, isInputMajor: Bool = false) {
    self.reader = reader
    self.isInputMajor = isInputMajor
  }
}
