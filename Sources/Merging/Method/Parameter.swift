/// What a recipe may set: the name, the kind, the default and the bounds of a parameter.
public struct ParameterDeclaration: Sendable, Hashable {
  /// Whether a parameter has one value for a tensor or one for each model.
  public enum Scope: Sendable, Hashable {
    /// One value for each tensor.
    case merge
    /// One value for each tensor and model.
    case model
  }

  /// What values are accepted.
  public enum Kind: Sendable, Hashable {
    /// Real numbers within bounds.
    case number(Bounds)
    /// Whole numbers within bounds.
    case integer(Bounds)
    /// True or false.
    case flag
    /// One of a few words.
    case choice([String])
    /// Real numbers within bounds, or the word `auto`.
    case automatic(Bounds)
    /// Any text, such as the path of a file.
    case text
  }

  /// The name in recipes.
  public let name: String
  /// Whether there is one value or one for each model.
  public let scope: Scope
  /// The accepted values.
  public let kind: Kind
  /// The value when the recipe gives none; nil when it must.
  public let defaultValue: ParameterValue?
  /// One sentence on the meaning.
  public let summary: String

  /// Says why a value is not acceptable; nil when it is.
  public func objection(to value: ParameterValue) -> String? {
    switch (kind, value) {
    case (.number(let bounds), .number(let number)):
      return bounds.contains(number) ? nil : "\(name) must be \(bounds), not \(format(number))"
    case (.integer(let bounds), .number(let number)):
      guard number == number.rounded() else {
        return "\(name) must be a whole number, not \(format(number))"
      }
      guard bounds.contains(number) else {
        return "\(name) must be \(bounds), not \(format(number))"
      }
      return number.magnitude <= 0x1p53
        ? nil : "\(name) must be at most \(Int(0x1p53)), not \(format(number))"
    case (.automatic(let bounds), .number(let number)):
      return bounds.contains(number) ? nil : "\(name) must be \(bounds), not \(format(number))"
    case (.automatic, .text("auto")): return nil
    case (.automatic, .text(let text)):
      return "\(name) must be a number or auto, not \"\(text)\""
    case (.number, .bool), (.integer, .bool), (.automatic, .bool):
      return "\(name) must be a number, not a truth value"
    case (.number, .text(let text)), (.integer, .text(let text)):
      return "\(name) must be a number, not \"\(text)\""
    case (.flag, .bool): return nil
    case (.flag, .number(let number)):
      return number == 0 || number == 1
        ? nil : "\(name) must be true or false, not \(format(number))"
    case (.flag, .text(let text)): return "\(name) must be true or false, not \"\(text)\""
    case (.text, .text(let text)): return text.isEmpty ? "\(name) must not be empty" : nil
    case (.text, _): return "\(name) must be a text"
    case (.choice(let words), .text(let text)):
      return words.contains(text)
        ? nil : "\(name) must be \(words.joined(separator: " or ")), not \"\(text)\""
    case (.choice(let words), _): return "\(name) must be \(words.joined(separator: " or "))"
    }
  }

  private func format(_ number: Double) -> String {
    number == number.rounded() && number.magnitude < 1e15 ? String(Int(number)) : String(number)
  }
}

/// An interval of numbers.
public struct Bounds: Sendable, Hashable, CustomStringConvertible {
  /// The lower end.
  public let lower: Double
  /// The upper end.
  public let upper: Double
  /// Whether the lower end itself is allowed.
  public let includesLower: Bool

  /// Every finite number.
  public static let any = Bounds(
    lower: -.greatestFiniteMagnitude, upper: .greatestFiniteMagnitude, includesLower: true)
  /// Zero to one, both allowed.
  public static let fraction = Bounds(lower: 0, upper: 1, includesLower: true)
  /// From one number to another, both allowed.
  public static func between(_ lower: Double, _ upper: Double) -> Bounds {
    Bounds(lower: lower, upper: upper, includesLower: true)
  }
  /// At least a number.
  public static func atLeast(_ lower: Double) -> Bounds {
    Bounds(lower: lower, upper: .greatestFiniteMagnitude, includesLower: true)
  }
  /// Greater than a number.
  public static func above(_ lower: Double) -> Bounds {
    Bounds(lower: lower, upper: .greatestFiniteMagnitude, includesLower: false)
  }

  /// Whether a number lies within.
  public func contains(_ number: Double) -> Bool {
    number.isFinite && number <= upper && (includesLower ? number >= lower : number > lower)
  }

  /// The interval in words, to follow "must be".
  public var description: String {
    switch (lower, upper) {
    case (-.greatestFiniteMagnitude, .greatestFiniteMagnitude): "a finite number"
    case (_, .greatestFiniteMagnitude): (includesLower ? "at least " : "above ") + text(lower)
    default: "between \(text(lower)) and \(text(upper))"
    }
  }

  private func text(_ number: Double) -> String {
    number == number.rounded() ? String(Int(number)) : String(number)
  }
}

/// A type that parameters can have.
public protocol ParameterConvertible: Sendable {
  /// Reads a checked value.
  init(_ value: ParameterValue)
  /// The value as recipes write it.
  var parameterValue: ParameterValue { get }
}

extension Double: ParameterConvertible {
  /// Reads a number; truth values count as 0 and 1.
  public init(_ value: ParameterValue) {
    switch value {
    case .number(let number): self = number
    case .bool(let flag): self = flag ? 1 : 0
    case .text: self = .nan
    }
  }
  /// The number.
  public var parameterValue: ParameterValue { .number(self) }
}

