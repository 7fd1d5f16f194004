/// How a recipe names a model: a directory, a file, a repository of a hub, or an expert of a bank.
///
/// Written as `path[@revision][#expert][+adapter[@revision]]`, for example `base@main+tuned-lora`
/// or `experts.bank#cars`.
public struct ModelReference: Sendable, Hashable {
  /// A low-rank adapter to be folded into the model.
  public struct Adapter: Sendable, Hashable {
    /// The directory or the repository, as it was written.
    public var path: String
    /// The revision of the repository.
    public var revision: String?

    /// Names an adapter.
    public init(path: String, revision: String? = nil) {
      self.path = path
      self.revision = revision
    }
  }

  /// The directory, the file or the repository, as it was written.
  public var path: String
  /// The revision of the repository.
  public var revision: String?
  /// The adapter to be folded in.
  public var adapter: Adapter?
  /// The expert to take from a bank, or the task of a merged model with parts for single tasks.
  public var expert: String?
  /// The architecture to assume in place of the one that the model's configuration names.
  public var overrideArchitecture: String?

  /// Names a model by its parts.
  public init(
    path: String, revision: String? = nil, adapter: Adapter? = nil, expert: String? = nil,
    overrideArchitecture: String? = nil
  ) {
    self.path = path
    self.revision = revision
    self.adapter = adapter
    self.expert = expert
    self.overrideArchitecture = overrideArchitecture
  }
}

extension ModelReference: CustomStringConvertible {
  /// The reference as a recipe spells it.
  public var description: String {
    var text = path
    if let revision { text += "@" + revision }
    if let expert { text += "#" + expert }
    if let adapter { text += "+" + adapter.description }
    return text
  }
}

extension ModelReference.Adapter: CustomStringConvertible {
  /// The adapter as a recipe spells it.
  public var description: String { revision.map { path + "@" + $0 } ?? path }
}
