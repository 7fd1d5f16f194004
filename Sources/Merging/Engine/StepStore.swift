package import SystemPackage
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// What a method finds for single steps before it merges, kept in files until it merges.
///
/// For results that take long to find and are too large for memory. A file that is not there, is not of the expected
/// length or cannot be written is no error: the method finds its result again. Files are only written where they leave
/// most of the disk free, and are gone when the merge ends; a merge that resumes finds those of the interrupted one.
public struct StepStore: Sendable {
  private let folder: FilePath?

  package init(_ folder: FilePath?) { self.folder = folder }

  private func path(_ step: MergeStep, _ part: Int) -> FilePath? {
    folder?.appending("\(step.index).\(part).numbers")
  }

  /// Keeps numbers of a step, if there is room for them.
  ///
  /// - Parameters:
  ///   - numbers: The numbers.
  ///   - step: The step.
  ///   - part: Which of several findings for it they are.
  public func keep<Number: BitwiseCopyable>(
    _ numbers: Span<Number>, for step: MergeStep, part: Int = 0
  ) {
    guard let folder, let path = path(step, part) else { return }
    let byteCount = numbers.count * MemoryLayout<Number>.stride
    try? Directories.makeAll(folder)
    guard let free = Directories.freeBytes(at: folder), free / Self.reserve > byteCount else {
      return
    }
    numbers.withUnsafeBytes { bytes in
      try? FileReplacement.write(to: path, "What was found for a step") {
        (file) throws(TinctureError) in try file.append(bytes)
      }
    }
  }

  /// How many times as much as a file must be free on the disk.
  private static let reserve = 16

  /// Whether something was kept.
  public func holds(_ step: MergeStep, part: Int = 0) -> Bool {
    path(step, part).map { FileKind(of: $0) == .file } ?? false
  }

  /// Reads the numbers of a step, if they were kept.
  ///
  /// - Parameters:
  ///   - step: The step.
  ///   - part: Which of several findings for it.
  ///   - type: What kind of numbers they are.
  ///   - count: How many there are, or nil for any number.
  ///   - body: Receives the numbers.
  /// - Returns: What `body` returns; nil where nothing, or something else, was kept.
  /// - Throws: `io` when reading fails.
  public func read<Number: BitwiseCopyable, Result>(
    _ step: MergeStep, part: Int = 0, as type: Number.Type, count: Int? = nil,
    _ body: (Span<Number>) -> Result
  ) throws(TinctureError) -> Result? {
    guard let path = path(step, part), FileKind(of: path) == .file else { return nil }
    let file = try InputFile(opening: path)
    let found = file.size / MemoryLayout<Number>.stride
    guard found > 0, count == nil || found == count,
      found * MemoryLayout<Number>.stride == file.size
    else { return nil }
    let bytes = try file.bytes(at: 0, count: file.size)
    return bytes.withUnsafeBytes { bytes in
      let numbers = bytes.assumingMemoryBound(to: Number.self)
      return body(numbers.span)
    }
  }
}

extension MergeSession {
  /// A store for what is found for single steps.
  ///
  /// - Parameter name: What is kept in it; one name a kind of finding.
  /// - Returns: The store, empty unless an interrupted merge left something in it.
  public func store(_ name: String) -> StepStore { StepStore(scratch?.appending(name)) }
}
