import ArgumentParser
import SystemPackage
import Tincture

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Show what this machine offers and how fast the kernels run.",
    discussion: """
      EXAMPLE
        tincture doctor
      """)

  @OptionGroup(title: "Engines") var engines: EngineOptions

  @OptionGroup(title: "Display") var display: DisplayOptions

  func run() async throws {
    let facts = Self.facts() + LibTorchFacts(engines.libTorchSearch).facts + Self.dataLibraries
    if display.json {
      Console.result(JSONValue.object(JSONObject(facts.map { ($0.0, .string($0.1)) })).text())
    } else {
      var table = Table(["", ""])
      for (name, value) in facts { table.add([name.replacing("_", with: " "), value]) }
      Console.result(table.text.drop { $0 == "\n" || $0 == " " }.description)
    }
  }

  private static func facts() -> [(String, String)] {
    let pages = sysconf(Int32(_SC_PHYS_PAGES))
    let pageSize = sysconf(Int32(_SC_PAGESIZE))
    let rates = KernelRates.measure()
    var facts = [
      ("version", TinctureVersion.current),
      ("processors", String(sysconf(Int32(_SC_NPROCESSORS_ONLN)))),
      ("memory", ByteSize.text(pages * pageSize)),
      ("kernels", Kernels.instructionSet),
      ("widen_bf16", "\(ByteSize.decimal(rates.widen, 1)) G elements/s on one processor"),
      ("axpy", "\(ByteSize.decimal(rates.axpy, 1)) G elements/s"),
      ("dot", "\(ByteSize.decimal(rates.dot, 1)) G elements/s"),
      ("histogram", "\(ByteSize.decimal(rates.histogram, 1)) G elements/s"),
      (
        "hub_cache",
        ModelLocator().cacheFolders.map(\.string).joined(separator: ", ")
      ),
    ]
    facts.insert(contentsOf: linearAlgebra(), at: 4)
    return facts
  }

  /// What decodes pictures and unpacks archives; or how to get it.
  private static var dataLibraries: [(String, String)] {
    DataLibraries.all.map { library in
      let state = library.problem.map { "missing. \($0.message)" } ?? "found"
      return (library.name, "\(state) (for \(library.purpose))")
    }
  }

  /// What multiplies and factorises matrices, and how fast; or how to get it.
  private static func linearAlgebra() -> [(String, String)] {
    let backend: Backend
    do { backend = try Backend.shared } catch {
      return [("blas", "missing, needed by spectral methods only. \(error.message)")]
    }
    let about = backend.description
    var facts = [("blas", about.path)]
    if let version = about.version { facts.append(("blas_version", version)) }
    if let core = about.core {
      facts.append(("blas_kernels", "\(core), \(about.coreOrigin.rawValue)"))
    }
    facts.append(
      (
        "blas_threads",
        about.controlsThreads ? "one for each call" : "as the library decides"
      ))
    let rate = (try? gemmRate(backend)).map { ByteSize.decimal($0, 0) } ?? "not measured"
    facts.append(("gemm", "\(rate) GFLOP/s in single precision on one processor"))
    return facts
  }

  /// The best of a few products of 1024 × 1024 matrices.
  private static func gemmRate(_ backend: Backend) throws -> Double {
    let n = 1024
    let a = Matrix<Float>(rows: n, columns: n, (0..<n * n).map { Float($0 % 97) / 97 - 0.5 })
    var best = 0.0
    for _ in 0..<5 {
      let start = ContinuousClock.now
      _ = try backend.multiply(a, a)
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      best = max(best, 2 * Double(n * n * n) / max(seconds, 1e-9) / 1e9)
    }
    return best
  }
}

/// How many elements the main kernels process in a second, in thousand millions.
private struct KernelRates {
  var widen = 0.0
  var axpy = 0.0
  var dot = 0.0
  var histogram = 0.0

  static func measure() -> KernelRates {
    let count = 1 << 14
    let codes = (0..<count).map { UInt16(truncatingIfNeeded: 0x3f00 + $0 % 97) }
    var x = ContiguousArray<Float>(repeating: 0, count: count)
    var y = x
    var statistic = OrderStatistic(.magnitude)
    var sum = 0.0
    func rate(_ body: () -> Void) -> Double {
      let repeats = 2000
      body()
      let start = ContinuousClock.now
      for _ in 0..<repeats { body() }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      return Double(count * repeats) / max(seconds, 1e-9) / 1e9
    }
    var result = KernelRates()
    result.widen = rate {
      codes.withUnsafeBytes { bytes in
        var span = x.mutableSpan
        Kernels.widen(bytes, as: .bf16, into: &span)
      }
    }
    result.axpy = rate {
      var span = y.mutableSpan
      Kernels.add(x.span, times: 0.5, to: &span)
    }
    result.dot = rate { Kernels.addDot(x.span, x.span, to: &sum) }
    result.histogram = rate { statistic.count(x.span) }
    return result
  }
}
