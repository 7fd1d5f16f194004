import ArgumentParser
import SystemPackage
import Tincture

/// The recipe: a file, or options in its place.
struct RecipeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The method, when there is no recipe file.", valueName: "name"))
  var method: String?

  @Option(help: ArgumentHelp("The base model.", valueName: "model"))
  var base: String?

  @Option(help: ArgumentHelp("A model to merge; may be repeated.", valueName: "model"))
  var model: [String] = []

  @Option(
    help: ArgumentHelp(
      "A parameter, e.g. density=0.3 or weight=1,0.5 for each model; may be repeated.",
      valueName: "name=value"))
  var set: [String] = []

  @Option(
    help: ArgumentHelp(
      "A step before the method, e.g. dare or 'ties: {density: 0.2}'; may be repeated.",
      valueName: "step"))
  var preprocess: [String] = []

  @Option(
    help: ArgumentHelp(
      "A step after the method, e.g. lines or 'svc: {alpha: 1}'; may be repeated.",
      valueName: "step"))
  var postprocess: [String] = []

  @Option(
    help: ArgumentHelp(
      "Statistics of all models, or repeated of each in their order.", valueName: "file"))
  var statistics: [String] = []

  @Option(help: ArgumentHelp("A named set of parameters, e.g. paper.", valueName: "name"))
  var preset: String?

  @Option(
    help: ArgumentHelp(
      "The suite whose tasks a learned method learns from.", valueName: "suite"))
  var data: String?

  @Option(
    help: ArgumentHelp("The type of the arithmetic; inputs are rounded to it.", valueName: "type"))
  var dtype: String?

  @Option(help: ArgumentHelp("The type that is written.", valueName: "type"))
  var outDtype: String?

  @Option(help: ArgumentHelp("union, base, or a model.", valueName: "source"))
  var tokenizerSource: String?

  @Option(help: ArgumentHelp("auto, a known template, or Jinja text.", valueName: "template"))
  var chatTemplate: String?

  @Option(
    help: ArgumentHelp(
      "A model to take into the merge that stands in the recipe's place; may be repeated.",
      valueName: "model"))
  var append: [String] = []

  /// Whether options stand in the place of a recipe file.
  var isUsed: Bool { method != nil }

  func validate() throws {
    guard append.isEmpty else {
      let given =
        method != nil || !model.isEmpty || preset != nil || dtype != nil || outDtype != nil
        || tokenizerSource != nil || chatTemplate != nil || !preprocess.isEmpty
        || !postprocess.isEmpty
      if given {
        throw ValidationError(
          "--append goes on as the merge began; only --base and --set can be given beside it.")
      }
      return
    }
    guard method == nil else { return }
    let given =
      !model.isEmpty || !set.isEmpty || !statistics.isEmpty || base != nil || preset != nil
      || data != nil || dtype != nil || outDtype != nil || tokenizerSource != nil
      || chatTemplate != nil || !preprocess.isEmpty || !postprocess.isEmpty
    if given {
      throw ValidationError(
        "--base, --model, --set and their like describe a merge without a recipe file; add --method."
      )
    }
  }

  /// Reads the recipe.
  func recipes(file: String?) throws(TinctureError) -> [Recipe] {
    if !append.isEmpty {
      return [
        try AppendedRecipe(
          appending: append, to: FilePath(file ?? ""), base: base, settings: set
        ).recipe()
      ]
    }
    if let method {
      return [
        try Recipe(
          CommandLineRecipe(
            method: method, base: base, models: model, settings: set,
            statistics: statistics, dtype: dtype, outputDtype: outDtype,
            tokenizerSource: tokenizerSource, chatTemplate: chatTemplate,
            preset: preset, data: data, preprocess: preprocess, postprocess: postprocess))
      ]
    }
    return try Self.recipes(in: file ?? "")
  }

  /// The recipes of a file.
  static func recipes(in file: String) throws(TinctureError) -> [Recipe] {
    guard FileKind(of: FilePath(file)) != .directory else {
      throw TinctureError(
        .missingInput, "This is a directory; name the recipe file in it.", at: .init(file: file))
    }
    let bytes = try InputFile(opening: FilePath(file)).contents()
    let folder = FilePath(file).removingLastComponent()
    return try RecipeParser.parse(bytes: bytes, file: file) { path in
      // Paths are meant from the current directory, or else from the recipe's folder.
      ModelReference.isOnDisk(path)
        || FilePath(path).isRelative && ModelReference.isOnDisk(folder.appending(path).string)
    }
  }
}
