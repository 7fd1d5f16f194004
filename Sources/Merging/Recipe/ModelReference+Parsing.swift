internal import SystemPackage
internal import TinctureCheckpoints
public import TinctureTensors

extension ModelReference {
  /// Reads a reference as a recipe spells it.
  ///
  /// A path that exists is never taken apart: `runs/a+b` is one directory when there is such a
  /// directory, and a model with an adapter otherwise.
  ///
  /// - Parameters:
  ///   - text: The reference.
  ///   - exists: Tells whether a path, with `~` expanded, is there; by default asks the disk.
  /// - Throws: `recipe` when a part is empty or the marks `@`, `#`, `+` are ambiguous.
  public init(
    parsing text: String, exists: (String) -> Bool = Self.isOnDisk
  ) throws(TinctureError) {
    guard !text.isEmpty, text.contains(where: { !$0.isWhitespace }) else {
      throw TinctureError(.recipe, "The name of a model is empty.")
    }
    guard !text.unicodeScalars.contains("\0") else {
      throw TinctureError(.recipe, "The name of a model holds a null character.")
    }
    func isThere(_ path: Substring) -> Bool { exists(Self.expandingHome(String(path))) }
    if isThere(text[...]) {
      self.init(path: text)
      return
    }
    let (model, adapter) = try Self.splitAdapter(text, isThere)
    if isThere(model) {
      self.init(path: String(model))
    } else if let mark = model.lastIndex(of: "#") {
      let (path, revision) = try Self.splitRevision(model[..<mark], of: text, isThere)
      let expert = model[model.index(after: mark)...]
      guard !expert.isEmpty else {
        throw TinctureError(.recipe, "The expert after '#' in '\(text)' is empty.")
      }
      self.init(path: path, revision: revision, expert: String(expert))
    } else {
      let (path, revision) = try Self.splitRevision(model, of: text, isThere)
      self.init(path: path, revision: revision)
    }
    if let adapter {
      let (path, revision) = try Self.splitRevision(adapter, of: text, isThere)
      self.adapter = Adapter(path: path, revision: revision)
    }
  }

  /// The path on this machine: a leading `~` is the home directory.
  public var localPath: String { Self.expandingHome(path) }

  /// Whether a path names something on this machine.
  public static func isOnDisk(_ path: String) -> Bool {
    (try? Stat(FilePath(path), followTargetSymlink: true)) != nil
  }

  /// Replaces a leading `~` by the home directory, when the environment names one.
  public static func expandingHome(_ path: String) -> String {
    ModelLocator.expandingHome(path, home: HubEnvironment.current["HOME"])
  }

  /// Splits a reference at its adapter.
  ///
  /// Of several marks, the last whose left side exists is taken.
  private static func splitAdapter(
    _ text: String, _ isThere: (Substring) -> Bool
  ) throws(TinctureError) -> (model: Substring, adapter: Substring?) {
    let marks = text.indices.filter { text[$0] == "+" }
    guard let first = marks.first else { return (text[...], nil) }
    let mark: String.Index
    if marks.count == 1 {
      mark = first
    } else if let found = marks.last(where: { isThere(text[..<$0]) }) {
      mark = found
    } else {
      throw TinctureError(
        .recipe,
        "'\(text)' has more than one '+', and no part before a '+' exists; "
          + "write one model and one adapter, as in 'model+adapter'.")
    }
    let adapter = text[text.index(after: mark)...]
    guard mark > text.startIndex, !adapter.isEmpty else {
      throw TinctureError(
        .recipe, "'\(text)' needs a model before its '+' and an adapter after it.")
    }
    return (text[..<mark], adapter)
  }

  /// Splits a path at its revision.
  ///
  /// Of several marks, the last is taken when what stands before it exists.
  private static func splitRevision(
    _ part: Substring, of text: String, _ isThere: (Substring) -> Bool
  ) throws(TinctureError) -> (path: String, revision: String?) {
    guard let mark = part.lastIndex(of: "@"), !isThere(part) else {
      guard !part.isEmpty else {
        throw TinctureError(.recipe, "'\(text)' needs a model before its '#'.")
      }
      return (String(part), nil)
    }
    guard part.firstIndex(of: "@") == mark || isThere(part[..<mark]) else {
      throw TinctureError(
        .recipe, "'\(part)' has more than one '@'; write one revision, as in 'model@main'.")
    }
    let revision = part[part.index(after: mark)...]
    guard mark > part.startIndex, !revision.isEmpty else {
      throw TinctureError(
        .recipe, "'\(part)' needs a model before its '@' and a revision after it.")
    }
    return (String(part[..<mark]), String(revision))
  }
}
