/// The `README.md` of a merged model: where it comes from and how it was made.
///
/// The text depends on nothing but the values given here, so that the same merge always writes the
/// same bytes.
///
/// ```swift
/// let card = ModelCard(
///   title: "Harbour", method: "TIES", methodLink: "https://arxiv.org/abs/2306.01708",
///   base: .init("org/base", hubIdentifier: "org/base"), models: [.init("./tuned")],
///   recipe: recipeText, toolVersion: "1.0.0")
/// ```
public struct ModelCard: Sendable, Hashable {
  /// An input of the merge.
  public struct Model: Sendable, Hashable {
    /// The words of the recipe for the model.
    public var reference: String
    /// The name on the hub, when the model comes from there.
    public var hubIdentifier: String?
    /// The hash of the commit or another name of the revision, when it is known.
    public var revision: String?
    /// The size of the weights in bytes, when it is known.
    public var byteCount: Int?

    /// Creates the description of an input.
    public init(
      _ reference: String, hubIdentifier: String? = nil, revision: String? = nil,
      byteCount: Int? = nil
    ) {
      self.reference = reference
      self.hubIdentifier = hubIdentifier
      self.revision = revision
      self.byteCount = byteCount
    }
  }

  /// The heading.
  public var title: String
  /// The name of the method.
  public var method: String
  /// The address of a description of the method.
  public var methodLink: String?
  /// The model that the others are compared with, when the method has one.
  public var base: Model?
  /// The models that were merged, without the base, in the order of the recipe.
  public var models: [Model]
  /// The text of the recipe.
  public var recipe: String
  /// The version of the tool.
  public var toolVersion: String
  /// The licence that all inputs have in common, as their cards name it.
  public var license: String?
  /// The library that loads the model.
  public var libraryName: String

  /// Creates a model card.
  public init(
    title: String, method: String, methodLink: String? = nil, base: Model? = nil,
    models: [Model], recipe: String, toolVersion: String, license: String? = nil,
    libraryName: String = "transformers"
  ) {
    self.title = title
    self.method = method
    self.methodLink = methodLink
    self.base = base
    self.models = models
    self.recipe = recipe
    self.toolVersion = toolVersion
    self.license = license
    self.libraryName = libraryName
  }

  /// The text of the file.
  ///
  /// - Complexity: O(n) in the length of the recipe and the number of models.
  public var text: String {
    let heading =
      methodLink.map { "[\(Markdown.escaped(method))](\(Markdown.address($0)))" }
      ?? Markdown.escaped(method)
    let start = base.map { ", starting from \(Self.named($0))" } ?? ""
    let fence = Markdown.fence(around: recipe)
    let body = recipe.isEmpty || recipe.hasSuffix("\n") ? recipe : recipe + "\n"
    return """
      \(frontMatter)
      # \(Markdown.escaped(title))

      This model is a merge of trained models, made by tincture \(Markdown.escaped(toolVersion)).

      ## How it was made

      Method: \(heading)\(start).

      \(table)
      ## Recipe

      \(fence)yaml
      \(body)\(fence)

      """
  }

  private var frontMatter: String {
    var lines = ["---"]
    var identifiers: [String] = []
    for case let identifier? in ([base].compactMap { $0 } + models).map(\.hubIdentifier)
    where !identifiers.contains(identifier) {
      identifiers.append(identifier)
    }
    if !identifiers.isEmpty {
      lines.append("base_model:")
      lines += identifiers.map { "- " + YAMLText.scalar($0) }
    }
    lines.append("library_name: " + YAMLText.scalar(libraryName))
    if let license { lines.append("license: " + YAMLText.scalar(license)) }
    lines += ["tags:", "- merge", "- tincture", "---"]
    return lines.joined(separator: "\n")
  }

  private var table: String {
    var rows = ["| Model | Part | Revision | Weights |", "| --- | --- | --- | ---: |"]
    if let base { rows.append(Self.row(base, "base")) }
    rows += models.map { Self.row($0, "merged") }
    return rows.joined(separator: "\n") + "\n"
  }

  private static func row(_ model: Model, _ part: String) -> String {
    let revision = model.revision.map { Markdown.code(String($0.prefix(12)), inTable: true) } ?? "–"
    let size = model.byteCount.map(ByteSize.text) ?? "–"
    return "| \(named(model, inTable: true)) | \(part) | \(revision) | \(size) |"
  }

  private static func named(_ model: Model, inTable: Bool = false) -> String {
    guard let identifier = model.hubIdentifier, HubCache.isIdentifier(identifier) else {
      return Markdown.code(model.reference, inTable: inTable)
    }
    let link = "[\(Markdown.escaped(identifier))](https://huggingface.co/\(identifier))"
    let isWhole = model.reference == identifier
    return isWhole ? link : link + " as " + Markdown.code(model.reference, inTable: inTable)
  }
}

extension ModelCard {
  /// The licence that the front matter of a model card names.
  ///
  /// - Parameter text: The text of a `README.md`.
  /// - Returns: The value of `license`, or nil when there is none or it is no plain word.
  /// - Complexity: O(n).
  public static func license(inCard text: String) -> String? {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    guard let first = lines.first, first.isDashes else { return nil }
    for line in lines.dropFirst() {
      if line.isDashes { return nil }
      guard line.hasPrefix("license:") else { continue }
      let value = line.dropFirst("license:".count).filter { $0 != "\"" && $0 != "'" && $0 != " " }
      let isWord =
        !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        && !value.contains { "[]{}#:,&*|>".contains($0) }
      return isWord ? String(value) : nil
    }
    return nil
  }
}

extension Substring {
  fileprivate var isDashes: Bool { hasPrefix("---") && allSatisfy { $0 == "-" || $0 == " " } }
}
