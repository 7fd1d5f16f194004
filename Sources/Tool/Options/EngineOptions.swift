import ArgumentParser
import Tincture

/// Where engines are that are loaded at run time.
struct EngineOptions: ParsableArguments {
  @Option(
    name: .customLong("libtorch"),
    help: ArgumentHelp(
      "The folder of LibTorch, where it is not found by itself.", valueName: "path"))
  var libTorch: String?

  /// The search for LibTorch.
  var libTorchSearch: LibTorchSearch { LibTorchSearch(path: libTorch) }
}
