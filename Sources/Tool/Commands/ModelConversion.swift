import SystemPackage
import Tincture

/// Writes one model anew: what `convert`, `extract`, `protect`, `bank extract` and `lora fold` do.
struct ModelConversion {
  /// The model in the words of a recipe.
  let model: String
  let output: FilePath
  var settings: PlanSettings
  let engine: MergeEngine
  let replaces: Bool
  var dtype: DType?
  /// Adapters that are folded into it.
  var adapters: [ModelReference.Adapter] = []
  /// The method that rewrites it.
  var method = "passthrough"
  /// The method's parameters as `KEY=VALUE`.
  var parameters: [String] = []
  /// What is told besides the output, as JSON.
  var remarks: [(String, JSONValue)] = []

  /// Carries it out and prints the output and its size.
  func run(_ display: DisplayOptions) async throws(TinctureError) {
    var recipe = try Recipe(
      CommandLineRecipe(method: method, base: nil, models: [model], settings: parameters))
    if let dtype { recipe.outputDtype = Located(dtype, at: recipe.method.position) }
    if !adapters.isEmpty, case .models(var entries) = recipe.inputs, !entries.isEmpty {
      entries[0].reference.adapters += adapters
      recipe.inputs = .models(entries)
    }
    var settings = settings
    settings.nonFinite = method == "passthrough" ? .propagate : .error
    settings.isConversion = true
    let job = MergeJob(
      recipes: [recipe], output: output, settings: settings, engine: engine,
      policy: .init(replace: replaces))
    let progress = ProgressLine(isQuiet: display.quiet)
    defer { progress.close() }
    let showsNotes = !adapters.isEmpty && !display.quiet
    let reports = try await job.run(interruption: Signals.interruption) { _, plan in
      if showsNotes { for note in plan.notes { Console.remark("note: \(note)") } }
    } observer: {
      progress.hear($0)
    }
    progress.close()
    if CheckpointWriter.isSingleFile(output), !display.quiet {
      for part in [TaskParts.path(in: FilePath(model)), Mixture.path(in: FilePath(model))] {
        guard let name = part?.lastComponent else { continue }
        Console.remark("note: \(name) stays behind; convert into a directory to keep it.")
      }
    }
    let bytes = reports.last?.outputBytes ?? 0
    if display.json {
      let document = JSONObject(
        [("output", .string(output.string)), ("output_bytes", .integer(bytes))] + remarks)
      Console.result(JSONValue.object(document).text())
    } else {
      Console.result("\(output): \(ByteSize.text(bytes))")
    }
  }
}
