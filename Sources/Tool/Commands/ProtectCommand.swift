import ArgumentParser
import SystemPackage
import Tincture

struct ProtectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "protect",
    abstract: "Change a model so that it does the same but cannot be merged (experimental).",
    discussion: """
      The weights of attention are changed in ways that cancel in its outputs; merging \
      them with other models gives noise. The seed is the key: who has it can take \
      the change back by --undo. Without --seed one is drawn and shown. How many heads \
      there are and how positions are told comes from config.json or from options. Parts \
      that cannot be changed, such as normalised queries, stay as they are.

      EXAMPLE
        tincture protect model locked --seed 20260214
        tincture protect locked model-again --seed 20260214 --undo
        tincture protect vit.safetensors locked.safetensors --heads 4 --rotary none
      """)

  enum Rotary: String, CaseIterable, ExpressibleByArgument {
    case none
    case half
    case interleaved
  }

  @Argument(help: "The model.")
  var model: String

  @Argument(help: "The output directory, or a file when its name ends in .safetensors.")
  var output: String

  @Option(help: "The key: a whole number, drawn at random when it is not given.")
  var seed: UInt64?

  @Flag(help: "Take back what was done with the same seed.")
  var undo = false

  @Option(help: "The number of heads of queries, where config.json does not tell.")
  var heads: Int?

  @Option(
    help: "How positions rotate queries and keys: none, half (as Llama) or interleaved (as GPT-J).")
  var rotary: Rotary?

  @Option(help: "How many elements of each head are rotated, where not all are.")
  var rotaryWidth: Int?

  @Option(help: "The largest factor that elements are scaled by, 1 to 30.")
  var spread = 4.0

  @OptionGroup(title: "Resources") var resources: ResourceOptions
  @OptionGroup(title: "Display") var display: DisplayOptions

  @Flag(help: "Replace an output that exists.")
  var force = false

  func validate() throws {
    if undo, seed == nil { throw ValidationError("--undo needs the --seed of the change.") }
    if let heads, heads < 1 { throw ValidationError("--heads must be at least 1.") }
    if let rotaryWidth, rotaryWidth < 2 {
      throw ValidationError("--rotary-width must be at least 2.")
    }
    if !(1...30).contains(spread) { throw ValidationError("--spread must be between 1 and 30.") }
  }

  func run() async throws {
    try await Console.reporting { () async throws(TinctureError) in
      Signals.install()
      let key = seed ?? UInt64.random(in: 1...UInt64(Int64.max))
      var conversion = ModelConversion(
        model: model, output: FilePath(output), settings: PlanSettings(),
        engine: resources.engine, replaces: force)
      conversion.settings.seed = key
      conversion.method = "merge_lock"
      conversion.parameters =
        try attention() + ["spread=\(spread)", "undo=\(undo)"]
      conversion.remarks = [("seed", .integer(Int(clamping: key)))]
      try await conversion.run(display)
      if seed == nil, !display.json {
        Console.result("seed \(key): keep it, it takes the change back")
      }
    }
  }

  /// Heads and rotations for each stack of layers, as a recipe sets them.
  private func attention() throws(TinctureError) -> [String] {
    let input = try ModelInput(opening: ModelReference(parsing: model), locator: ModelLocator())
    let prefixes = input.layout.stacks.map(\.prefix)
    var found: [(prefix: String, heads: Int, rotary: String, width: Int)] = []
    for prefix in prefixes.isEmpty ? [""] : prefixes {
      let told = input.configuration?.attention(ofStack: prefix)
      let place = TinctureError.Place(file: input.checkpoint.path.string)
      guard let heads = heads ?? told?.heads else {
        throw TinctureError(
          .usage, "config.json does not tell how many heads attention has; give --heads.", at: place
        )
      }
      guard let rotary = rotary?.rawValue ?? told?.rotation?.rawValue else {
        throw TinctureError(
          .usage,
          "It is not known how positions come into this kind of model; give --rotary none, half or"
            + " interleaved.", at: place)
      }
      found.append((prefix, heads, rotary, try width(told, of: input)))
    }
    func setting(_ name: String, _ values: [String]) -> String {
      guard Set(values).count > 1 else { return "\(name)=\(values[0])" }
      let entries = zip(found, values).map { "{filter: \"\($0.prefix).\", value: \($1)}" }
      return "\(name)=[\(entries.joined(separator: ", "))]"
    }
    return [
      setting("heads", found.map { String($0.heads) }), setting("rotary", found.map(\.rotary)),
      setting("rotary_width", found.map { String($0.width) }),
    ]
  }

  /// How many elements of a head are rotated; 0 for all.
  private func width(
    _ told: AttentionSettings?, of input: ModelInput
  ) throws(TinctureError) -> Int {
    if let rotaryWidth { return rotaryWidth }
    guard rotary == nil, let width = told?.rotatedWidth else { return 0 }
    guard width > 0 else {
      throw TinctureError(
        .usage,
        "Only a part of each head is rotated, but its width is not told; give --rotary-width.",
        at: .init(file: input.checkpoint.path.string))
    }
    return width
  }
}
