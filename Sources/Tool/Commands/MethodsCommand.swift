import ArgumentParser
import Tincture

struct MethodsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "methods",
    abstract: "List the merge methods, or describe one.",
    discussion: """
      EXAMPLE
        tincture methods
        tincture methods ties
      """)

  @Argument(help: "The name of a method.")
  var name: String?

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      guard let name else {
        Console.result(display.json ? list.text() : table)
        return
      }
      guard let method = MethodRegistry.method(named: name) else {
        let names = MethodRegistry.all.flatMap { [$0.info.name] + $0.info.aliases }
        let nearest = nearestName(to: name, among: names).map { " Did you mean \($0)?" } ?? ""
        throw TinctureError(.usage, "There is no method \"\(name)\".\(nearest)")
      }
      let page = MethodPage(method.info)
      Console.result(display.json ? page.json.text() : page.text)
    }
  }

  private var table: String {
    var table = Table(["name", "models", "base", "class", "what it does"])
    for method in MethodRegistry.all {
      let page = MethodPage(method.info)
      table.add([
        method.info.name, page.modelCount, page.base, method.info.streaming.rawValue,
        method.info.summary,
      ])
    }
    return table.text
  }

  private var list: JSONValue {
    .array(MethodRegistry.all.map { MethodPage($0.info).json })
  }
}
