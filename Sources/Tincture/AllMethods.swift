public import TinctureMerging
internal import TinctureLearnedMethods
internal import TinctureMergeMethods

/// Every method that recipes can name: those that need no data, then those that learn from examples.
public enum AllMethods {
  /// The methods in the order in which they are listed.
  public static let all: [any MergeMethod] = MethodRegistry.all + LearnedRegistry.all

  /// The method of a name or alias; upper and lower case and hyphens do not matter.
  public static func method(named name: String) -> (any MergeMethod)? {
    let wanted = name.lowercased().replacing("-", with: "_")
    return all.first { $0.info.name == wanted || $0.info.aliases.contains(wanted) }
  }
}
