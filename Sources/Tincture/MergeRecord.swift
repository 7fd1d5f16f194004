internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureMerging
internal import TinctureSafetensors
internal import TinctureTensors

/// What a merge leaves beside its output so that further models can be appended to it.
struct MergeRecord {
  /// A parameter with one value for each tensor.
  struct Setting {
    let name: String
    let value: ParameterValue
    /// The tensors with another value.
    var exceptions: [(tensor: String, value: ParameterValue)] = []
  }

  /// The name of the file.
  static let fileName = "merge_state.json"

  let method: String
  /// The base, as it is found from the folder in which the merge ran.
  let base: String?
  let baseFingerprint: String?
  let dtype: String?
  let outputDtype: String?
  let settings: [Setting]
  let continuation: MergeContinuation

  /// Describes a merge that was carried out; nil where nothing can be appended to it.
  init?(
    _ recipe: Recipe, _ plan: MergePlan, _ report: MergeReport, base: ModelInput?
  ) throws(TinctureError) {
    guard var continuation = report.continuation, case .models(let entries) = recipe.inputs,
      recipe.keep.isEmpty, recipe.tokenizer == nil
    else { return nil }
    if let earlier = recipe.continued {
      continuation = continuation.following(earlier, appending: entries.count - 1)
    }
    self.continuation = continuation
    let info = plan.method.info
    method = info.name
    let base = info.base == .required ? base : nil
    self.base = base.map { Self.text($0) }
    baseFingerprint = try base?.sampledFingerprint()
    dtype = recipe.dtype?.value.torchName
    outputDtype = recipe.outputDtype?.value.torchName
    let steps = plan.steps.filter { if case .merge = $0.action { true } else { false } }
    settings = info.parameters.filter { $0.scope == .merge }.compactMap { declaration in
      Self.setting(declaration.name, steps)
    }
  }

  private static func text(_ model: ModelInput) -> String {
    var reference = model.reference
    if model.location.hubIdentifier == nil {
      reference.path = model.location.path.lexicallyNormalized().string
    }
    return reference.description
  }

  private static func setting(_ name: String, _ steps: [MergeStep]) -> Setting? {
    var counts: [ParameterValue: Int] = [:]
    for step in steps {
      if let value = step.parameters.merge[name] { counts[value, default: 0] += 1 }
    }
    // The most frequent value; of equally frequent ones the first.
    var common: ParameterValue?
    for step in steps {
      guard let value = step.parameters.merge[name] else { return nil }
      if (counts[value] ?? 0) > common.flatMap({ counts[$0] }) ?? 0 { common = value }
    }
    guard let common else { return nil }
    var setting = Setting(name: name, value: common)
    for step in steps where step.elements.lowerBound == 0 {
      if let value = step.parameters.merge[name], value != common {
        setting.exceptions.append((step.name, value))
      }
    }
    return setting
  }

  // MARK: The file

  /// The bytes of the file.
  var contents: [UInt8] {
    var object = JSONObject([
      ("format", .integer(1)), ("method", .string(method)),
      ("models", .integer(continuation.modelCount)),
    ])
    object["base"] = base.map { .string($0) }
    object["base_fingerprint"] = baseFingerprint.map { .string($0) }
    object["dtype"] = dtype.map { .string($0) }
    object["out_dtype"] = outputDtype.map { .string($0) }
    object["settings"] = .array(
      settings.map { setting in
        var members = JSONObject([
          ("name", .string(setting.name)), ("value", Self.json(setting.value)),
        ])
        if !setting.exceptions.isEmpty {
          members["exceptions"] = .array(
            setting.exceptions.map {
              .object(JSONObject([("tensor", .string($0.tensor)), ("value", Self.json($0.value))]))
            })
        }
        return JSONValue.object(members)
      })
    object["parameters"] = Self.json(continuation.parameters)
    object["merged"] = Self.json(continuation.merged)
    object["appended"] = Self.json(continuation.appended)
    return Array((JSONValue.object(object).text() + "\n").utf8)
  }

  /// Reads the file of a merged directory.
  init(in folder: FilePath) throws(TinctureError) {
    let path = folder.appending(Self.fileName)
    guard FileKind(of: folder) != .missing else {
      throw TinctureError(
        .missingInput, "There is no merge of this name.", at: .init(file: folder.string))
    }
    guard FileKind(of: path) == .file else {
      throw TinctureError(
        .checkpoint,
        "This merge does not say how to go on from it: it holds no \(Self.fileName). Merges into a"
          + " directory by linear, task_arithmetic or opcm do, with weights that are the same for all"
          + " tensors and without slices, modules, keep: rules and tokenizer settings.",
        at: .init(file: folder.string))
    }
    do throws(TinctureError) {
      let json = try JSONValue(parsing: try InputFile(opening: path).contents())
      guard let record = MergeRecord(json) else {
        throw TinctureError(
          .checkpoint,
          "The file does not describe a merge in a format that is known; it was made by"
            + " another version or changed by hand.")
      }
      self = record
    } catch { throw error.located(file: path.string) }
  }

  private init?(_ json: JSONValue) {
    guard json["format"]?.intValue == 1, let method = json["method"]?.stringValue,
      let count = json["models"]?.intValue, count > 0,
      let settings = json["settings"]?.arrayValue,
      let parameters = Self.values(json["parameters"]), let merged = Self.values(json["merged"]),
      let appended = Self.values(json["appended"])
    else { return nil }
    var read: [Setting] = []
    for item in settings {
      guard let name = item["name"]?.stringValue, let value = Self.value(item["value"]) else {
        return nil
      }
      var setting = Setting(name: name, value: value)
      for exception in item["exceptions"]?.arrayValue ?? [] {
        guard let tensor = exception["tensor"]?.stringValue,
          let value = Self.value(exception["value"])
        else { return nil }
        setting.exceptions.append((tensor, value))
      }
      read.append(setting)
    }
    self.method = method
    self.settings = read
    base = json["base"]?.stringValue
    baseFingerprint = json["base_fingerprint"]?.stringValue
    dtype = json["dtype"]?.stringValue
    outputDtype = json["out_dtype"]?.stringValue
    continuation = MergeContinuation(
      modelCount: count, parameters: parameters, merged: merged, appended: appended)
  }

  private static func json(_ values: [String: ParameterValue]) -> JSONValue {
    .object(JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) }))
  }

  private static func json(_ value: ParameterValue) -> JSONValue {
    switch value {
    case .number: .number(value.description)
    case .bool(let flag): .bool(flag)
    case .text(let text): .string(text)
    }
  }

  private static func values(_ json: JSONValue?) -> [String: ParameterValue]? {
    guard let object = json?.objectValue else { return nil }
    var result: [String: ParameterValue] = [:]
    for (name, item) in object.members {
      guard let value = value(item) else { return nil }
      result[name] = value
    }
    return result
  }

  private static func value(_ json: JSONValue?) -> ParameterValue? {
    switch json {
    case .bool(let flag)?: .bool(flag)
    case .number?: json?.doubleValue.flatMap { $0.isFinite ? .number($0) : nil }
    case .string(let text)?: .text(text)
    default: nil
    }
  }
}
