import SystemPackage
import Tincture
import TinctureReports

/// Writes pages and tables, so that at every moment there is either the old file or the new one.
enum PageFile {
  /// Writes a page.
  ///
  /// - Parameters:
  ///   - page: The page.
  ///   - output: The file.
  ///   - replaces: Whether a file that exists is replaced.
  ///   - inputs: Files that are never replaced.
  /// - Returns: The size of the file in bytes.
  /// - Throws: `cannotCreate` when the file exists or cannot be made, `io` when writing fails.
  static func write(
    _ page: ReportPage, to output: FilePath, replaces: Bool, keeping inputs: [FilePath]
  ) throws(TinctureError) -> Int {
    try write(page.html, called: "page", to: output, replaces: replaces, keeping: inputs)
  }

  /// Writes a text that messages call by a noun.
  static func write(
    _ text: String, called noun: String, to output: FilePath, replaces: Bool,
    keeping inputs: [FilePath]
  ) throws(TinctureError) -> Int {
    try write(
      bytes: Array(text.utf8), called: noun, to: output, replaces: replaces, keeping: inputs)
  }

  /// Writes bytes that messages call by a noun.
  static func write(
    bytes: [UInt8], called noun: String, to output: FilePath, replaces: Bool,
    keeping inputs: [FilePath]
  ) throws(TinctureError) -> Int {
    try CheckpointWriter.checkVacant(output, policy: .init(replace: replaces))
    if let existing = FileIdentity(of: output) {
      for input in inputs where FileIdentity(of: input) == existing {
        throw TinctureError(
          .cannotCreate, "The \(noun) would replace what it describes. Choose another name.",
          at: .init(file: output.string))
      }
    }
    let output = output.lexicallyNormalized()
    guard let name = output.lastComponent?.string, name != "..", name != "." else {
      throw TinctureError(
        .cannotCreate, "The \(noun) needs a name of its own.", at: .init(file: output.string))
    }
    let parent = output.removingLastComponent()
    let partial = (parent.isEmpty ? FilePath(".") : parent)
      .appending(".\(name).tincture-partial")
    do throws(TinctureError) {
      try write(bytes, called: noun, to: partial, named: output)
      try Directories.rename(partial, to: output)
    } catch {
      Directories.remove(partial)
      throw error
    }
    return bytes.count
  }

  private static func write(
    _ bytes: [UInt8], called noun: String, to path: FilePath, named output: FilePath
  ) throws(TinctureError) {
    let file: FileDescriptor
    do {
      file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    } catch {
      throw TinctureError(
        .cannotCreate, "The \(noun) cannot be made: \(error).", at: .init(file: output.string))
    }
    do {
      try file.closeAfter { _ = try file.writeAll(bytes) }
    } catch {
      throw TinctureError(
        .io, "Writing the \(noun) failed: \(error). Free some space or choose another disk.",
        at: .init(file: output.string))
    }
  }
}
