/// A vector of a block's length, borrowed from the worker's workspace.
public struct ScratchVector: ~Copyable {
  private let pointer: UnsafeMutablePointer<Float>
  private let workspace: Workspace

  init(from workspace: Workspace) {
    self.workspace = workspace
    pointer = workspace.takeVector()
  }

  deinit { workspace.giveBack(pointer) }

  /// Uses the first elements.
  ///
  /// - Parameters:
  ///   - count: How many.
  ///   - body: Reads and writes them.
  /// - Returns: What `body` returns.
  public mutating func use<Result>(_ count: Int, _ body: (inout MutableSpan<Float>) -> Result)
    -> Result
  {
    precondition(count <= workspace.blockCapacity, "A scratch vector is shorter than \(count).")
    var span = MutableSpan<Float>(_unsafeStart: pointer, count: count)
    return body(&span)
  }

  /// Reads the first elements.
  @_lifetime(borrow self)
  public func prefix(_ count: Int) -> Span<Float> {
    precondition(count <= workspace.blockCapacity, "A scratch vector is shorter than \(count).")
    let span = Span<Float>(_unsafeStart: pointer, count: count)
    return _overrideLifetime(span, borrowing: self)
  }
}

/// The reusable memory of one worker.
///
/// Not `Sendable`: a worker owns it. Vectors have the capacity of the current step's blocks.
public final class Workspace {
  private(set) var blockCapacity = 0
  private var idle: [UnsafeMutablePointer<Float>] = []
  private var windows: [ReadWindow] = []
  private var lent = 0
  /// The most vectors that were in use at once since the workspace was prepared.
  package private(set) var mostLent = 0
  private var mask: UnsafeMutableBufferPointer<UInt8> = .allocate(capacity: 0)
  private var tables: [[UInt32]] = []
  var output: UnsafeMutableRawBufferPointer = .allocate(byteCount: 0, alignment: 64)

  init() {}

  deinit {
    for pointer in idle { pointer.deallocate() }
    output.deallocate()
    mask.deallocate()
  }

  /// Changes the mask of a number of elements, one bit for each.
  public func changeMask(_ count: Int, _ body: (inout MutableSpan<UInt8>) -> Void) {
    let bytes = (count + 7) / 8
    if mask.count < bytes {
      mask.deallocate()
      mask = .allocate(capacity: bytes)
      mask.initialize(repeating: 0)
    }
    var bits = MutableSpan<UInt8>(_unsafeElements: mask[..<bytes])
    body(&bits)
  }

  /// Reads the mask of a number of elements, as it was last changed.
  public func readMask(_ count: Int, _ body: (Span<UInt8>) -> Void) {
    let bytes = (count + 7) / 8
    precondition(bytes <= mask.count, "No mask of \(count) elements was set.")
    body(Span<UInt8>(_unsafeElements: UnsafeBufferPointer(mask)[..<bytes]))
  }

  /// Tables of earlier searches for ranks, as many as there are up to a number.
  public func takeTables(_ count: Int) -> [[UInt32]] {
    let taken = Array(tables.suffix(count))
    tables.removeLast(taken.count)
    return taken
  }

  /// Keeps the tables of a search for the next.
  public func giveBack(_ tables: [[UInt32]]) { self.tables += tables }

  /// Makes vectors and windows fit a step.
  func prepare(blockCapacity: Int, outputBytes: Int) {
    precondition(lent == 0, "\(lent) scratch vectors of the previous step are still in use.")
    mostLent = 0
    if blockCapacity != self.blockCapacity {
      for pointer in idle { pointer.deallocate() }
      idle = []
      self.blockCapacity = blockCapacity
    }
    if output.count < outputBytes {
      output.deallocate()
      output = .allocate(byteCount: outputBytes, alignment: 64)
    }
    for window in windows { window.reset() }
  }

  func window(_ index: Int, byteCount: Int) -> ReadWindow {
    while windows.count <= index { windows.append(ReadWindow(byteCount: byteCount)) }
    return windows[index]
  }

  func takeVector() -> UnsafeMutablePointer<Float> {
    lent += 1
    mostLent = max(mostLent, lent)
    return idle.popLast() ?? allocate()
  }

  func giveBack(_ pointer: UnsafeMutablePointer<Float>) {
    lent -= 1
    idle.append(pointer)
  }

  private func allocate() -> UnsafeMutablePointer<Float> {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(64, blockCapacity * 4), alignment: 64)
    return memory.bindMemory(to: Float.self, capacity: max(16, blockCapacity))
  }
}
