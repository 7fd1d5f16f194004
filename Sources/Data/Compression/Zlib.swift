internal import TinctureTensors

/// The functions of zlib that unpack, found at run time.
///
/// `@unchecked Sendable` by way of `DynamicLibrary`: the functions may be called from any thread.
struct Zlib: Sendable {
  typealias Initialize =
    @convention(c) (UnsafeMutableRawPointer, Int32, UnsafePointer<CChar>, Int32) -> Int32
  typealias Step = @convention(c) (UnsafeMutableRawPointer, Int32) -> Int32
  typealias End = @convention(c) (UnsafeMutableRawPointer) -> Int32
  typealias Checksum = @convention(c) (UInt, UnsafePointer<UInt8>?, UInt32) -> UInt

  let initialize: Initialize
  let inflate: Step
  let end: End
  let checksum: Checksum

  /// The library, loaded when it is first needed.
  static var shared: Zlib {
    get throws(TinctureError) { try loaded.get() }
  }

  private static let loaded = Result { () throws(TinctureError) -> Zlib in
    let library = try DynamicLibrary.first(
      of: ["libz.so.1", "libz.so", "libz.dylib", "/usr/lib/libz.1.dylib"],
      purpose: "unpack compressed data", package: "zlib1g")
    guard let initialize = library.function("inflateInit2_", as: Initialize.self),
      let inflate = library.function("inflate", as: Step.self),
      let end = library.function("inflateEnd", as: End.self),
      let checksum = library.function("crc32", as: Checksum.self)
    else { throw DynamicLibrary.incomplete("zlib", package: "zlib1g") }
    return Zlib(initialize: initialize, inflate: inflate, end: end, checksum: checksum)
  }
}

extension DynamicLibrary {
  /// The first of several files that can be loaded.
  ///
  /// - Parameters:
  ///   - files: The names to try.
  ///   - purpose: What the library is needed for: "decode JPEG pictures".
  ///   - package: The package of Debian and its relatives that has the library.
  /// - Returns: The library.
  /// - Throws: `missingFacility` with how to get the library and what was tried.
  static func first(
    of files: [String], purpose: String, package: String
  ) throws(TinctureError) -> DynamicLibrary {
    var tried: [TinctureError] = []
    for file in files {
      switch load(file) {
      case .success(let library): return library
      case .failure(let failure): tried.append(TinctureError(.missingFacility, failure.reason))
      }
    }
    throw TinctureError(
      .missingFacility,
      "A library is missing that is needed to \(purpose). Install it: apt install \(package)",
      causes: tried)
  }

  /// The failure of a library that lacks a function.
  static func incomplete(_ name: String, package: String) -> TinctureError {
    TinctureError(
      .missingFacility,
      "The library \(name) that was found lacks functions that are needed; install a newer one: apt"
        + " install \(package)")
  }
}
