internal import SystemPackage
internal import TinctureSafetensors
internal import TinctureTensors

/// Files that are read whole.
enum SmallFile {
  /// The bytes of a file.
  ///
  /// - Parameters:
  ///   - path: The file; links are followed.
  ///   - limit: The largest size that makes sense.
  /// - Returns: The bytes, or nil when there is no such file.
  /// - Throws: `missingInput` when it cannot be opened, `checkpoint` when it is larger than the limit or
  ///   no regular file, `io` when reading fails.
  static func contents(of path: FilePath, limit: Int) throws(TinctureError) -> [UInt8]? {
    guard let status = try status(of: path) else { return nil }
    guard status.type == .regular else {
      throw TinctureError(
        .checkpoint, "This is no regular file; put the file itself here.",
        at: .init(file: path.string))
    }
    guard status.size <= limit else {
      throw TinctureError(
        .checkpoint, "The file has \(status.size) bytes, more than the \(limit) that make sense.",
        at: .init(file: path.string))
    }
    return try InputFile(opening: path).contents()
  }

  /// What is at a path, or nil when nothing is; links are followed.
  ///
  /// - Throws: `missingInput` when that cannot be found out.
  static func status(of path: FilePath) throws(TinctureError) -> (type: FileType, size: Int)? {
    do throws(Errno) {
      let status = try path.stat()
      return (status.type, Int(status.size))
    } catch {
      switch error {
      case .noSuchFileOrDirectory, .notDirectory, .fileNameTooLong, .tooManySymbolicLinkLevels:
        return nil
      default:
        throw TinctureError(
          .missingInput, "The file cannot be looked at: \(error).", at: .init(file: path.string))
      }
    }
  }
}
