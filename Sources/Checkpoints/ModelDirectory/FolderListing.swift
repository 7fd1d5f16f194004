package import SystemPackage
package import TinctureTensors

/// What a folder of a model shows.
package enum FolderListing {
  /// The names of everything in a folder except hidden things, in the order of their bytes.
  ///
  /// - Parameter path: The folder; links are followed.
  /// - Returns: The names, or nil when there is no such folder.
  /// - Throws: `missingInput` when the folder cannot be read.
  package static func names(in path: FilePath) throws(TinctureError) -> [String]? {
    guard let status = try SmallFile.status(of: path), status.type == .directory else { return nil }
    return try DirectoryListing.names(in: path).filter { !$0.hasPrefix(".") }
  }
}
