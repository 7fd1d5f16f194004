import ArgumentParser
import SystemPackage
import Tincture

struct MethodsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "methods",
    abstract: "List the merge methods, or describe one.",
    discussion: """
      EXAMPLE
        tincture methods
        tincture methods ties
        tincture methods --steps
      """)

  @Argument(help: "The name of a method.")
  var name: String?

  @Option(help: ArgumentHelp("Write a Markdown page for each method.", valueName: "folder"))
  var write: String?

  @Flag(help: "List what recipes can put before and after a method.")
  var steps = false

  @Flag(help: "Print the table in Markdown.")
  var markdown = false

  @OptionGroup(title: "Display") var display: DisplayOptions

  func validate() throws {
    if steps, name != nil || write != nil || markdown {
      throw ValidationError("--steps lists all steps and stands alone, or with --json.")
    }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      if steps {
        let page = FilterPage()
        return Console.result(display.json ? page.json.text() : page.text)
      }
      if let write { return try Self.writePages(to: FilePath(write)) }
      guard let name else {
        Console.result(display.json ? list.text() : markdown ? MethodPage.markdownTable : table)
        return
      }
      guard let method = AllMethods.method(named: name) else {
        let names = AllMethods.all.flatMap { [$0.info.name] + $0.info.aliases }
        let nearest = nearestName(to: name, among: names).map { " Did you mean \($0)?" } ?? ""
        throw TinctureError(.usage, "There is no method \"\(name)\".\(nearest)")
      }
      let page = MethodPage(method.info)
      Console.result(display.json ? page.json.text() : markdown ? page.markdown : page.text)
    }
  }

  private static func writePages(to folder: FilePath) throws(TinctureError) {
    var pages = AllMethods.all.map { ($0.info.name + ".md", MethodPage($0.info).markdown) }
    pages.append(("Methods.md", "# Methods\n\nAll merge methods.\n\n" + MethodPage.markdownTable))
    for (name, text) in pages {
      let path = folder.appending(name)
      do {
        let file = try FileDescriptor.open(
          path, .writeOnly, options: [.create, .truncate],
          permissions: [.ownerReadWrite, .groupRead, .otherRead])
        try file.closeAfter { _ = try file.writeAll(Array(text.utf8)) }
      } catch {
        throw TinctureError(
          .cannotCreate, "The page cannot be written: \(error).", at: .init(file: path.string))
      }
    }
    Console.result("\(pages.count) pages in \(folder)")
  }

  private var table: String {
    var table = Table(["name", "models", "base", "class", "what it does"])
    for method in AllMethods.all {
      let page = MethodPage(method.info)
      table.add([
        method.info.name, page.modelCount, page.base, method.info.streaming.rawValue,
        page.summary,
      ])
    }
    return table.text
  }

  private var list: JSONValue {
    .array(AllMethods.all.map { MethodPage($0.info).json })
  }
}
