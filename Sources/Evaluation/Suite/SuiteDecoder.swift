public import SystemPackage
internal import TinctureCheckpoints
internal import TinctureMerging
internal import TinctureMetrics
internal import TinctureNetworks
package import TinctureRecipes
internal import TinctureSafetensors
public import TinctureTensors

extension EvaluationSuite {
  /// Reads a suite.
  ///
  /// - Parameter file: The YAML file; relative paths in it are meant from its folder.
  /// - Throws: `missingInput` when there is no such file, `recipe` with line and column for everything in it
  ///   that is wrong, at most twenty faults at a time.
  public init(reading file: FilePath) throws(TinctureError) {
    let bytes = try InputFile(opening: file).contents()
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TinctureError(
        .recipe, "The suite is not text in UTF-8; save it in that encoding.",
        at: .init(file: file.string))
    }
    try self.init(parsing: text, file: file)
  }

  /// Reads a suite from its text.
  ///
  /// - Parameters:
  ///   - text: The YAML.
  ///   - file: The file's name, for messages and relative paths.
  /// - Throws: `recipe` with line and column for everything that is wrong.
  public init(parsing text: String, file: FilePath) throws(TinctureError) {
    let source = RecipeSource(name: file.string, text: text, noun: "suite")
    var reader = YAMLReader(source)
    let documents = try reader.documents(text)
    guard let document = documents.first, documents.count == 1 else {
      throw source.error(at: nil, "A suite is one YAML document; this file has \(documents.count).")
    }
    var decoder = SuiteDecoder(source)
    let suite = decoder.suite(document, file)
    try decoder.throwProblems()
    guard let suite else { throw source.error(at: nil, "The suite is empty.") }
    self = suite
  }
}

/// Turns the YAML of a suite into the suite.
struct SuiteDecoder: YAMLDecoder {
  let source: RecipeSource
  var problems: [(position: SourcePosition, message: String)] = []

  init(_ source: RecipeSource) { self.source = source }

  mutating func suite(_ node: YAMLNode, _ file: FilePath) -> EvaluationSuite? {
    let keys = [
      "name", "network", "input", "tokenizer", "batch_size", "base", "defaults", "tasks", "models",
    ]
    guard let members = members(of: node, keys: keys, in: "the suite") else { return nil }
    guard let tasksNode = members["tasks"], let networkNode = members["network"] else {
      reportMissing(["tasks", "network"], of: members, "A suite needs 'network' and 'tasks'.")
      return nil
    }
    let network = network(networkNode, file)
    let channels =
      (network as? any ImageEncoder)?.channels ?? (network as? DenseNetwork)?.backbone.channels
    let input = members["input"].map { self.input($0, channels: channels) }
    let batch = integer(members["batch_size"], "'batch_size'", in: 1...1 << 20)
    let tasks = self.tasks(tasksNode, defaults: members["defaults"])
    let models = members["models"].map { self.models($0, tasks, file) } ?? []
    if members["base"] == nil,
      models.contains(where: { if case .codec = $0.source { true } else { false } })
    {
      report(node.position, "A model with a 'codec' needs the suite's 'base'.")
    }
    guard let network else { return nil }
    return EvaluationSuite(
      name: text(members["name"], "'name'")?.value ?? file.stem ?? "suite", file: file,
      network: network, input: input ?? .normalized(ImageNormalization()),
      tokenizer: text(members["tokenizer"], "'tokenizer'")?.value, batchSize: batch?.value ?? 128,
      base: text(members["base"], "'base'")?.value, tasks: tasks, models: models)
  }
}

extension YAMLDecoder {
  /// A finite number.
  package mutating func number(_ node: YAMLNode?, _ what: String) -> Double? {
    guard let node else { return nil }
    guard let value = node.scalar?.number, value.isFinite else {
      report(node.position, "\(what) must be a number, but this is \(node.kind).")
      return nil
    }
    return value
  }

  /// A finite number or a list of them.
  package mutating func numbers(_ node: YAMLNode, _ what: String) -> [Double]? {
    var values: [Double] = []
    for item in node.list ?? [node] {
      guard let value = number(item, what) else { return nil }
      values.append(value)
    }
    if values.isEmpty { report(node.position, "\(what) is an empty list.") }
    return values.isEmpty ? nil : values
  }
}
