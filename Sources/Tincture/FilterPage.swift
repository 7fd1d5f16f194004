public import TinctureJSON
internal import TinctureMerging
internal import TinctureMergeMethods

/// The steps that recipes can put before and after methods, as text for a terminal and as JSON.
public struct FilterPage: Sendable {
  /// The steps under one key of recipes.
  private let groups: [(key: String, infos: [FilterInfo])]

  /// Describes all steps.
  public init() {
    groups = [
      ("preprocess", FilterRegistry.all.preprocess.map(\.info)),
      ("postprocess", FilterRegistry.all.postprocess.map(\.info)),
    ]
  }

  /// The description for a terminal.
  public var text: String {
    groups.map { key, infos in
      (["\(key):"] + infos.map { Self.text($0) }).joined(separator: "\n\n")
    }.joined(separator: "\n\n")
  }

  private static func text(_ info: FilterInfo) -> String {
    var lines = [
      "  \(info.name)" + info.aliases.map { ", also \($0)" }.joined(),
      "      \(info.summary)", "      \(info.formula)",
      "      \(info.source)" + (info.link.map { ", \($0)" } ?? ""),
    ]
    for parameter in info.parameters {
      lines.append(
        "    \(parameter.name)  \(MethodPage.kind(parameter, isStep: true))"
          + MethodPage.defaultText(parameter))
      lines.append("      \(parameter.summary)")
    }
    return lines.joined(separator: "\n")
  }

  /// The description for programs.
  public var json: JSONValue {
    .object(
      JSONObject(
        groups.map { key, infos in (key, JSONValue.array(infos.map { Self.json($0) })) }))
  }

  private static func json(_ info: FilterInfo) -> JSONValue {
    .object(
      JSONObject([
        ("name", .string(info.name)),
        ("aliases", .array(info.aliases.map { .string($0) })),
        ("summary", .string(info.summary)), ("formula", .string(info.formula)),
        ("source", .string(info.source)), ("link", info.link.map { .string($0) } ?? .null),
        ("random", .bool(info.isRandom)),
        ("parameters", .array(info.parameters.map { MethodPage.json($0, isStep: true) })),
      ]))
  }
}
