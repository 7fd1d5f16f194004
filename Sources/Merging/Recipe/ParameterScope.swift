/// The levels of a recipe that may give a parameter its value, the innermost first.
///
/// The levels are, from the inside: the source of a slice or the entry of a model, the output
/// slice, the module, the whole recipe. A level whose conditions do not choose the tensor is passed
/// over.
public struct ParameterScope: Sendable, Hashable {
  /// The levels, the innermost first.
  public var tables: [ParameterTable]

  /// Creates a scope from its levels, the innermost first; levels that are absent are left out.
  public init(_ tables: [ParameterTable?]) { self.tables = tables.compactMap(\.self) }

  /// The value of a parameter for one tensor and where it is written.
  ///
  /// - Parameters:
  ///   - parameter: The name of the parameter.
  ///   - tensor: The name of the tensor.
  ///   - layer: The number of its layer, or nil outside the layers.
  ///   - depth: The place of its layer from 0 (first) to 1 (last).
  /// - Returns: The value of the first level that has one, or nil when none has.
  /// - Complexity: O(n) in the number of parameters of all levels.
  public func resolve(
    _ parameter: String, tensor: String, layer: Int?, depth: Double
  ) -> Located<ParameterValue>? {
    for table in tables {
      if let entry = table[parameter],
        let value = entry.setting.evaluate(name: tensor, layer: layer, depth: depth)
      {
        return Located(value, at: entry.settingPosition)
      }
    }
    return nil
  }
}
