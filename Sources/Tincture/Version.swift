/// What this build is.
public enum TinctureVersion {
  /// The version of the library and the tool.
  public static let current = "0.1.0"
}
