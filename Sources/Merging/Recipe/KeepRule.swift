/// Tensors that are taken from one model as they are, without merging.
public struct KeepRule: Sendable, Hashable {
  /// The tensors.
  public var selector: TensorSelector
  /// The model; nil for the base.
  public var reference: ModelReference?
  /// Where the rule begins.
  public var position: SourcePosition

  /// Creates a rule.
  public init(selector: TensorSelector, reference: ModelReference?, position: SourcePosition) {
    self.selector = selector
    self.reference = reference
    self.position = position
  }
}
