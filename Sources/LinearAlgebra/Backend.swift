internal import TinctureTensors

/// The library that multiplies and factorises matrices, and all operations on them.
///
/// On Linux it is found and loaded at run time (see ``load(from:libTorch:)``); on macOS it is Accelerate. Each
/// operation runs on the calling thread alone, so that its bits do not depend on how many threads
/// the library would like to use, and operations may run on many threads at once. Operations check
/// what they are given: shapes that do not chain and elements that are not finite are errors.
///
/// ```swift
/// let algebra = try Backend.shared
/// let svd = try algebra.svd(weights)
/// ```
public struct Backend: Sendable {
  /// What is known about the library.
  public struct Description: Sendable, Hashable {
    /// Where the core type of the library comes from.
    public enum CoreOrigin: String, Sendable, Hashable {
      /// The environment variable that the library reads was set.
      case environment = "set by OPENBLAS_CORETYPE"
      /// It was chosen for the instruction set of the processor before loading.
      case chosen = "chosen for this processor"
      /// The library chose it.
      case library = "chosen by the library"
    }

    /// The file, or files, that the routines come from.
    public var path: String
    /// The version and configuration as the library states them, if it does.
    public var version: String?
    /// The processor type that the library's kernels are for, if it says so.
    public var core: String?
    /// Where the processor type comes from.
    public var coreOrigin: CoreOrigin
    /// Whether the number of threads for each call can be chosen.
    public var controlsThreads: Bool
  }

  /// What is known about the library.
  public let description: Description
  let single: Routines
  let double: Routines
  private let gate: ThreadGate
  /// The number of threads of a call: 1 outside wide sections.
  public private(set) var threads = 1
  private var isWide = false

  init(_ description: Description, single: Routines, double: Routines, gate: ThreadGate) {
    self.description = description
    self.single = single
    self.double = double
    self.gate = gate
  }

  private static let loaded: Result<Backend, TinctureError> = {
    do throws(TinctureError) { return .success(try load()) } catch { return .failure(error) }
  }()

  /// The backend of this process, loaded when it is first asked for.
  ///
  /// - Throws: An error of the class `missingFacility` that says how to get a library.
  public static var shared: Backend {
    get throws(TinctureError) { try loaded.get() }
  }

  /// Whether ``shared`` is there; loads it.
  public static var isAvailable: Bool {
    if case .success = loaded { true } else { false }
  }

  /// Runs a section in which each operation uses several threads, while no other operation runs.
  ///
  /// The results differ in their last bits from those of one thread. Use it for a few huge
  /// operations, never inside the engine's workers.
  ///
  /// - Parameters:
  ///   - threads: How many threads an operation may use.
  ///   - body: Receives the backend to use; any other one must not be used in it.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withThreads<Result, Failure: Error>(
    _ threads: Int, _ body: (Backend) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(threads > 0, "An operation needs a thread at least, not \(threads).")
    precondition(!isWide, "Wide sections cannot be nested.")
    var copy = self
    copy.threads = threads
    copy.isWide = true
    return try gate.wide(threads: threads) { () throws(Failure) -> Result in try body(copy) }
  }

  /// Calls routines of a precision.
  func call<Element: MatrixElement, Result>(
    _ element: Element.Type, _ body: (Routines) -> Result
  ) -> Result {
    let routines = element.precision == .single ? single : double
    return isWide
      ? gate.inWide(threads: threads) { body(routines) } : gate.narrow { body(routines) }
  }
}

extension Backend.Description: CustomStringConvertible {
  /// The path, the version and the core type on one line.
  public var description: String {
    var text = path
    if let version { text += ", \(version)" }
    if let core { text += ", \(core) kernels \(coreOrigin.rawValue)" }
    return text
  }
}
