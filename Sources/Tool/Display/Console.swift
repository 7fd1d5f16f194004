import ArgumentParser
import SystemPackage
import Tincture

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes to the terminal: results to standard output, everything else to standard error.
enum Console {
  static func result(_ text: String) { write(text + "\n", to: .standardOutput) }

  static func remark(_ text: String) { write(text + "\n", to: .standardError) }

  static func write(_ text: String, to descriptor: FileDescriptor) {
    // A closed pipe is no reason to fail a merge.
    _ = try? descriptor.writeAll(Array(text.utf8))
  }

  static func isTerminal(_ descriptor: FileDescriptor) -> Bool { isatty(descriptor.rawValue) == 1 }

  /// Runs a command's body and turns its failure into a message and an exit status.
  static func reporting(_ body: () async throws(TinctureError) -> Void) async throws {
    do throws(TinctureError) {
      try await body()
    } catch {
      remark("error: \(error.detailedDescription)")
      throw ExitCode(error.code.exitStatus)
    }
  }
}
