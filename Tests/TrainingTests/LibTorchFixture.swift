import Testing
import TinctureTorch

/// The LibTorch that tests use, where there is one.
enum LibTorchFixture {
  /// Whether the usual search finds a LibTorch.
  static let isPresent = (try? LibTorchSearch().find()) != nil
}

extension Trait where Self == ConditionTrait {
  /// Runs a test only where LibTorch is installed (`Scripts/install_torch`).
  static var needsLibTorch: Self {
    .enabled(if: LibTorchFixture.isPresent, "LibTorch is not installed: run Scripts/install_torch")
  }
}
