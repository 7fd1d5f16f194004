#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureSafetensors
internal import TinctureTensors

/// Writes the container of a bank, so that at every moment there is either the old file or the new one.
///
/// New parts go to a hidden file beside the bank. At the end the container is assembled in another one,
/// from these and from the parts of the old bank that stay, flushed to the disk and renamed.
struct BankContainer: ~Copyable {
  private struct Part {
    let name: String
    let dtype: DType
    let shape: Shape
    let file: InputFile?
    let offset: Int
    let byteCount: Int
  }

  private let output: FilePath
  private let lockPath: FilePath
  private let stagingPath: FilePath
  private let lock: FileDescriptor
  private let staging: FileDescriptor
  private var stagedBytes = 0
  private var parts: [Part] = []
  private var digests: [String: String] = [:]
  /// The bytes of the parts that are kept of an existing bank.
  private(set) var keptBytes = 0

  private init(
    output: FilePath, lockPath: FilePath, stagingPath: FilePath, lock: FileDescriptor,
    staging: FileDescriptor
  ) {
    self.output = output
    self.lockPath = lockPath
    self.stagingPath = stagingPath
    self.lock = lock
    self.staging = staging
  }

  /// Prepares to write a bank.
  ///
  /// - Throws: `cannotCreate` when the hidden files cannot be made or another process holds them.
  static func create(_ output: FilePath) throws(TinctureError) -> BankContainer {
    let output = output.lexicallyNormalized()
    guard let name = output.lastComponent?.string, name != "..", name != "." else {
      throw TinctureError(
        .cannotCreate, "The bank needs a name of its own.", at: .init(file: output.string))
    }
    let parent = output.removingLastComponent()
    let folder = parent.isEmpty ? FilePath(".") : parent
    let lockPath = folder.appending(".\(name).tincture-lock")
    let stagingPath = folder.appending(".\(name).tincture-partial")
    let lock = try Self.lock(lockPath, output)
    do throws(TinctureError) {
      let staging = try open(stagingPath, [.create, .truncate, .closeOnExec])
      return BankContainer(
        output: output, lockPath: lockPath, stagingPath: stagingPath, lock: lock,
        staging: staging)
    } catch {
      try? lock.close()
      throw error
    }
  }

  /// Locks the bank; the lock ends with the process, whatever ends it.
  ///
  /// A file that another process removed after it was opened here locks nothing, so that another try is
  /// made with the one that is there then.
  private static func lock(_ path: FilePath, _ output: FilePath) throws(TinctureError)
    -> FileDescriptor
  {
    for _ in 0..<100 {
      let lock = try open(path, [.create, .closeOnExec])
      guard flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0 else {
        try? lock.close()
        break
      }
      var (own, named) = (stat(), stat())
      if fstat(lock.rawValue, &own) == 0,
        path.withPlatformString({ stat($0, &named) }) == 0,
        own.st_ino == named.st_ino, own.st_dev == named.st_dev
      {
        return lock
      }
      try? lock.close()
    }
    throw TinctureError(
      .cannotCreate, "Another process is writing this bank.", at: .init(file: output.string))
  }

  deinit {
    try? staging.close()
    Directories.remove(stagingPath)
    Directories.remove(FilePath(stagingPath.string + "-whole"))
    Directories.remove(lockPath)
    try? lock.close()
  }

