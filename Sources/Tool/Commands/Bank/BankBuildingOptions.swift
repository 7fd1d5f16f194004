import ArgumentParser
import SystemPackage
import Tincture

/// What goes into a bank, and how it is worked on.
struct BankBuildingOptions: ParsableArguments {
  @Option(help: "The model that the experts were tuned from.")
  var base: String

  @Option(help: "An expert, as NAME=PATH; may be repeated.")
  var expert: [NamedExpert]

  @Option(help: "Tensors encoded at a time (default: the number of processors).")
  var workers: Int?

  /// The models under the names of the base's tensors.
  struct Inputs {
    let base: ModelSource
    let experts: [(name: String, model: any BankModel)]
    /// The bytes of the experts' tensors.
    let expertBytes: Int
  }

  /// Opens the models, has the bank written, and prints its size.
  func run(
    _ path: FilePath, _ codec: BankCodec, _ display: DisplayOptions,
    _ write: (BankBuilder, Inputs) async throws(TinctureError) -> Int
  ) async throws(TinctureError) {
    let inputs = try open()
    if !display.quiet { try remark(inputs) }
    let progress = BankProgress(isQuiet: display.quiet)
    defer { progress.close() }
    let builder = BankBuilder(
      codec: codec, workers: workers ?? ResourceOptions.processors,
      check: { () throws(TinctureError) in try Signals.interruption.check() },
      observer: { progress.hear($0) })
    let bytes = try await write(builder, inputs)
    progress.close()
    try BankSummary.report(path, bytes, display)
  }

  /// Says what of the experts cannot be coded as a difference.
  private func remark(_ inputs: Inputs) throws(TinctureError) {
    for (name, model) in inputs.experts {
      for line in try BankRemarks(model, against: inputs.base).lines(of: name) {
        Console.remark("note: \(line)")
      }
    }
  }

  private func open() throws(TinctureError) -> Inputs {
    let base = try BankInputs.open(base)
    var models: [(name: String, model: any BankModel)] = []
    var bytes = 0
    for expert in expert {
      do throws(TinctureError) {
        let input = try BankInputs.open(expert.path)
        bytes += input.checkpoint.byteCount
        models.append((expert.name, ModelSource(input, base: base)))
      } catch { throw error.located(model: expert.name) }
    }
    return Inputs(base: ModelSource(base), experts: models, expertBytes: bytes)
  }
}
