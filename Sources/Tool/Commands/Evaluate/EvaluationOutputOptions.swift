import ArgumentParser
import SystemPackage
import Tincture
import TinctureReports

/// Where the results of an evaluation go, and where outputs are kept.
struct EvaluationOutputOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Write the table as comma-separated values.", valueName: "file"))
  var csv: String?

  @Option(
    help: ArgumentHelp(
      "Write a page with charts; it needs nothing but a browser.", valueName: "file"))
  var html: String?

  @Option(
    help: ArgumentHelp("Write the result as JSON, as --json prints it.", valueName: "file"))
  var save: String?

  @Flag(help: "Replace files that exist.")
  var force = false

  @Option(
    help: ArgumentHelp(
      "Where outputs are kept (default: tincture/outputs in the user's cache).",
      valueName: "folder"))
  var cache: String?

  @Flag(name: .customLong("no-cache"), help: "Compute everything anew and keep nothing.")
  var withoutCache = false

  func validate() throws {
    if force, csv == nil, html == nil, save == nil {
      throw ValidationError("--force replaces files; add --csv, --html or --save.")
    }
    if withoutCache, cache != nil {
      throw ValidationError("--no-cache and --cache exclude each other.")
    }
  }

  var outputCache: OutputCache? {
    guard !withoutCache else { return nil }
    return (cache.map { FilePath($0) } ?? OutputCache.userFolder).map { OutputCache(folder: $0) }
  }

  /// Finds before the work begins that a file cannot be written because it exists.
  func check() throws(TinctureError) {
    for path in [csv, html, save].compactMap(\.self) {
      try CheckpointWriter.checkVacant(FilePath(path), policy: .init(replace: force))
    }
  }

  /// Writes the files that were asked for.
  func write(_ table: EvaluationTable, _ suite: EvaluationSuite) throws(TinctureError) {
    func write(_ text: String, _ path: String, _ noun: String) throws(TinctureError) {
      _ = try PageFile.write(
        text, called: noun, to: FilePath(path), replaces: force, keeping: [suite.file])
    }
    if let csv { try write(table.csv, csv, "table") }
    if let save { try write(table.json.text() + "\n", save, "result") }
    if let html { try write(EvaluationPage(table).page.html, html, "page") }
  }
}
