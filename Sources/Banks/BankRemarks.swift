public import TinctureTensors

/// How an expert's tensors differ from those of its base in what a bank cannot code.
public struct BankRemarks: Sendable {
  /// Tensors of another shape, with both shapes; a bank holds them whole.
  public private(set) var reshaped: [(name: String, shape: Shape, base: Shape)] = []
  /// Tensors that only the base has; a bank notes that they are absent.
  public private(set) var missing: [String] = []

  /// Compares the tensors of two models by their headers.
  ///
  /// - Parameters:
  ///   - expert: The expert, by the base's names.
  ///   - base: The base.
  /// - Throws: What opening tensors throws.
  public init(_ expert: any BankModel, against base: any BankModel) throws(TinctureError) {
    for name in base.names.sorted() {
      guard let own = try base.source(name) else { continue }
      guard let source = try expert.source(name) else {
        missing.append(name)
        continue
      }
      if source.shape != own.shape { reshaped.append((name, source.shape, own.shape)) }
    }
  }

  /// A line for each kind of difference.
  ///
  /// - Parameter expert: The expert's name.
  /// - Returns: Sentences for the user, none where nothing differs.
  public func lines(of expert: String) -> [String] {
    var lines: [String] = []
    if !reshaped.isEmpty {
      let some = Self.listed(reshaped.map { "\($0.name) \($0.shape) instead of \($0.base)" })
      lines.append(
        "Expert '\(expert)' has tensors of other shapes than the base, which are stored whole: \(some)."
      )
    }
    if !missing.isEmpty {
      lines.append("Expert '\(expert)' lacks tensors of the base: \(Self.listed(missing)).")
    }
    return lines
  }

  private static func listed(_ names: [String]) -> String {
    let shown = names.prefix(4).joined(separator: ", ")
    return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
  }
}
