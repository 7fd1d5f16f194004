/// How a later merge takes one more model into the result of this one, without the models it was made of.
///
/// The later merge is an ordinary one by the same method: the result is its first model, with the values of
/// `merged`, the further models have those of `appended`, and `parameters` hold for all. It gives what merging
/// all models at once gives, but for the rounding of the result in between.
public struct MergeContinuation: Sendable, Hashable {
  /// How many models the result merges.
  public var modelCount: Int
  /// Values of parameters that differ from those of the merge itself.
  public var parameters: [String: ParameterValue]
  /// The result's own values of parameters with one for each model.
  public var merged: [String: ParameterValue]
  /// The further models' values; what is missing must be given for each of them.
  public var appended: [String: ParameterValue]

  /// Creates a continuation.
  public init(
    modelCount: Int, parameters: [String: ParameterValue] = [:],
    merged: [String: ParameterValue] = [:], appended: [String: ParameterValue] = [:]
  ) {
    self.modelCount = modelCount
    self.parameters = parameters
    self.merged = merged
    self.appended = appended
  }

  /// This continuation as one of a merge that itself went on from another.
  ///
  /// - Parameters:
  ///   - earlier: The other's continuation.
  ///   - count: How many models came in since.
  /// - Returns: The continuation with all models counted and with the values that further models had from
  ///   the beginning.
  public func following(_ earlier: MergeContinuation, appending count: Int) -> MergeContinuation {
    var result = self
    result.modelCount = earlier.modelCount + count
    result.appended.merge(earlier.appended) { _, first in first }
    return result
  }
}

extension MergeMethod {
  /// Not possible.
  public func continuation(
    _ state: State, _ parameters: ResolvedParameters, modelCount: Int
  ) -> MergeContinuation? { nil }

  /// How a plan's result is gone on from; nil where tensors merge different models, or where values of
  /// single models differ from tensor to tensor.
  func continuation(of steps: [MergeStep], _ state: State) -> MergeContinuation? {
    guard let first = steps.first,
      steps.allSatisfy({
        $0.modelIndices == first.modelIndices
          && $0.parameters.models == first.parameters.models
      })
    else { return nil }
    return continuation(state, first.parameters, modelCount: first.models.count)
  }
}
