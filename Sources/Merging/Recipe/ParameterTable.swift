/// The parameters of one level of a recipe, in the order in which they were written.
public struct ParameterTable: Sendable, Hashable {
  /// A parameter and what is written for it.
  public struct Entry: Sendable, Hashable {
    /// The name of the parameter.
    public var name: String
    /// What is written for it.
    public var setting: ParameterSetting
    /// Where the name stands.
    public var position: SourcePosition
    /// Where the setting stands.
    public var settingPosition: SourcePosition

    /// Writes a parameter.
    public init(
      name: String, setting: ParameterSetting, position: SourcePosition,
      settingPosition: SourcePosition
    ) {
      self.name = name
      self.setting = setting
      self.position = position
      self.settingPosition = settingPosition
    }
  }

  /// The parameters in order; no name occurs twice.
  public var entries: [Entry]

  /// Creates a table.
  public init(_ entries: [Entry] = []) { self.entries = entries }

  /// The entry of a parameter.
  ///
  /// - Complexity: O(n) in the number of parameters of this level.
  public subscript(name: String) -> Entry? { entries.first { $0.name == name } }
}
