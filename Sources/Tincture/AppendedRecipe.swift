public import SystemPackage
public import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureMergeMethods
public import TinctureMerging
internal import TinctureRecipes
public import TinctureTensors

/// Takes further models into an existing merge, without the models that it was made of.
///
/// What the method has to know of them stands beside the merge, in `merge_state.json`. The recipe that
/// follows from it is an ordinary one: its first model is the merge. Merging models one by one gives what
/// merging them at once gives, up to the rounding of each result to the type in which it is stored.
public struct AppendedRecipe: Sendable {
  /// The directory of the merge.
  public var merge: FilePath
  /// The further models, in order.
  public var models: [String]
  /// The base, where it lies elsewhere than at the time of the merge.
  public var base: String?
  /// The further models' parameters as `NAME=VALUE`, or `NAME=V1,V2,…` with one value for each.
  public var settings: [String]

  /// Describes what is appended.
  ///
  /// - Parameters:
  ///   - models: The further models, in order.
  ///   - merge: The directory of the merge.
  ///   - base: The base, where it lies elsewhere than at the time of the merge.
  ///   - settings: The further models' parameters.
  public init(
    appending models: [String], to merge: FilePath, base: String? = nil, settings: [String] = []
  ) {
    self.models = models
    self.merge = merge
    self.base = base
    self.settings = settings
  }

  /// Makes the recipe.
  ///
  /// - Parameter locator: Finds the base.
  /// - Returns: The recipe.
  /// - Throws: `checkpoint` where the merge does not say how to go on from it or the base is another one,
  ///   `usage` for settings that are malformed or missing, `missingInput` where base or merge are not found.
  public func recipe(locator: ModelLocator = ModelLocator()) throws(TinctureError) -> Recipe {
    let record = try MergeRecord(in: merge)
    guard let method = MethodRegistry.method(named: record.method) else {
      throw TinctureError(
        .checkpoint, "The merge was made by \(record.method), which is not known here.",
        at: .init(file: merge.string))
    }
    let values = try modelValues(record, method.info)
    let base = try base(of: record, locator)
    var recipe = try RecipeParser.parse(
      text(record, base: base, values), file: "appended recipe")[0]
    recipe.continued = record.continuation
    return recipe
  }

  /// The base's name, once it is known to be the one of the merge.
  private func base(
    of record: MergeRecord, _ locator: ModelLocator
  ) throws(TinctureError) -> String? {
    guard let remembered = record.base else {
      guard let base else { return nil }
      throw TinctureError(
        .usage, "The merge by \(record.method) has no base, so that --base \(base) has no meaning.",
        at: .init(file: merge.string))
    }
    let name = base ?? remembered
    let input: ModelInput
    do throws(TinctureError) {
      input = try ModelInput(opening: ModelReference(parsing: name), locator: locator)
    } catch {
      guard base == nil else { throw error }
      throw TinctureError(
        .missingInput,
        "The base of the merge was \(remembered), which is not found now; name it by --base.",
        at: .init(file: merge.string), causes: [error])
    }
    guard try input.sampledFingerprint() == record.baseFingerprint else {
      throw TinctureError(
        .checkpoint,
        "The merge in \(merge) has another base: the tensors of \(name) differ from those of the base it"
          + " was made with (\(remembered)).", at: .init(model: name))
    }
    return name
  }

  /// Each further model's values.
  private func modelValues(
    _ record: MergeRecord, _ info: MethodInfo
  ) throws(TinctureError) -> [[String: ParameterValue]] {
    var result = models.map { _ in record.continuation.appended }
    let names = info.parameters.filter { $0.scope == .model }.map(\.name)
    for setting in settings {
      let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let numbers =
        parts.count == 2
        ? parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Double($0) } : []
      guard parts.count == 2, !numbers.contains(nil), [1, models.count].contains(numbers.count)
      else {
        throw TinctureError(
          .usage, "--set \(setting) needs NAME=NUMBER, or one number for each appended model.")
      }
      let name = String(parts[0])
      guard names.contains(name) else {
        throw TinctureError(
          .usage,
          "--set \(name): an appended model has "
            + (names.isEmpty ? "no parameters of its own" : names.joined(separator: ", "))
            + " with \(info.name); everything else stays as it was when the merge was made.")
      }
      for model in models.indices {
        result[model][name] = numbers[numbers.count == 1 ? 0 : model].map { .number($0) }
      }
    }
    for name in record.continuation.merged.keys.sorted()
    where result.contains(where: { $0[name] == nil }) {
      throw TinctureError(
        .usage,
        "The merged models have several values of \(name), so that the appended one's must be given:"
          + " --set \(name)=NUMBER.")
    }
    return result
  }

  // MARK: The text

  private func text(
    _ record: MergeRecord, base: String?, _ values: [[String: ParameterValue]]
  ) -> String {
    let count = record.continuation.modelCount
    var lines = [
      "# Goes on from the merge of \(count) model\(count == 1 ? "" : "s") in the first one.",
      "merge_method: \(record.method)",
    ]
    if let base { lines.append("base_model: \(Self.quoted(base))") }
    lines.append("models:")
    let own = [record.continuation.merged] + values
    for (model, values) in zip([merge.string] + models, own) {
      lines.append("  - model: \(Self.quoted(model))")
      guard !values.isEmpty else { continue }
      let list = values.sorted { $0.key < $1.key }.map { "\($0.key): \(Self.text($0.value))" }
      lines.append("    parameters: {\(list.joined(separator: ", "))}")
    }
    var parameters: [String] = []
    for setting in record.settings where record.continuation.parameters[setting.name] == nil {
      guard !setting.exceptions.isEmpty else {
        parameters.append("  \(setting.name): \(Self.text(setting.value))")
        continue
      }
      parameters.append("  \(setting.name):")
      for (tensor, value) in setting.exceptions {
        let pattern = Self.quoted("^\(Self.escaped(tensor))$")
        parameters.append("    - {regex: \(pattern), value: \(Self.text(value))}")
      }
      parameters.append("    - {value: \(Self.text(setting.value))}")
    }
    for (name, value) in record.continuation.parameters.sorted(by: { $0.key < $1.key }) {
      parameters.append("  \(name): \(Self.text(value))")
    }
    if !parameters.isEmpty { lines += ["parameters:"] + parameters }
    if let dtype = record.dtype { lines.append("dtype: \(dtype)") }
    if let dtype = record.outputDtype { lines.append("out_dtype: \(dtype)") }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A text in double quotes, which JSON and YAML read alike.
  private static func quoted(_ text: String) -> String { JSONValue.string(text).text() }

  private static func text(_ value: ParameterValue) -> String {
    if case .text(let word) = value { return quoted(word) }
    return value.description
  }

  /// A name as a regular expression that finds only it.
  private static func escaped(_ name: String) -> String {
    var text = ""
    for scalar in name.unicodeScalars {
      let isPlain = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_"
      if !isPlain { text += "\\" }
      text.unicodeScalars.append(scalar)
    }
    return text
  }
}
