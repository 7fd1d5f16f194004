/// Learned coefficients as a recipe: task arithmetic with a weight for each tensor of each model.
///
/// A recipe can be read, edited, planned and carried out like any other; nothing in the merged model depends
/// on how the weights were found.
public struct FittedRecipe: Sendable {
  private let tensors: [String]
  private let coefficients: CoefficientTable

  /// Takes the coefficients of a fit.
  ///
  /// - Parameters:
  ///   - vectors: The models that were fitted.
  ///   - outcome: What was learned.
  public init(_ vectors: TaskVectorSet, _ outcome: CoefficientFit.Outcome) {
    tensors = vectors.tensors.map(\.name)
    coefficients = outcome.coefficients
  }

  /// The recipe as YAML.
  ///
  /// - Parameters:
  ///   - remark: What is said in the first line.
  ///   - base: The base model.
  ///   - experts: The experts in the order of the tasks.
  /// - Returns: The text. Tensors that were not fitted are the base's.
  public func text(remark: String, base: String, experts: [String]) -> String {
    var lines = [
      "# " + remark, "merge_method: task_arithmetic", "base_model: " + Self.quoted(base), "models:",
    ]
    for (task, expert) in experts.enumerated() {
      lines += ["  - model: " + Self.quoted(expert), "    parameters:", "      weight:"]
      for (index, name) in tensors.enumerated() {
        let value = coefficients.coefficients(index)[task]
        lines.append("        - {regex: \(Self.quoted(Self.pattern(name))), value: \(value)}")
      }
      lines.append("        - value: 0")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A regular expression that only this name fits.
  static func pattern(_ name: String) -> String {
    let special = Set("\\^$.|?*+()[]{}")
    return "^" + name.map { special.contains($0) ? "\\\($0)" : String($0) }.joined() + "$"
  }

  /// A text in YAML's single quotes.
  static func quoted(_ text: String) -> String {
    "'" + text.replacing("'", with: "''") + "'"
  }
}
