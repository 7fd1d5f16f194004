public import TinctureJSON
public import TinctureMerging

/// The description of a method as text for a terminal, as Markdown and as JSON.
///
/// Help screens and documentation pages come from here, so they cannot differ from what the method
/// accepts.
public struct MethodPage: Sendable {
  private let info: MethodInfo

  /// Describes a method.
  public init(_ info: MethodInfo) { self.info = info }

  /// How many models are merged, in words.
  public var modelCount: String {
    switch (info.modelCount.lowerBound, info.modelCount.upperBound) {
    case (let lower, Int.max): "\(lower) or more"
    case (let lower, let upper) where lower == upper: "\(lower)"
    case (let lower, let upper): "\(lower) to \(upper)"
    }
  }

  /// What the base is for, in one word.
  public var base: String {
    switch info.base {
    case .required: "required"
    case .optional: "optional"
    case .member: "merged"
    case .none: "–"
    }
  }

  /// What must be measured before, in words; nil when nothing.
  public var needs: String? {
    info.statistics.map { kind in
      kind.measured == kind
        ? "\(kind.plural) of each model, as `\(kind.command)` collects them"
        : "\(kind.plural) of each model, saved while it was trained, or \(kind.measured.plural) in their place,"
          + " as `\(kind.command)` collects it"
    }
  }

  /// What can be chosen by validation, in words; nil when nothing.
  public var chooses: String? {
    info.validated.map { parameter in
      "\(parameter.name) for each task from \(parameter.list), on the suite that a recipe names under `data`"
    }
  }

  /// What the method does, in one sentence, with a mark where it is experimental.
  public var summary: String {
    info.isExperimental ? "Experimental: \(info.summary)" : info.summary
  }

  /// All methods as a table in Markdown.
  public static var markdownTable: String {
    var text =
      "| method | what it does | models | base | class | source |\n|---|---|---|---|---|---|\n"
    for info in AllMethods.all.map(\.info) {
      let page = MethodPage(info)
      let source = info.link.map { "[\(info.source)](\($0))" } ?? info.source
      text += "| `\(info.name)` | \(page.summary) | \(page.modelCount) | \(page.base) |"
      text += " \(info.streaming.rawValue) | \(source) |\n"
    }
    return text
  }

