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
    /// What the adapter's change is multiplied by.
    public var weight: Double

    /// Names an adapter.
    public init(path: String, revision: String? = nil, weight: Double = 1) {
      self.path = path
      self.revision = revision
      self.weight = weight
    }
  }

  /// The directory, the file or the repository, as it was written.
  public var path: String
  /// The revision of the repository.
  public var revision: String?
  /// The adapters to be folded in, one after another; a recipe names at most one.
  public var adapters: [Adapter]
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
    adapters = adapter.map { [$0] } ?? []
    self.expert = expert
    self.overrideArchitecture = overrideArchitecture
  }

  /// The only adapter to be folded in, or the first of several.
  public var adapter: Adapter? {
    get { adapters.first }
    set { adapters = newValue.map { [$0] } ?? [] }
  }
}

extension ModelReference: CustomStringConvertible {
  /// The reference as a recipe spells it.
  public var description: String {
    var text = path
    if let revision { text += "@" + revision }
    if let expert { text += "#" + expert }
    for adapter in adapters { text += "+" + adapter.description }
    return text
  }
}

extension ModelReference.Adapter: CustomStringConvertible {
  /// The adapter as a recipe spells it, with its weight where that is not 1.
  public var description: String {
    (revision.map { path + "@" + $0 } ?? path) + (weight == 1 ? "" : " × \(weight)")
  }
}