  private static func open(_ path: FilePath, _ options: FileDescriptor.OpenOptions)
    throws(TinctureError) -> FileDescriptor
  {
    do {
      return try FileDescriptor.open(
        path, .readWrite, options: options,
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    } catch {
      throw TinctureError(
        .cannotCreate, "The file cannot be made: \(error).", at: .init(file: path.string))
    }
  }

  /// Adds the parts of a vector.
  mutating func add(_ vector: EncodedVector, tensor: String, owner: VectorOwner)
    throws(TinctureError)
  {
    for (part, wanted) in zip(vector.parts, vector.record.parts) {
      let name = owner.partName(tensor, part.suffix)
      parts.append(
        Part(
          name: name, dtype: part.dtype, shape: wanted.shape, file: nil, offset: stagedBytes,
          byteCount: part.bytes.count))
      digests[name] = part.digest
      try part.bytes.withBytes { (bytes) throws(TinctureError) in
        try Self.write(bytes, to: staging, at: stagedBytes, stagingPath)
      }
      stagedBytes += part.bytes.count
    }
  }

  /// Keeps the parts of a vector of an existing bank.
  mutating func keep(
    _ record: VectorRecord, tensor: String, owner: VectorOwner, of bank: ExpertBank
  ) {
    for wanted in record.parts {
      let name = owner.partName(tensor, wanted.suffix)
      guard let part = bank.parts[name] else { continue }
      parts.append(
        Part(
          name: name, dtype: part.dtype, shape: part.shape, file: bank.file,
          offset: part.byteOffset, byteCount: part.byteCount))
      keptBytes += part.byteCount
      digests[name] = bank.manifest.digests[name]
    }
  }

  /// Assembles the container and puts it in the place of the bank.
  ///
  /// - Parameters:
  ///   - manifest: What the bank says about itself.
  ///   - passed: Hears how many bytes of parts that are kept were copied; what it throws ends the work.
  /// - Returns: The size of the file.
  /// - Throws: `io` when writing fails; the bank is then as it was before.
  consuming func finish(
    _ manifest: BankManifest, passed: (Int) throws(TinctureError) -> Void = { _ in }
  ) throws(TinctureError) -> Int {
    var manifest = manifest
    manifest.digests = digests
    // Those with wider elements first, so that every part is aligned to its elements.
    let ordered = parts.enumerated().sorted {
      (-($0.element.dtype.byteWidth ?? 1), $0.offset) < (
        -($1.element.dtype.byteWidth ?? 1), $1.offset
      )
    }.map(\.element)
    let description = manifest.json.text(indentation: nil)
    let header = SafetensorsHeader.encode(
      tensors: ordered.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [
        ("format", "pt"), (BankManifest.metadataKey, description),
        (BankManifest.digestKey, BankManifest.digest(of: description)),
      ])
    guard header.count <= SafetensorsHeader.sizeLimit else {
      throw TinctureError(
        .cannotCreate,
        "The bank's description would take \(header.count) bytes, more than readers accept; store fewer"
          + " experts in one bank.", at: .init(file: output.string))
    }
    let path = FilePath(stagingPath.string + "-whole")
    let whole = try Self.open(path, [.create, .truncate, .closeOnExec])
    var position = header.count
    do throws(TinctureError) {
      try header.withBytes { (bytes) throws(TinctureError) in
        try Self.write(bytes, to: whole, at: 0, path)
      }
      let staged = try InputFile(opening: stagingPath)
      for part in ordered {
        try Self.copy(part, from: part.file ?? staged, to: whole, at: position, path)
        if part.file != nil { try passed(part.byteCount) }
        position += part.byteCount
      }
      guard fsync(whole.rawValue) == 0 else {
        throw TinctureError(
          .io, "Flushing failed: \(Errno(rawValue: errno)).", at: .init(file: path.string))
      }
    } catch {
      try? whole.close()
      throw error
    }
    try? whole.close()
    try Directories.rename(path, to: output)
    Self.flushDirectory(output.removingLastComponent())
    return position
  }

  private static func copy(
    _ part: Part, from file: InputFile, to target: FileDescriptor, at start: Int, _ path: FilePath
  ) throws(TinctureError) {
    var done = 0
    while done < part.byteCount {
      let count = min(1 << 20, part.byteCount - done)
      let bytes = try file.bytes(at: part.offset + done, count: count)
      try bytes.withBytes { (bytes) throws(TinctureError) in
        try write(bytes, to: target, at: start + done, path)
      }
      done += count
    }
  }

  private static func write(
    _ bytes: UnsafeRawBufferPointer, to file: FileDescriptor, at offset: Int, _ path: FilePath
  ) throws(TinctureError) {
    var done = 0
    while done < bytes.count {
      do {
        let count = try file.write(
          toAbsoluteOffset: Int64(offset + done),
          UnsafeRawBufferPointer(rebasing: bytes[done...]), retryOnInterrupt: true)
        done += count
      } catch {
        throw TinctureError(
          .io, "Writing failed: \(error). Free some space or choose another disk.",
          at: .init(file: path.string, byteOffset: offset + done))
      }
    }
  }

  /// Makes a rename lasting; without effect where directories cannot be flushed.
  private static func flushDirectory(_ path: FilePath) {
    guard
      let directory = try? FileDescriptor.open(
        path.isEmpty ? FilePath(".") : path, .readOnly, options: [.closeOnExec])
    else { return }
    _ = fsync(directory.rawValue)
    try? directory.close()
  }
}
