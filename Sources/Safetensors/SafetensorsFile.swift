public import SystemPackage
public import TinctureTensors

/// A checked safetensors file, ready for reads at positions.
public struct SafetensorsFile: Sendable {
  /// The open file.
  public let file: InputFile
  /// What the file holds.
  public let header: SafetensorsHeader

  /// Opens a file and checks its header completely; no tensor data is read.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it cannot be opened, `checkpoint` when it is malformed; both name the
  ///   file, and the tensor or byte offset where one is at fault.
  /// - Complexity: O(n log n) in the number of tensors.
  public init(opening path: FilePath) throws(TinctureError) {
    let file = try InputFile(opening: path)
    self.file = file
    do throws(TinctureError) {
      guard file.size >= 8 else {
        throw TinctureError(
          .checkpoint, "The file has \(file.size) bytes; a safetensors file has at least 8.",
          at: .init(byteOffset: 0))
      }
      let lengthBytes = try file.bytes(at: 0, count: 8)
      let length = lengthBytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard length <= UInt64(SafetensorsHeader.sizeLimit) else {
        throw TinctureError(
          .checkpoint,
          "The header claims \(length) bytes, more than the limit of \(SafetensorsHeader.sizeLimit);"
            + " this is probably no safetensors file.", at: .init(byteOffset: 0))
      }
      guard length <= UInt64(file.size - 8) else {
        throw TinctureError(
          .checkpoint,
          "The header claims \(length) bytes, but only \(file.size - 8) follow; the file is truncated.",
          at: .init(byteOffset: 0))
      }
      header = try SafetensorsHeader(
        parsing: file.bytes(at: 8, count: Int(length)), fileSize: file.size)
    } catch {
      throw error.located(file: path.string)
    }
  }
}
