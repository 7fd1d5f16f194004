public import TinctureTensors

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

extension Backend {
  /// Finds and loads a library; the only place that does.
  ///
  /// Looked for in this order: `path`; else the file that `TINCTURE_BLAS` names, and nothing else
  /// when it is set; `libopenblas.so.0`, `libopenblas.so`; `libblas.so.3` with `liblapack.so.3`; the
  /// CPU library of LibTorch, from the folder or file that `TINCTURE_LIBTORCH` names. A library is
  /// loaded for this module alone, so that it does not take the place of another one's routines.
  ///
  /// OpenBLAS reads the processor type from `OPENBLAS_CORETYPE`. If that is not set and the processor
  /// has AVX-512, the AVX-512 kernels are asked for, as older versions do not know newer processors.
  ///
  /// - Parameters:
  ///   - path: A library file that has the routines of BLAS and LAPACK.
  ///   - libTorch: A folder or file of LibTorch, instead of the one that the environment names.
  /// - Returns: The backend.
  /// - Throws: An error of the class `missingFacility` with what was tried and how to get a library.
  public static func load(
    from path: String? = nil, libTorch: String? = nil
  ) throws(TinctureError) -> Backend {
    var tried: [TinctureError] = []
    let places = candidates(
      path ?? environment("TINCTURE_BLAS"), libTorch ?? environment("TINCTURE_LIBTORCH"))
    for files in places {
      do throws(TinctureError) {
        let backend = try open(files)
        FreedMemory.keep()
        return backend
      } catch {
        tried.append(error)
      }
    }
    let named = path != nil || environment("TINCTURE_BLAS") != nil
    let finding =
      named
      ? "The library named for linear algebra cannot be used (\(tried.first?.message ?? ""))."
      : "No library for linear algebra was found."
    throw TinctureError(
      .missingFacility,
      finding
        + " Install one (apt install libopenblas0, or pip install torch and set TINCTURE_LIBTORCH to"
        + " its folder), or name a file: TINCTURE_BLAS=PATH",
      causes: tried)
  }

  /// The groups of files to try; the routines of one group belong together.
  static func candidates(_ path: String?, _ libTorch: String?) -> [[String]] {
    if let path { return [[path]] }
    #if canImport(Darwin)
      return [[Accelerate.path]]
    #else
      let torch = libTorch.map { place in
        ["", "/libtorch_cpu.so", "/lib/libtorch_cpu.so"].map { [place + $0] }
          .filter { access($0[0], R_OK) == 0 && $0[0].hasSuffix(".so") }
          + (matches(place + "/../torch.libs/libopenblas*")
          + matches(place + "/../../torch.libs/libopenblas*")).map { [$0] }
      }
      return [["libopenblas.so.0"], ["libopenblas.so"], ["libblas.so.3", "liblapack.so.3"]]
        + (torch ?? [])
    #endif
  }

