/// A step before or after the method, as a recipe writes it.
public struct FilterEntry: Sendable, Hashable {
  /// The name of the step, as it was written.
  public var name: Located<String>
  /// The parameters of the step.
  public var parameters: ParameterTable

  /// Names a step with its parameters.
  public init(name: Located<String>, parameters: ParameterTable = ParameterTable()) {
    self.name = name
    self.parameters = parameters
  }
}
