import Tincture
import TinctureReports

/// The scores of several models side by side.
struct EvaluationTable {
  let suite: EvaluationSuite
  let rows: [ModelScores]
  let base: ModelScores?
  let experts: ModelScores?

  private var tasks: [String] { suite.tasks.map(\.name) }

  private static func cell(_ value: Double?, _ digits: Int = 1) -> String {
    value.map { NumberText.decimal($0, digits) } ?? "–"
  }

  /// The table for terminals.
  var text: String {
    let names =
      ["average"] + (experts == nil ? [] : ["normalised"])
      + (base == nil ? [] : ["forgotten"])
    var table = Table(["model"] + names + tasks, alignRight: Set(1...names.count + tasks.count))
    for row in rows {
      table.add(
        [row.name, Self.cell(row.average, 2)]
          + (experts.map { [Self.cell(row.normalized(by: $0))] } ?? [])
          + (base.map { [Self.cell(row.forgetting(against: $0), 2)] } ?? [])
          + row.scores.map { Self.cell($0.shown) })
      if !row.reference.isEmpty {
        table.add(
          ["  difference to the reference", Self.signed(row.average, row.referenceAverage, 2)]
            + (experts == nil ? [] : [""]) + (base == nil ? [] : [""])
            + row.scores.map { Self.signed($0.shown, row.reference[$0.task], 1) })
      }
    }
    return table.text
  }

  private static func signed(_ own: Double?, _ other: Double?, _ digits: Int) -> String {
    guard let own, let other else { return "" }
    let text = NumberText.decimal(own - other, digits)
    return own - other > 0 && text.contains(where: { "123456789".contains($0) }) ? "+" + text : text
  }

  /// What the numbers are, and where outputs came from.
  var notes: [String] {
    var kinds: [String] = []
    for score in rows.first?.scores ?? [] {
      let sign = score.metric.unit.symbol
      let kind = score.metric.title + (sign.isEmpty ? "" : " in \(sign)")
      if !kinds.contains(kind) { kinds.append(kind) }
    }
    let examples = rows.first?.scores.reduce(0) { $0 + $1.exampleCount } ?? 0
    let all = rows + [base, experts].compactMap(\.self)
    let tasks = all.reduce(0) { $0 + $1.scores.count }
    let cached = all.reduce(0) { $0 + $1.cachedTasks }
    let seconds = all.reduce(0.0) { $0 + $1.seconds }
    return [
      "\(kinds.joined(separator: ", ")); \(examples) examples; \(cached) of \(tasks) outputs were kept"
        + " from before; \(NumberText.decimal(seconds, 1)) s."
    ]
  }

  /// An object for each model.
  var json: JSONValue { .array(rows.map(json)) }

  private func json(_ row: ModelScores) -> JSONValue {
    func number(_ value: Double?) -> JSONValue {
      value.map { .number(NumberText.decimal($0, 4)) } ?? .null
    }
    var object = JSONObject([("model", .string(row.name))])
    for metric in Self.unique(row.scores.map(\.metric.name)) {
      let scores = row.scores.filter { $0.metric.name == metric }
      object[metric] = .object(JSONObject(scores.map { ($0.task, number($0.shown)) }))
    }
    object["average"] = number(row.average)
    if let experts { object["normalized"] = number(row.normalized(by: experts)) }
    if let base { object["forgetting"] = number(row.forgetting(against: base)) }
    if !row.reference.isEmpty {
      object["reference"] = .object(
        JSONObject(
          row.scores.compactMap { score in
            row.reference[score.task].map { (score.task, number($0)) }
          }))
    }
    object["tasks"] = .object(
      JSONObject(
        row.scores.map { score in
          var task = JSONObject([
            ("metric", .string(score.metric.name)), ("value", number(score.shown)),
            ("examples", .integer(score.exampleCount)),
          ])
          for detail in score.details.dropFirst() { task[detail.name] = number(detail.value) }
          if let expert = experts?[score.task] { task["expert"] = number(expert.shown) }
          if let before = base?[score.task] { task["base"] = number(before.shown) }
          return (score.task, .object(task))
        }))
    object["cached_tasks"] = .integer(row.cachedTasks)
    object["seconds"] = .number(NumberText.decimal(row.seconds, 3))
    return .object(object)
  }

  static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// The table as comma-separated values, after RFC 4180.
  var csv: String {
    func quoted(_ text: String) -> String {
      text.contains(where: { ",\"\r\n".contains($0) })
        ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
    func number(_ value: Double?) -> String { value.map { NumberText.decimal($0, 4) } ?? "" }
    var lines = [["model", "average", "normalized", "forgetting"] + tasks]
    for row in rows {
      lines.append(
        [
          row.name, number(row.average), number(experts.flatMap { row.normalized(by: $0) }),
          number(base.flatMap { row.forgetting(against: $0) }),
        ] + row.scores.map { number($0.shown) })
    }
    return lines.map { $0.map(quoted).joined(separator: ",") + "\r\n" }.joined()
  }
}
