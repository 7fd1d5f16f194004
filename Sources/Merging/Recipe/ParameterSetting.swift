/// What a recipe writes for one parameter.
public enum ParameterSetting: Sendable, Hashable {
  /// One value for all tensors.
  case value(ParameterValue)
  /// Values spread over the depth of the model.
  case gradient([ParameterValue])
  /// Settings for chosen tensors; the first that chooses a tensor decides.
  case conditional([ConditionalSetting])

  /// The value for one tensor, or nil when no condition chooses it.
  ///
  /// A gradient of n numbers is interpolated linearly at x = depth · (n − 1); truth values count as
  /// one and zero. A gradient with a word in it takes the entry at the whole part of x.
  ///
  /// - Parameters:
  ///   - name: The name of the tensor.
  ///   - layer: The number of its layer, or nil outside the layers.
  ///   - depth: The place of its layer from 0 (first) to 1 (last).
  /// - Returns: The value, or nil.
  public func evaluate(name: String, layer: Int?, depth: Double) -> ParameterValue? {
    switch self {
    case .value(let value): value
    case .gradient(let values): Self.interpolate(values, at: depth)
    case .conditional(let conditions):
      conditions.first { $0.selector.matches(name: name, layer: layer) }?
        .setting.evaluate(name: name, layer: layer, depth: depth)
    }
  }

  /// Every value that can come out at some tensor: the ends of all gradients and all single values.
  ///
  /// A range that holds all of these holds every interpolated value as well.
  public var writtenValues: [ParameterValue] {
    switch self {
    case .value(let value): [value]
    case .gradient(let values): values
    case .conditional(let conditions): conditions.flatMap(\.setting.writtenValues)
    }
  }

  private static func interpolate(_ values: [ParameterValue], at depth: Double) -> ParameterValue? {
    guard !values.isEmpty else { return nil }
    let last = values.count - 1
    let scaled = (depth > 0 ? min(depth, 1) : 0) * Double(last)
    let low = Int(scaled)
    let numbers = values.compactMap(\.number)
    guard numbers.count == values.count else { return values[low] }
    let fraction = scaled - Double(low)
    return .number((1 - fraction) * numbers[low] + fraction * numbers[min(last, low + 1)])
  }
}

/// A setting for chosen tensors.
public struct ConditionalSetting: Sendable, Hashable {
  /// The tensors.
  public var selector: TensorSelector
  /// A value or a gradient.
  public var setting: ParameterSetting
  /// Where the entry stands.
  public var position: SourcePosition

  /// Gives chosen tensors a setting.
  public init(selector: TensorSelector, setting: ParameterSetting, position: SourcePosition) {
    self.selector = selector
    self.setting = setting
    self.position = position
  }
}
