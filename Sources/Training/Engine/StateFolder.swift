#if canImport(Glibc)
  internal import Glibc
#else
  internal import Darwin
#endif
internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureTensors

/// The folder beside an output in which the state of a run is kept until the run is finished.
///
/// It is locked while a process works in it.
final class StateFolder {
  /// The folder.
  let path: FilePath
  private let lock: FileDescriptor

  /// The folder of an output.
  static func path(of output: FilePath) -> FilePath {
    FilePath(output.lexicallyNormalized().string + "-training")
  }

  /// The file of the state.
  var snapshot: FilePath { path.appending("state.safetensors") }

  /// Makes the folder, or opens one that is there.
  ///
  /// - Throws: `cannotCreate` when it cannot be made, or another process works in it.
  init(of output: FilePath) throws(TinctureError) {
    path = Self.path(of: output)
    try Directories.makeAll(path)
    let file = path.appending("lock")
    do {
      lock = try FileDescriptor.open(
        file, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
    } catch {
      throw TinctureError(
        .cannotCreate, "The state of the run cannot be kept here: \(error).",
        at: .init(file: path.string))
    }
    guard flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0 else {
      try? lock.close()
      throw TinctureError(
        .cannotCreate, "Another process is training this output.", at: .init(file: path.string))
    }
  }

  deinit { try? lock.close() }

  /// Whether there is a state to go on from.
  var hasSnapshot: Bool { FileKind(of: snapshot) == .file }

  /// Removes everything.
  func remove() { Directories.remove(path) }

  /// Removes the folder when there is nothing to go on from.
  func removeIfEmpty() { if !hasSnapshot { remove() } }
}

extension StateFolder {
  /// Removes the state, so that a run begins anew.
  func clear() throws(TinctureError) {
    for name in try DirectoryListing.names(in: path) where name != "lock" {
      Directories.remove(path.appending(name))
    }
  }
}