  /// The page for a terminal.
  public var text: String {
    var lines = [
      "\(info.title) (\(info.name))", "", summary, "", "  \(info.formula)", "",
      "source   \(info.source)" + (info.link.map { ", \($0)" } ?? ""),
      "models   \(modelCount)" + (info.base == .required ? " besides the base" : ""),
      "base     \(base)",
      "class    \(info.streaming.rawValue)" + (info.isRandom ? ", random" : "")
        + (info.isExperimental ? ", experimental" : ""),
    ]
    if let needs { lines.append("needs    \(needs)") }
    if let chooses { lines.append("chooses  \(chooses)") }
    if !info.aliases.isEmpty { lines.append("aliases  \(info.aliases.joined(separator: ", "))") }
    if !info.parameters.isEmpty {
      lines += ["", "parameters"]
      for parameter in info.parameters {
        lines.append("  \(parameter.name)  \(Self.kind(parameter))\(Self.defaultText(parameter))")
        lines.append("      \(parameter.summary)")
      }
    }
    if !info.presets.isEmpty {
      lines += ["", "presets"]
      for preset in info.presets {
        lines.append("  \(preset.name)  \(Self.values(preset))")
        lines.append("      \(preset.summary)")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// The page for the documentation.
  public var markdown: String {
    var text = """
      # \(info.title)

      \(summary)

      Name in recipes: `\(info.name)`\(info.aliases.isEmpty ? "" : ", also \(info.aliases.map { "`\($0)`" }.joined(separator: ", "))")

      ```
      \(info.formula)
      ```

      | models | base | class | random | source |
      |---|---|---|---|---|
      | \(modelCount) | \(base) | \(info.streaming.rawValue) | \(info.isRandom ? "yes" : "no") | \(info.link.map { "[\(info.source)](\($0))" } ?? info.source) |

      """
    if let needs { text += "\nNeeds \(needs) (<doc:Statistics>).\n" }
    if let chooses { text += "\nChooses \(chooses) (<doc:Recipes>).\n" }
    if !info.parameters.isEmpty {
      text += "\n## Parameters\n\n| name | values | default | meaning |\n|---|---|---|---|\n"
      for parameter in info.parameters {
        let value = parameter.defaultValue.map { "`\(Self.text($0))`" } ?? "required"
        text +=
          "| `\(parameter.name)` | \(Self.kind(parameter)) | \(value) | \(parameter.summary) |\n"
      }
    }
    if !info.presets.isEmpty {
      text += "\n## Presets\n\n| name | values | what it reproduces |\n|---|---|---|\n"
      for preset in info.presets {
        text += "| `\(preset.name)` | \(Self.values(preset)) | \(preset.summary) |\n"
      }
    }
    return text
  }

  /// The description for programs.
  public var json: JSONValue {
    let parameters = info.parameters.map { Self.json($0) }
    return .object(
      JSONObject([
        ("name", .string(info.name)), ("title", .string(info.title)),
        ("summary", .string(info.summary)), ("formula", .string(info.formula)),
        ("source", .string(info.source)), ("link", info.link.map { .string($0) } ?? .null),
        ("base", .string(base)), ("models", .string(modelCount)),
        ("class", .string(info.streaming.rawValue)), ("random", .bool(info.isRandom)),
        ("statistics", info.statistics.map { .string($0.rawValue) } ?? .null),
        ("experimental", .bool(info.isExperimental)),
        ("parameters", .array(parameters)),
        ("presets", .array(info.presets.map { .string($0.name) })),
      ]))
  }

  /// A parameter for programs; those of steps have one value for all models.
  static func json(_ parameter: ParameterDeclaration, isStep: Bool = false) -> JSONValue {
    JSONValue.object(
      JSONObject([
        ("name", .string(parameter.name)),
        ("per_model", .bool(parameter.scope == .model && !isStep)),
        ("values", .string(kind(parameter, isStep: isStep))),
        ("default", parameter.defaultValue.map(json) ?? .null),
        ("summary", .string(parameter.summary)),
      ]))
  }

  /// The accepted values in words; parameters of steps have one value for all models.
  static func kind(_ parameter: ParameterDeclaration, isStep: Bool = false) -> String {
    let scope = parameter.scope == .model && !isStep ? ", one for each model" : ""
    switch parameter.kind {
    case .number(let bounds): return "number, \(bounds)\(scope)"
    case .integer(let bounds): return "whole number, \(bounds)\(scope)"
    case .automatic(let bounds): return "auto or a number, \(bounds)\(scope)"
    case .flag: return "true or false\(scope)"
    case .text: return "text\(scope)"
    case .choice(let words): return words.joined(separator: " or ") + scope
    }
  }

  /// The default in brackets.
  static func defaultText(_ parameter: ParameterDeclaration) -> String {
    parameter.defaultValue.map { " (default \(text($0)))" } ?? " (required)"
  }

  private static func values(_ preset: MethodInfo.Preset) -> String {
    preset.values.map { "\($0.name)=\(text($0.value))" }.joined(separator: " ")
  }

  private static func text(_ value: ParameterValue) -> String {
    switch value {
    case .number(let number):
      number == number.rounded() && number.magnitude < 1e15 ? String(Int(number)) : String(number)
    case .bool(let flag): flag ? "true" : "false"
    case .text(let text): text
    }
  }

  private static func json(_ value: ParameterValue) -> JSONValue {
    switch value {
    case .number: .number(text(value))
    case .bool(let flag): .bool(flag)
    case .text(let text): .string(text)
    }
  }
}
