import Synchronization
public import TinctureTensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The tensor engine: PyTorch's C++ library, found and loaded when a step first needs it.
///
/// The library is loaded once for a process and never unloaded. Whoever wants a certain one loads it
/// first by ``load(_:threads:)``; otherwise the first tensor does so, with the usual search.
public final class LibTorch: Sendable {
  /// Where the library was found.
  public let finding: LibTorchSearch.Finding
  /// The version that the library states for itself, with the text that stands beside it.
  public let version: LibTorchVersion
  /// How long loading took.
  public let loadTime: Duration
  /// Why `libtorch_cuda` is not in use although it is there, if that is so.
  public let cudaProblem: String?
  /// The functions.
  let functions: TorchFunctions
  /// The numbers of dtypes and devices.
  let codes: TorchCodes

  private static let loaded = Mutex<LibTorch?>(nil)

  /// The loaded library; loads one by the usual search when there is none yet.
  ///
  /// - Throws: `missingFacility` when there is no LibTorch that is new enough; the message says how to get
  ///   one.
  public static func current() throws(TinctureError) -> LibTorch {
    try load(nil)
  }

  /// Loads the library that a search finds.
  ///
  /// - Parameters:
  ///   - search: The search; a second one must lead to the library that is already loaded.
  ///   - threads: The number of threads of one operator on the processor; nil leaves it to LibTorch. A number that
  ///     is known before the library is loaded costs less than one set later: see ``threadCount``.
  /// - Returns: The library that the process uses from now on.
  /// - Throws: `missingFacility` when nothing is found, when it is too old or cannot be loaded, and when
  ///   another one is loaded already.
  /// - Complexity: About a quarter of a second for the first call.
  @discardableResult
  public static func load(
    _ search: LibTorchSearch, threads: Int? = nil
  ) throws(TinctureError) -> LibTorch {
    if let threads, !isLoaded { prepareThreads(threads) }
    let library = try load(.some(search))
    if let threads, library.threadCount != threads { library.threadCount = threads }
    return library
  }

  private static var isLoaded: Bool { loaded.withLock { $0 != nil } }

  private static func load(_ search: LibTorchSearch?) throws(TinctureError) -> LibTorch {
    try loaded.withLock { (library) throws(TinctureError) -> LibTorch in
      if let library {
        guard let search else { return library }
        let finding = try search.find()
        guard finding.folder == library.finding.folder else {
          throw TinctureError(
            .missingFacility,
            "LibTorch in \(library.finding.folder) is loaded already; a process cannot also use the one"
              + " in \(finding.folder).")
        }
        return library
      }
      let result = try LibTorch((search ?? LibTorchSearch()).find())
      library = result
      return result
    }
  }

  private init(_ finding: LibTorchSearch.Finding) throws(TinctureError) {
    let start = ContinuousClock.now
    FreedMemory.keep()
    func open(_ name: String) -> Result<DynamicLibrary, DynamicLibrary.LoadFailure> {
      DynamicLibrary.load(finding.folder + "/" + LibTorchSearch.libraryName(name))
    }
    func needed(_ name: String) throws(TinctureError) -> DynamicLibrary {
      switch open(name) {
      case .success(let library): return library
      case .failure(let failure):
        throw TinctureError(
          .missingFacility,
          "LibTorch in \(finding.folder) cannot be loaded: \(failure.reason). "
            + LibTorchSearch.remedy)
      }
    }
    _ = try needed("c10")
    let library = try needed("torch_cpu")
    let path = finding.folder + "/" + LibTorchSearch.libraryName("torch_cpu")
    functions = try TorchFunctions(resolvedIn: library, path: path)
    let stated = LibTorchVersion(abi: functions.abiVersion())
    try LibTorchSearch.checkVersion(stated, at: finding.folder)
    let written = finding.version
    version =
      written?.major == stated.major && written?.minor == stated.minor ? written ?? stated : stated
    codes = try TorchCodes(resolvedIn: library, path: path)
    // The hooks of CUDA are asked for once, so its library must be there before the first operator.
    var problem: String?
    let cuda = finding.folder + "/" + LibTorchSearch.libraryName("torch_cuda")
    if access(cuda, R_OK) == 0 {
      if access("/dev/nvidiactl", F_OK) != 0, access("/dev/dxg", F_OK) != 0 {
        problem = "this machine shows no NVIDIA device"
      } else if case .failure(let failure) = open("torch_cuda") {
        problem = failure.reason
      }
    }
    cudaProblem = problem
    self.finding = finding
    loadTime = ContinuousClock.now - start
  }
}
