public import TinctureTensors

/// Where a tensor lies and its operators run.
public struct TorchDevice: Sendable, Hashable {
  /// The kinds of devices that are supported.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The processor.
    case cpu
    /// A GPU of NVIDIA, or of AMD with a LibTorch made for ROCm.
    case cuda
    /// The GPU of an Apple machine.
    case mps
  }

  /// The kind.
  public let kind: Kind
  /// Which one of several, counted from zero.
  public let index: Int

  /// The processor.
  public static let cpu = TorchDevice(.cpu)
  /// The GPU of an Apple machine.
  public static let mps = TorchDevice(.mps)

  /// One of the CUDA devices.
  public static func cuda(_ index: Int = 0) -> TorchDevice { TorchDevice(.cuda, index: index) }

  /// Creates a device of a kind.
  public init(_ kind: Kind, index: Int = 0) {
    self.kind = kind
    self.index = index
  }

  /// Reads a device as PyTorch writes it: `cpu`, `cuda`, `cuda:1`, `mps`.
  ///
  /// - Throws: `usage` with the names that exist.
  public init(parsing text: String) throws(TinctureError) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let index = parts.count == 2 ? Int32(parts[1]) : 0
    guard parts.count <= 2, let kind = parts.first.flatMap({ Kind(rawValue: String($0)) }),
      let index, index >= 0, kind == .cuda || index == 0
    else {
      throw TinctureError(
        .usage, "There is no device \"\(text)\"; write cpu, cuda, cuda:N or mps.")
    }
    self.init(kind, index: Int(index))
  }

  /// LibTorch's index: the processor and Apple's GPU are not counted.
  var torchIndex: Int32 { kind == .cuda ? Int32(truncatingIfNeeded: index) : kind == .mps ? 0 : -1 }
}

extension TorchDevice: CustomStringConvertible {
  /// The device as PyTorch writes it.
  public var description: String { kind == .cuda ? "cuda:\(index)" : kind.rawValue }
}
