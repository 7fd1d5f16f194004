import ArgumentParser
import Tincture

/// Where networks run.
struct MachineOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where networks run: cpu, cuda, cuda:N or mps.", valueName: "device"))
  var device = "cpu"

  @Option(help: "Threads of one operator on the processor (default: LibTorch's choice).")
  var threads: Int?

  @Flag(help: "Multiply matrices in bf16; sums stay in single precision.")
  var bf16 = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1.") }
    do throws(TinctureError) { _ = try torchDevice } catch { throw ValidationError(error.message) }
  }

  /// The device.
  var torchDevice: TorchDevice {
    get throws(TinctureError) { try TorchDevice(parsing: device) }
  }

  /// Loads the engine and sets it up.
  func prepare(_ engines: EngineOptions) throws(TinctureError) {
    try LibTorch.load(engines.libTorchSearch, threads: threads).require(torchDevice)
  }

  /// Sets up what a merge needs that learns.
  ///
  /// - Parameters:
  ///   - recipes: The recipes; nothing is loaded when none of them learns.
  ///   - settings: The choices of the plan.
  ///   - engines: Where engines are.
  /// - Throws: `missingFacility` without LibTorch or the device.
  func prepare(
    _ recipes: [Recipe], _ settings: inout PlanSettings, _ engines: EngineOptions
  ) throws(TinctureError) {
    settings.machine.device = device
    settings.machine.usesHalfPrecision = bf16
    let learns = recipes.contains {
      guard let info = AllMethods.method(named: $0.method.value)?.info else { return false }
      let usesData = info.statistics != nil || info.validated != nil
      return info.learns || usesData && $0.data != nil
    }
    if learns { try prepare(engines) }
  }
}

/// Where and how networks run.
struct ComputationOptions: ParsableArguments {
  @Option(help: "Examples that go through the network at a time (default: the suite's, or 32).")
  var batch: Int?

  @OptionGroup var machine: MachineOptions

  func validate() throws {
    if let batch, batch < 1 { throw ValidationError("--batch must be at least 1.") }
  }

  /// The device.
  var torchDevice: TorchDevice {
    get throws(TinctureError) { try machine.torchDevice }
  }

  /// Whether matrices are multiplied in bf16.
  var bf16: Bool { machine.bf16 }

  /// Loads the engine and sets it up.
  func prepare(_ engines: EngineOptions) throws(TinctureError) { try machine.prepare(engines) }
}