  private static func matches(_ pattern: String) -> [String] {
    var found = glob_t()
    defer { globfree(&found) }
    guard glob(pattern, 0, nil, &found) == 0 else { return [] }
    return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }
  }

  private static func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }

  /// Loads one group of files.
  private static func open(_ files: [String]) throws(TinctureError) -> Backend {
    let (handles, chosen) = try withSettings { () throws(TinctureError) -> [LoadedFile] in
      var handles: [LoadedFile] = []
      for file in files { handles.append(try LoadedFile(file)) }
      return handles
    }
    // The handles are never closed: the routines live as long as the process.
    func find(_ name: String) -> UnsafeMutableRawPointer? {
      for handle in handles {
        if let symbol = handle.symbol(name) { return symbol }
      }
      return nil
    }
    func routine(_ name: String) -> UnsafeMutableRawPointer? {
      #if canImport(Darwin)
        find(Accelerate.symbol(name)) ?? find(name + "_")
      #else
        find(name + "_")
      #endif
    }
    var missing: [String] = []
    let single = Routines(.single, missing: &missing, find: routine)
    let double = Routines(.double, missing: &missing, find: routine)
    guard let single, let double else {
      throw TinctureError(
        .missingFacility,
        "\(files.joined(separator: ", ")) lacks \(missing.joined(separator: ", ")); take a library "
          + "with BLAS and LAPACK, such as OpenBLAS")
    }
    func optional<Function>(_ name: String, _ type: Function.Type) -> Function? {
      find(name).map { unsafeBitCast($0, to: type) }
    }
    let gate = ThreadGate(
      setGlobally: optional("openblas_set_num_threads", ThreadGate.SetGlobally.self),
      setLocally: optional("MKL_Set_Num_Threads_Local", ThreadGate.SetLocally.self))
    typealias Text = @convention(c) () -> UnsafePointer<CChar>?
    func text(_ name: String) -> String? {
      optional(name, Text.self).flatMap { $0() }.map {
        String(decoding: String(cString: $0).utf8.prefix { $0 != 10 }, as: UTF8.self)
      }
    }
    let core = text("openblas_get_corename")
    let description = Description(
      path: files.indices.map { handles[$0].path(of: ["sgemm_", "sgesdd_"]) ?? files[$0] }
        .joined(separator: ", "),
      version: text("openblas_get_config") ?? mklVersion(find("MKL_Get_Version_String")),
      core: core,
      coreOrigin: core == nil
        ? .library : environment("OPENBLAS_CORETYPE") != nil ? .environment : chosen,
      controlsThreads: gate.controlsThreads)
    return Backend(description, single: single, double: double, gate: gate)
  }

  /// Loads with what OpenBLAS reads from the environment while it is loaded, and takes that back.
  private static func withSettings<Result>(
    _ body: () throws(TinctureError) -> Result
  ) throws(TinctureError) -> (Result, Description.CoreOrigin) {
    var settings: [(String, String)] = []
    if environment("OPENBLAS_NUM_THREADS") == nil { settings.append(("OPENBLAS_NUM_THREADS", "1")) }
    var origin = Description.CoreOrigin.library
    if environment("OPENBLAS_CORETYPE") == nil, Kernels.instructionSet.hasPrefix("x86-64-v4") {
      settings.append(("OPENBLAS_CORETYPE", "SkylakeX"))
      origin = .chosen
    }
    for (name, value) in settings { setenv(name, value, 1) }
    defer { for (name, _) in settings { unsetenv(name) } }
    return (try body(), origin)
  }

  private static func mklVersion(_ symbol: UnsafeMutableRawPointer?) -> String? {
    typealias Version = @convention(c) (UnsafeMutablePointer<UInt8>, Int32) -> Void
    guard let symbol else { return nil }
    var text = [UInt8](repeating: 0, count: 200)
    unsafeBitCast(symbol, to: Version.self)(&text, 200)
    let used = text.prefix { $0 != 0 }
    return String(decoding: used, as: UTF8.self).split(separator: "  ").first.map(String.init)
  }
}

/// A library that the process has loaded; it stays.
private struct LoadedFile {
  private let handle: UnsafeMutableRawPointer

  init(_ file: String) throws(TinctureError) {
    var flags = RTLD_NOW | RTLD_LOCAL
    #if canImport(Glibc)
      flags |= RTLD_DEEPBIND
    #endif
    guard let handle = dlopen(file, flags) else {
      let reason = dlerror().map { String(cString: $0) } ?? "\(file): it cannot be loaded"
      throw TinctureError(.missingFacility, reason)
    }
    self.handle = handle
  }

  func symbol(_ name: String) -> UnsafeMutableRawPointer? { dlsym(handle, name) }

  /// The file that holds the first of these symbols, as the system names it.
  func path(of names: [String]) -> String? {
    // Glibc shows this function to C only on request, so that it is looked up, too.
    typealias Locate = @convention(c) (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int32
    guard let locate = dlsym(dlopen(nil, RTLD_LAZY), "dladdr"),
      let symbol = names.lazy.compactMap({ self.symbol($0) }).first
    else { return nil }
    // Four addresses: of the file's name, the file, the symbol's name, the symbol.
    var facts = [UnsafePointer<CChar>?](repeating: nil, count: 4)
    guard unsafeBitCast(locate, to: Locate.self)(symbol, &facts) != 0, let name = facts[0]
    else { return nil }
    guard let resolved = realpath(name, nil) else { return String(cString: name) }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
