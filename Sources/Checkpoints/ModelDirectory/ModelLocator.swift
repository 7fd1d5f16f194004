public import SystemPackage
public import TinctureTensors

/// Where a model lies on this machine, and what is known about where it came from.
public struct ModelLocation: Sendable, Hashable {
  /// The directory or file.
  public let path: FilePath
  /// The name on the hub, like `org/name`, when the model was found in the cache of the hub.
  public let hubIdentifier: String?
  /// The hash of the commit on the hub, when the model was found in the cache of the hub.
  public let commit: String?

  /// Creates a location.
  public init(path: FilePath, hubIdentifier: String? = nil, commit: String? = nil) {
    self.path = path
    self.hubIdentifier = hubIdentifier
    self.commit = commit
  }
}

/// Finds models by the words that recipes use for them.
///
/// A path that exists wins. Anything else that looks like the name of a model on the hub is looked up
/// in the caches that the tools of the hub fill. Nothing is ever downloaded.
///
/// ```swift
/// let location = try ModelLocator().locate("org/name@main")
/// ```
public struct ModelLocator: Sendable {
  /// The folders in which models of the hub are looked for, in order.
  public let cacheFolders: [FilePath]
  private let home: String?
  private let offlineSetting: String?

  /// Creates a locator.
  ///
  /// - Parameter environment: The settings of the process, see `HubEnvironment.names`.
  public init(environment: [String: String] = HubEnvironment.current) {
    func setting(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    let home = setting("HOME")
    self.home = home
    offlineSetting = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].first { name in
      setting(name).map { ["1", "on", "yes", "true"].contains($0.lowercased()) } ?? false
    }
    let candidates: [String?] = [
      setting("HF_HUB_CACHE"), setting("HUGGINGFACE_HUB_CACHE"),
      setting("HF_HOME").map { $0 + "/hub" },
      setting("XDG_CACHE_HOME").map { $0 + "/huggingface/hub" },
      home.map { $0 + "/.cache/huggingface/hub" }, setting("TRANSFORMERS_CACHE"),
    ]
    var folders: [FilePath] = []
    for case let candidate? in candidates {
      let folder = FilePath(Self.expandingHome(candidate, home: home)).lexicallyNormalized()
      if !folders.contains(folder) { folders.append(folder) }
    }
    cacheFolders = folders
  }

  /// Finds a model.
  ///
  /// - Parameters:
  ///   - reference: A path, which may start with `~`, or a name on the hub, `org/name` or
  ///     `org/name@revision`.
  ///   - revision: A branch, a tag or a whole or abbreviated commit hash; nil takes what follows the
  ///     `@` in the reference or else `main`.
  /// - Returns: The directory or file.
  /// - Throws: `missingInput` when there is no such model on this machine, or not in this revision.
  public func locate(_ reference: String, revision: String? = nil) throws(TinctureError)
    -> ModelLocation
  {
    guard !reference.isEmpty, !reference.utf8.contains(0) else {
      throw Self.failure("The name of a model is empty or holds a zero byte.", reference)
    }
    let expanded = Self.expandingHome(reference, home: home)
    if try SmallFile.status(of: FilePath(expanded)) != nil {
      return try local(expanded, revision: revision, reference: reference)
    }
    var name = expanded
    var wanted = revision
    if revision == nil, let at = expanded.lastIndex(of: "@") {
      name = String(expanded[..<at])
      wanted = String(expanded[expanded.index(after: at)...])
      if !name.isEmpty, try SmallFile.status(of: FilePath(name)) != nil {
        return try local(name, revision: wanted, reference: reference)
      }
    }
    guard HubCache.isIdentifier(name) else {
      throw Self.failure(
        "There is no file or folder '\(expanded)', and this is no name of a model on the hub "
          + "either; those look like org/name.", reference)
    }
    for folder in cacheFolders {
      let cache = HubCache(folder: folder, identifier: name)
      guard try cache.exists() else { continue }
      let (commit, path) = try cache.snapshot(revision: wanted ?? "main", reference: reference)
      return ModelLocation(path: path, hubIdentifier: name, commit: commit)
    }
    if Self.fileEndings.contains(where: { name.hasSuffix($0) }) {
      throw Self.failure("There is no file '\(name)'.", reference)
    }
    throw try notCached(name, revision: wanted, reference: reference)
  }

  /// What the names of files end in, and those of models on the hub do not.
  private static let fileEndings = [
    ".safetensors", ".bin", ".pt", ".pth", ".bank", ".yaml", ".yml",
  ]

  private func local(_ path: String, revision: String?, reference: String) throws(TinctureError)
    -> ModelLocation
  {
    if let revision {
      throw Self.failure(
        "'\(path)' is a file or folder on this machine, which has no revision '\(revision)'; "
          + "leave the revision out.", reference)
    }
    return ModelLocation(path: FilePath(path))
  }

  private func notCached(_ name: String, revision: String?, reference: String)
    throws(TinctureError) -> TinctureError
  {
    let folders = cacheFolders.map(\.string).joined(separator: ", ")
    let option = revision.map { " --revision \(ShellWord.quoted($0))" } ?? ""
    var message =
      "There is no file or folder '\(name)' and no model of that name in the cache of the hub "
      + "(searched: \(folders.isEmpty ? "nothing, HOME is not set" : folders)). Nothing is "
      + "downloaded here; run: hf download \(name)\(option)"
    if let offlineSetting {
      message += " (\(offlineSetting) is set, which keeps that command from downloading; unset it)"
    }
    for folder in cacheFolders {
      if let other = try HubCache.identifier(in: folder, like: name) {
        message += ". The cache has '\(other)'; names are case-sensitive"
        break
      }
    }
    return Self.failure(message + ".", reference)
  }

  private static func failure(_ message: String, _ reference: String) -> TinctureError {
    TinctureError(.missingInput, message, at: .init(model: reference))
  }

  /// Replaces a leading `~` by the home directory, when there is one.
  package static func expandingHome(_ path: String, home: String?) -> String {
    guard let home, path == "~" || path.hasPrefix("~/") else { return path }
    return home + path.dropFirst()
  }
}
