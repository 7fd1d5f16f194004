import ArgumentParser
import SystemPackage
import Tincture

struct LoraCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lora",
    abstract: "Fold, extract, combine, resize and pack LoRA adapters.",
    discussion: """
      Adapters are directories of PEFT, or files in the styles of diffusers and kohya. \
      A recipe takes one wherever a model stands, as BASE+ADAPTER.

      EXAMPLE
        tincture lora fold base cars-lora -o cars
        tincture lora extract --base base --model cars --rank 16 -o cars-lora
        tincture lora combine cars-lora sun-lora --weights 0.5,0.5 -o both-lora
        tincture lora resize both-lora --energy 0.95 -o small-lora
      """,
    subcommands: [
      LoraFoldCommand.self, LoraExtractCommand.self, LoraCombineCommand.self,
      LoraResizeCommand.self, LoraPackCommand.self, LoraUnpackCommand.self,
    ])
}

/// Numbers with commas between them.
struct NumberList: ExpressibleByArgument {
  let values: [Double]

  init(_ values: [Double]) { self.values = values }

  init?(argument: String) {
    var values: [Double] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Double(part.drop { $0 == " " }), value.isFinite else { return nil }
      values.append(value)
    }
    self.values = values
  }

  var defaultValueDescription: String {
    values.map { NumberList.text($0) }.joined(separator: ",")
  }

  private static func text(_ value: Double) -> String {
    value == value.rounded() ? String(Int(value)) : String(value)
  }

  /// The numbers for several things: one for each, or the same for all.
  func spread(over count: Int, _ noun: String) throws(TinctureError) -> [Double] {
    if values.count == 1 { return [Double](repeating: values[0], count: count) }
    guard values.count == count else {
      throw TinctureError(
        .usage,
        "--weights has \(values.count) values for \(count) \(noun); give one for each, or one.")
    }
    return values
  }
}

/// How the ranks of an adapter are chosen.
struct RankOptions: ParsableArguments {
  @Option(help: "The rank of every layer that can have it.")
  var rank: Int?

  @Option(
    help: ArgumentHelp(
      "For each layer the least rank that holds this share of the squared norm of its change, such as"
        + " 0.95.", valueName: "share"))
  var energy: Double?

  @Option(
    help: ArgumentHelp(
      "The most that the file may take, such as 50MB; ranks are then chosen so that the squared error of"
        + " all layers together is least.", valueName: "size"))
  var budget: ByteSize?

  /// The rule.
  ///
  /// - Throws: `usage` unless exactly one is given.
  func rule() throws(TinctureError) -> RankRule {
    switch (rank, energy, budget) {
    case (let rank?, nil, nil): return .rank(rank)
    case (nil, let share?, nil): return .energy(share)
    case (nil, nil, let size?): return .budget(size.bytes)
    default:
      throw TinctureError(.usage, "Give one of --rank, --energy and --budget.")
    }
  }
}

/// Where an adapter goes, and what of the work is shown.
struct AdapterOutputOptions: ParsableArguments {
  @Option(name: .shortAndLong, help: "The directory to be made.")
  var output: String

  @Option(help: "The type of the factors: float32, float16 or bfloat16 (default: the inputs').")
  var dtype: String?

  @Flag(help: "Replace an output that exists.")
  var force = false

  @Flag(help: "Show only the last line, no table of layers.")
  var summary = false

  /// The type of the factors.
  func type() throws(TinctureError) -> DType? {
    guard let dtype else { return nil }
    guard let type = DType(recipeName: dtype), [.f32, .f16, .bf16].contains(type) else {
      throw TinctureError(
        .usage, "--dtype \(dtype) is no type of factors; choose float32, float16 or bfloat16.")
    }
    return type
  }

  /// Makes an adapter and shows what it keeps.
  func run(
    _ resources: ResourceOptions, _ display: DisplayOptions, comparedTo: AdapterTable.Reference,
    make: (AdapterJob) async throws(TinctureError) -> AdapterReport
  ) async throws(TinctureError) {
    let line = ProgressLine(isQuiet: display.quiet, patience: .seconds(1))
    defer { line.close() }
    let job = AdapterJob(
      output: FilePath(output), replaces: force, workers: resources.engine.workers,
      memoryLimit: resources.engine.memoryLimit, interruption: Signals.interruption
    ) { line.hear($0) }
    let report = try await make(job)
    line.close()
    let table = AdapterTable(report, output: output, reference: comparedTo)
    if display.json {
      Console.result(table.json.text())
      return
    }
    if !display.quiet {
      for note in table.notes { Console.remark("note: \(note)") }
    }
    if !summary {
      Console.result(table.text)
      Console.result("")
    }
    Console.result(table.line)
  }
}
