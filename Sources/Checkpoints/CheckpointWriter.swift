#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
public import SystemPackage
public import TinctureTensors

/// The owner of an output that is being written.
///
/// Everything goes to a hidden directory beside the output, which is renamed at the very end; until
/// then nothing looks like a model. Dropping the writer removes the hidden directory, unless the run
/// asked to be resumable. A journal in it remembers finished steps.
public struct CheckpointWriter: ~Copyable {
  /// What to do about an output or a remainder that is already there.
  public struct Policy: Sendable {
    /// Replace an output that exists.
    public var replace: Bool
    /// Continue an interrupted run of the same plan, and keep the remainder when interrupted again.
    public var resume: Bool

    /// Creates a policy.
    public init(replace: Bool = false, resume: Bool = false) {
      self.replace = replace
      self.resume = resume
    }
  }

  /// Writes byte ranges of the files.
  public let ranges: RangeWriter
  /// Remembers finished steps.
  public let journal: StepJournal
  /// Steps that an interrupted run had finished.
  public let finishedSteps: Set<Int>

  /// The hidden directory with the files; what is put there becomes part of an output that is a directory.
  public var directory: FilePath { temporary }

  /// A directory for intermediate results, made by who uses it; gone when the output is finished.
  public var scratch: FilePath { temporary.appending(".tincture-scratch") }

  private let output: FilePath
  private let temporary: FilePath
  private let layout: OutputLayout
  private let isSingleFile: Bool
  private let policy: Policy
  private let descriptors: [FileDescriptor]
  private var isDone = false

  private init(
    _ opened: (journal: StepJournal, finished: Set<Int>),
    _ files: [(descriptor: FileDescriptor, path: FilePath)], _ ranges: RangeWriter,
    output: FilePath, temporary: FilePath, layout: OutputLayout, policy: Policy
  ) {
    journal = opened.journal
    finishedSteps = opened.finished
    descriptors = files.map(\.descriptor)
    self.ranges = ranges
    self.output = output
    self.temporary = temporary
    self.layout = layout
    self.policy = policy
    isSingleFile = Self.isSingleFile(output)
  }

  /// Whether an output of this name is a single file.
  public static func isSingleFile(_ output: FilePath) -> Bool {
    output.lastComponent?.string.hasSuffix(".safetensors") ?? false
  }

  /// Prepares an output.
  ///
  /// - Parameters:
  ///   - output: The directory to be made, or a file when its name ends in `.safetensors`.
  ///   - layout: The files.
  ///   - fingerprint: What identifies the plan; a remainder of another plan is discarded.
  ///   - policy: What to do about what is already there.
  ///   - write: Writes bytes; replaced in tests.
  /// - Returns: The writer.
  /// - Throws: `cannotCreate` when the output exists, cannot be made, is being written by another
  ///   process, or does not fit on the disk.
  public static func create(
    _ output: FilePath, layout: OutputLayout, fingerprint: String, policy: Policy = Policy(),
    write: @escaping RangeWriter.Write = RangeWriter.systemWrite
  ) throws(TinctureError) -> CheckpointWriter {
    let output = output.lexicallyNormalized()
    guard let name = output.lastComponent?.string, name != "..", name != "." else {
      throw TinctureError(
        .cannotCreate, "The output needs a name of its own.", at: .init(file: output.string))
    }
    if isSingleFile(output), layout.files.count != 1 {
      throw TinctureError(
        .cannotCreate,
        "The output has \(layout.files.count) shards and cannot be a single file; name a directory.",
        at: .init(file: output.string))
    }
    try checkVacant(output, policy: policy)
    let parent = output.removingLastComponent()
    let temporary = (parent.isEmpty ? FilePath(".") : parent)
      .appending(".\(name).tincture-partial")
    try makeDirectories(parent)
    let opened = try StepJournal.open(
      in: temporary, fingerprint: fingerprint, resume: policy.resume)
    do throws(TinctureError) {
      if opened.finished.isEmpty {
        try checkSpace(temporary, needed: layout.files.reduce(0) { $0 + $1.size })
      }
      let files = try createFiles(layout, in: temporary, fresh: opened.finished.isEmpty)
      let ranges = RangeWriter(files, write: write)
      do throws(TinctureError) {
        for (position, file) in layout.files.enumerated() {
          try file.header.withUnsafeBufferPointer { (bytes) throws(TinctureError) in
            try ranges.write(UnsafeRawBufferPointer(bytes), file: position, offset: 0)
          }
        }
      } catch {
        for file in files { try? file.descriptor.close() }
        throw error
      }
      return CheckpointWriter(
        opened, files, ranges, output: output, temporary: temporary, layout: layout, policy: policy)
    } catch {
      opened.journal.close()
      if !policy.resume { Directories.remove(temporary) }
      throw error
    }
  }

