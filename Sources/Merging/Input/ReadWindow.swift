public import TinctureSafetensors
public import TinctureTensors

/// A worker's buffer for one input, filled by large reads and served in small pieces.
///
/// Not `Sendable`: a worker owns its windows.
public final class ReadWindow {
  private var memory: UnsafeMutableRawBufferPointer
  private var file: InputFile?
  private var start = 0
  private var filled = 0
  private let preferred: Int
  /// Whether more is read than asked for, up to the preferred size.
  var readsAhead = true

  /// Creates a window that reads this many bytes at a time.
  public init(byteCount: Int) {
    preferred = byteCount
    memory = .allocate(byteCount: 0, alignment: 64)
  }

  deinit { memory.deallocate() }

  /// Bytes of a file, valid until the next call.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - offset: The position of the first byte.
  ///   - count: How many bytes are needed.
  ///   - end: Where the tensor ends; reading ahead stops there.
  /// - Returns: The bytes.
  /// - Throws: `io` when reading fails.
  public func bytes(of file: InputFile, at offset: Int, count: Int, end: Int)
    throws(TinctureError) -> UnsafeRawBufferPointer
  {
    if self.file !== file || offset < start || offset + count > start + filled {
      let wanted = readsAhead ? max(count, min(preferred, end - offset)) : count
      if memory.count < wanted {
        memory.deallocate()
        memory = .allocate(byteCount: max(wanted, min(preferred, wanted * 2)), alignment: 64)
      }
      self.file = nil
      try file.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<wanted]))
      self.file = file
      start = offset
      filled = wanted
    }
    let begin = offset - start
    return UnsafeRawBufferPointer(rebasing: memory[begin..<begin + count])
  }

  /// Numbers that readers keep for the length of a step, such as the factors of an adapter, by the
  /// place they come from.
  public var kept: [TinctureError.Place: [ContiguousArray<Float>]] = [:]

  /// Forgets what was read; a new step starts afresh.
  func reset() {
    file = nil
    kept = [:]
  }
}
