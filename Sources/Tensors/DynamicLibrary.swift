#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A shared library that stays loaded for the life of the process.
///
/// Libraries are loaded with local scope, so that their symbols reach nobody else, and on Linux look
/// their own symbols up in themselves first: LibTorch exports the whole of BLAS under the names that
/// other libraries have, too.
///
/// `@unchecked Sendable`: the handle never changes, and `dlsym` may be called from any thread.
package struct DynamicLibrary: @unchecked Sendable {
  private let handle: UnsafeMutableRawPointer

  /// Loads the file at a path.
  ///
  /// - Returns: The library, or what the system says about the failure.
  package static func load(_ path: String) -> Result<DynamicLibrary, LoadFailure> {
    var mode = RTLD_LAZY | RTLD_LOCAL
    #if canImport(Glibc)
      mode |= RTLD_DEEPBIND
    #endif
    guard let handle = dlopen(path, mode) else {
      return .failure(
        LoadFailure(reason: dlerror().map { String(cString: $0) } ?? "unknown reason"))
    }
    return .success(DynamicLibrary(handle: handle))
  }

  /// Why a library could not be loaded, in the system's words.
  package struct LoadFailure: Error {
    /// What the system says.
    package let reason: String
  }

  private init(handle: UnsafeMutableRawPointer) {
    self.handle = handle
  }

  /// The address of a symbol of the library or of those it depends on, or nil.
  package func symbol(_ name: String) -> UnsafeMutableRawPointer? {
    dlsym(handle, name)
  }

  /// A function of the library, or nil when there is none of this name.
  ///
  /// - Parameters:
  ///   - name: The name of the symbol.
  ///   - type: The type, which must be that of the C function.
  /// - Returns: The function.
  package func function<Function>(_ name: String, as type: Function.Type) -> Function? {
    symbol(name).map { unsafeBitCast($0, to: type) }
  }
}
