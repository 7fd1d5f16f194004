#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Glibc
#endif
internal import SystemPackage
internal import TinctureTensors

/// The names in a folder.
enum FolderListing {
  private static let mostNames = 1_000_000

  /// The names of everything in a folder except hidden things, in the order of their bytes.
  ///
  /// - Parameter path: The folder; links are followed.
  /// - Returns: The names, or nil when there is no such folder. Names that are no UTF-8 are left out.
  /// - Throws: `missingInput` when the folder cannot be read.
  static func names(in path: FilePath) throws(TinctureError) -> [String]? {
    guard let status = try SmallFile.status(of: path), status.type == .directory else { return nil }
    guard let folder = path.withPlatformString({ opendir($0) }) else {
      throw TinctureError(
        .missingInput, "The folder cannot be read: \(Errno(rawValue: errno)).",
        at: .init(file: path.string))
    }
    defer { closedir(folder) }
    var names: [String] = []
    while names.count < mostNames {
      errno = 0
      guard let entry = readdir(folder) else {
        guard errno != 0 else { break }
        throw TinctureError(
          .io, "Listing the folder failed: \(Errno(rawValue: errno)).",
          at: .init(file: path.string))
      }
      let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if let name = String(validating: bytes, as: UTF8.self), !name.hasPrefix(".") {
        names.append(name)
      }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
