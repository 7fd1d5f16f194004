import ArgumentParser
import Tincture

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How much of the machine is used.
///
/// Results do not depend on it.
struct ResourceOptions: ParsableArguments {
  @Option(help: "Steps carried out at a time (default: the number of processors).")
  var workers: Int?

  @Option(help: "Working memory for all workers together, e.g. 128MB.")
  var memory = ByteSize(512_000_000)

  func validate() throws {
    if let workers, workers < 1 { throw ValidationError("--workers must be at least 1.") }
    if memory.bytes < 1_000_000 { throw ValidationError("--memory must be at least 1MB.") }
  }

  /// The number of processors.
  static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  var engine: MergeEngine {
    MergeEngine(workers: workers ?? Self.processors, memoryLimit: memory.bytes)
  }
}
