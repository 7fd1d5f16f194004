/// A parameter with one value for each model that can be chosen by validation: that with which the model of the
/// task does best on examples.
///
/// Only methods that make a model for each task can have one.
public struct ValidatedParameter: Sendable, Hashable {
  /// The parameter.
  public let name: String
  /// The values that are tried; of equally good ones the first is taken.
  public let candidates: [Double]

  /// Names a parameter and the values to try.
  public init(_ name: String, candidates: [Double]) {
    self.name = name
    self.candidates = candidates
  }

  /// The values in words.
  public var list: String { candidates.map { String($0) }.joined(separator: ", ") }
}
