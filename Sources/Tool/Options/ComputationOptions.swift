import ArgumentParser
import Tincture

/// Where and how networks run.
struct ComputationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where networks run: cpu, cuda, cuda:N or mps.", valueName: "device"))
  var device = "cpu"

  @Option(help: "Examples that go through the network at a time (default: the suite's, or 32).")
  var batch: Int?

  @Option(help: "Threads of one operator on the processor (default: LibTorch's choice).")
  var threads: Int?

  @Flag(help: "Multiply matrices in bf16; sums stay in single precision.")
  var bf16 = false

  func validate() throws {
    if let batch, batch < 1 { throw ValidationError("--batch must be at least 1.") }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1.") }
    do throws(TinctureError) { _ = try torchDevice } catch { throw ValidationError(error.message) }
  }

  /// The device.
  var torchDevice: TorchDevice {
    get throws(TinctureError) { try TorchDevice(parsing: device) }
  }

  /// Loads the engine and sets it up.
  func prepare(_ engines: EngineOptions) throws(TinctureError) {
    let library = try LibTorch.load(engines.libTorchSearch)
    try library.require(torchDevice)
    if let threads { library.threadCount = threads }
  }
}
