internal import TinctureMerging
internal import TinctureTensors

/// Which positions stay in all task vectors alike, by the variance across models.
enum SharedSelection {
  /// All.
  case everything
  /// None.
  case nothing
  /// Those of the largest variance.
  case largest(MagnitudeCut)
  /// Those that an earlier pass kept.
  case recorded(RecordedMask)

  /// Whether the variance has to be worked out.
  var needsVariance: Bool {
    if case .largest = self { true } else { false }
  }

  /// Sets what does not stay to zero; leaves the mask in the workspace when it had to be found.
  mutating func apply(
    to block: inout ElementBlock, _ variance: inout ScratchVector, _ workspace: Workspace
  ) {
    switch self {
    case .everything: break
    case .nothing:
      for model in 0..<block.modelCount { block.change(model: model) { Kernels.clear(&$0) } }
    case .largest(var cut):
      variance.use(block.count) { block.variance(into: &$0) }
      workspace.changeMask(block.count) { cut.mask(variance.prefix(block.count), into: &$0) }
      workspace.readMask(block.count) { Self.keep(&block, $0) }
      self = .largest(cut)
    case .recorded(var mask):
      // Taken out of `self`, so that the mask is not copied.
      self = .everything
      Self.keep(&block, mask.next(block.count))
      self = .recorded(mask)
    }
  }

  private static func keep(_ block: inout ElementBlock, _ mask: Span<UInt8>) {
    for model in 0..<block.modelCount {
      block.change(model: model) { Kernels.keep(&$0, where: mask) }
    }
  }
}