extension Int: ParameterConvertible {
  /// Reads a whole number.
  public init(_ value: ParameterValue) { self = Int(Double(value)) }
  /// The number.
  public var parameterValue: ParameterValue { .number(Double(self)) }
}

extension Bool: ParameterConvertible {
  /// Reads a truth value; numbers other than zero are true.
  public init(_ value: ParameterValue) {
    switch value {
    case .bool(let flag): self = flag
    case .number(let number): self = number != 0
    case .text: self = false
    }
  }
  /// The truth value.
  public var parameterValue: ParameterValue { .bool(self) }
}

extension String: ParameterConvertible {
  /// Reads a word.
  public init(_ value: ParameterValue) {
    if case .text(let text) = value { self = text } else { self = "" }
  }
  /// The word.
  public var parameterValue: ParameterValue { .text(self) }
}

/// A number that a method chooses itself unless the recipe gives it.
public enum AutomaticNumber: ParameterConvertible, Hashable {
  /// The method chooses.
  case automatic
  /// The recipe's number.
  case number(Double)

  /// Reads a number; words stand for the method's choice.
  public init(_ value: ParameterValue) {
    if case .text = value { self = .automatic } else { self = .number(Double(value)) }
  }
  /// The number, or the word `auto`.
  public var parameterValue: ParameterValue {
    switch self {
    case .automatic: .text("auto")
    case .number(let number): .number(number)
    }
  }
}

/// Something that declares a parameter.
public protocol DeclaresParameter: Sendable {
  /// What a recipe may set.
  var declaration: ParameterDeclaration { get }
}

/// A parameter with one value for each tensor.
public struct Parameter<Value: ParameterConvertible>: DeclaresParameter {
  /// What a recipe may set.
  public let declaration: ParameterDeclaration
}

/// A parameter with one value for each tensor and model.
public struct PerModelParameter<Value: ParameterConvertible>: DeclaresParameter {
  /// What a recipe may set.
  public let declaration: ParameterDeclaration
}

extension Parameter where Value == Double {
  /// Declares a number; without a default the recipe must give it.
  public init(
    _ name: String, default value: Double? = nil, in bounds: Bounds = .any, _ summary: String
  ) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .number(bounds), defaultValue: value.map { .number($0) },
      summary: summary)
  }
}

extension Parameter where Value == AutomaticNumber {
  /// Declares a number that the method chooses unless the recipe gives it.
  public init(_ name: String, in bounds: Bounds = .any, _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .automatic(bounds), defaultValue: .text("auto"),
      summary: summary)
  }
}

extension Parameter where Value == Int {
  /// Declares a whole number.
  public init(_ name: String, default value: Int, in bounds: Bounds, _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .integer(bounds), defaultValue: value.parameterValue,
      summary: summary)
  }
}

extension Parameter where Value == Bool {
  /// Declares a truth value.
  public init(_ name: String, default value: Bool, _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .flag, defaultValue: .bool(value), summary: summary)
  }
}

extension Parameter where Value == String {
  /// Declares a text that the recipe must give.
  public init(_ name: String, _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .text, defaultValue: nil, summary: summary)
  }

  /// Declares a text with a default, which may be empty.
  public init(_ name: String, default value: String, _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .text, defaultValue: .text(value), summary: summary)
  }

  /// Declares a choice between words.
  public init(_ name: String, default value: String, of words: [String], _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .merge, kind: .choice(words), defaultValue: .text(value), summary: summary)
  }
}

extension PerModelParameter where Value == Double {
  /// Declares a number for each model; without a default the recipe must give it.
  public init(
    _ name: String, default value: Double? = nil, in bounds: Bounds = .any, _ summary: String
  ) {
    declaration = ParameterDeclaration(
      name: name, scope: .model, kind: .number(bounds), defaultValue: value.map { .number($0) },
      summary: summary)
  }
}

extension PerModelParameter where Value == String {
  /// Declares a text for each model with a default, which may be empty.
  public init(_ name: String, default value: String, _ summary: String) {
    declaration = ParameterDeclaration(
      name: name, scope: .model, kind: .text, defaultValue: .text(value), summary: summary)
  }
}

/// The values of all parameters of one step.
public struct ResolvedParameters: Sendable, Hashable {
  /// The values of the parameters with one value, by name.
  public var merge: [String: ParameterValue]
  /// The values of the others, by name, in the order of the step's models.
  public var models: [String: [ParameterValue]]
  /// The values of the recipe's steps before and after the method, in their order.
  public var filters: [ResolvedParameters] = []

  /// Creates a set of values.
  public init(merge: [String: ParameterValue] = [:], models: [String: [ParameterValue]] = [:]) {
    self.merge = merge
    self.models = models
  }

  /// The value of a parameter; the planner has put one there.
  public subscript<Value>(parameter: Parameter<Value>) -> Value {
    let declaration = parameter.declaration
    guard let value = merge[declaration.name] ?? declaration.defaultValue else {
      preconditionFailure("The planner left the parameter \(declaration.name) without a value.")
    }
    return Value(value)
  }

  /// The values of a parameter in the order of the step's models.
  public subscript<Value>(parameter: PerModelParameter<Value>) -> [Value] {
    guard let values = models[parameter.declaration.name] else {
      preconditionFailure(
        "The planner left the parameter \(parameter.declaration.name) without values.")
    }
    return values.map { Value($0) }
  }
}