  deinit {
    for descriptor in descriptors { try? descriptor.close() }
    journal.close()
    if !isDone, !policy.resume { Directories.remove(temporary) }
  }

  /// Writes the remaining files and puts the output in its place.
  ///
  /// - Parameter sidecars: Files beside the tensors, with paths relative to the output; left out when the
  ///   output is a single file.
  /// - Throws: `io` or `cannotCreate` when that fails; the output is then not there.
  public consuming func finish(sidecars: [(path: String, contents: [UInt8])] = [])
    throws(TinctureError)
  {
    if !isSingleFile {
      if let index = layout.index {
        try Self.write(index, to: temporary.appending("model.safetensors.index.json"))
      }
      for sidecar in sidecars {
        let path = temporary.appending(sidecar.path)
        try Self.makeDirectories(path.removingLastComponent())
        try Self.write(sidecar.contents, to: path)
      }
    }
    let old = temporary.removingLastComponent().appending(
      ".\(output.lastComponent?.string ?? "").tincture-old")
    let exists = FileKind(of: output) != .missing
    if exists {
      Directories.remove(old)
      try Directories.rename(output, to: old)
    }
    do throws(TinctureError) {
      let made = isSingleFile ? temporary.appending(layout.files[0].name) : temporary
      try Directories.rename(made, to: output)
    } catch {
      if exists { try? Directories.rename(old, to: output) }
      throw error
    }
    // The journal, and with it the lock, goes last: no other process can take the half-written output.
    if isSingleFile {
      Directories.remove(temporary)
    } else {
      Directories.remove(output.appending(".tincture-scratch"))
      Directories.remove(output.appending(StepJournal.fileName))
    }
    if exists { Directories.remove(old) }
    isDone = true
  }

  /// Checks that nothing stands where an output is to be made, or that it may be replaced.
  ///
  /// - Parameters:
  ///   - output: The output.
  ///   - policy: What to do about what is already there.
  /// - Throws: `cannotCreate` when the output exists and must stay.
  public static func checkVacant(_ output: FilePath, policy: Policy) throws(TinctureError) {
    switch FileKind(of: output) {
    case .missing: return
    case .file where policy.replace: return
    case .directory:
      if try DirectoryListing.names(in: output).isEmpty { return }
      if policy.replace {
        guard FileKind(of: output.appending(".git")) == .missing else {
          throw TinctureError(
            .cannotCreate, "The output is a repository (it holds .git) and is not replaced.",
            at: .init(file: output.string))
        }
        return
      }
    case .file: break
    }
    throw TinctureError(
      .cannotCreate, "The output exists already. Choose another name, or replace it with --force.",
      at: .init(file: output.string))
  }

  private static func makeDirectories(_ path: FilePath) throws(TinctureError) {
    guard !path.isEmpty, FileKind(of: path) == .missing else { return }
    try makeDirectories(path.removingLastComponent())
    try Directories.make(path)
  }

  private static func checkSpace(_ directory: FilePath, needed: Int) throws(TinctureError) {
    guard let free = Directories.freeBytes(at: directory), free < needed else { return }
    throw TinctureError(
      .cannotCreate,
      "The output takes \(needed) bytes, but only \(free) are free on its disk.",
      at: .init(file: directory.removingLastComponent().string))
  }

  private static func createFiles(_ layout: OutputLayout, in directory: FilePath, fresh: Bool)
    throws(TinctureError) -> [(descriptor: FileDescriptor, path: FilePath)]
  {
    var files: [(descriptor: FileDescriptor, path: FilePath)] = []
    for file in layout.files {
      let path = directory.appending(file.name)
      var code = TinctureError.Code.cannotCreate
      do {
        let descriptor = try FileDescriptor.open(
          path, .readWrite, options: fresh ? [.create, .truncate, .closeOnExec] : [.closeOnExec],
          permissions: [.ownerReadWrite, .groupRead, .otherRead])
        files.append((descriptor, path))
        // A file that exists but must not grow this large is a failure like that of a write.
        code = .io
        try descriptor.resize(to: Int64(file.size))
        descriptor.setSpaceAside(file.size)
      } catch {
        for file in files { try? file.descriptor.close() }
        throw TinctureError(
          code, "The file cannot be created with \(file.size) bytes: \(error).",
          at: .init(file: path.string))
      }
    }
    return files
  }

  /// Writes a small file, in place of one that is there.
  package static func write(_ bytes: [UInt8], to path: FilePath) throws(TinctureError) {
    do {
      let descriptor = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      try descriptor.closeAfter { _ = try descriptor.writeAll(bytes) }
    } catch {
      throw RangeWriter.failure(error as? Errno ?? .ioError, path: path)
    }
  }
}
