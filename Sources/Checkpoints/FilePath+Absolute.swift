internal import Foundation
package import SystemPackage

extension FilePath {
  /// The path from the root, seen from the current directory, without `.` and `..`.
  package var absolute: FilePath {
    let current = FilePath(FileManager.default.currentDirectoryPath)
    return (isRelative ? current.pushing(self) : self).lexicallyNormalized()
  }
}
