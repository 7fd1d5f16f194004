internal import TinctureTensors

/// How a step is carried out within its share of memory.
public struct StepCost: Sendable, Hashable {
  /// The number of elements of a block.
  public let blockCapacity: Int
  /// Bytes of all memory the step uses: windows, blocks, working memory, output.
  public let bytes: Int

  /// Blocks are whole segments of the reductions, so that sums do not depend on the block size.
  static let segment = Kernels.segment

  /// Works out the memory of a step.
  ///
  /// - Parameters:
  ///   - step: The step.
  ///   - method: The method.
  ///   - tuning: Sizes of windows and blocks.
  ///   - isFallback: Whether the method takes its slower route.
  init(
    of step: MergeStep, method: any MergeMethod, tuning: EngineTuning, isFallback: Bool = false
  ) {
    guard case .merge = step.action else {
      blockCapacity = Self.segment
      bytes =
        tuning.windowBytes + tuning.outputBytes(block: Self.segment, step.dtype) + 4 * Self.segment
      return
    }
    let working = method.workingMemory(
      step.parameters,
      WorkingScope(
        modelCount: step.models.count, shape: step.shape, elementCount: step.elements.count,
        share: tuning.share, statisticsShape: step.statistics.first?.reader.shape,
        adapterRanks: step.adapterRanks, isFallback: isFallback))
    var capacity = max(Self.segment, tuning.blockElements / Self.segment * Self.segment)
    if working.wholeRows {
      let row = max(1, step.shape.rowLength)
      if working.fixesBlocks { capacity = Self.segment }
      capacity = row >= capacity ? row : capacity / row * row
    }
    let block = min(capacity, max(Self.segment, step.elements.count))
    blockCapacity = block
    let inputs = step.models.count + (step.base == nil ? 0 : 1)
    // Every input has a block, the output has one, and rounding needs one.
    let blocks = inputs + 2 + working.vectors
    let readers =
      (step.base.map { [$0] } ?? []) + step.models + step.statistics.map(\.reader)
    let widest = readers.map { ($0.dtype.byteWidth ?? 1) * block }
    let windows = widest.reduce(0) { $0 + max($1, tuning.windowBytes) }
    bytes =
      windows + blocks * block * 4 + working.bytes
      + tuning.outputBytes(block: block, step.dtype)
      + readers.reduce(0) { $0 + $1.workingBytes }
  }
}

/// Sizes that trade memory for speed and change no result.
public struct EngineTuning: Sendable, Hashable {
  /// Bytes that are read at a time.
  public var windowBytes: Int
  /// Elements that are processed at a time; a multiple of 4096.
  public var blockElements: Int
  /// Bytes that a step should not exceed where it has a choice.
  public var share: Int

  /// Creates a set of sizes.
  public init(windowBytes: Int = 1 << 17, blockElements: Int = 1 << 14, share: Int = 64 << 20) {
    self.windowBytes = windowBytes
    self.blockElements = blockElements
    self.share = share
  }

  /// Bytes that are written at a time: more, since workers take turns in writing to a file.
  var pieceBytes: Int { 2 * windowBytes }

  /// Bytes for output that waits to be written: twice what is written at a time, since the file may be
  /// busy.
  func outputBytes(block: Int, _ dtype: DType) -> Int {
    2 * pieceBytes + block * (dtype.byteWidth ?? 1)
  }

  /// Sizes for a worker's share of memory and a number of inputs.
  static func fitting(_ share: Int, inputs: Int) -> EngineTuning {
    var tuning = EngineTuning(share: share)
    while tuning.windowBytes > 1 << 16, tuning.windowBytes * (inputs + 2) > share / 2 {
      tuning.windowBytes /= 2
    }
    while tuning.blockElements > StepCost.segment,
      tuning.blockElements * 4 * (inputs + 6) > share / 2
    {
      tuning.blockElements /= 2
    }
    return tuning
  }
}
