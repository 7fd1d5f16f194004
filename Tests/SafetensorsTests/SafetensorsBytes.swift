import SystemPackage
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

/// Builds safetensors files byte by byte, right or wrong.
enum SafetensorsBytes {
  /// A file with a header, and data that counts up.
  ///
  /// - Parameters:
  ///   - header: The JSON.
  ///   - dataSize: The number of bytes after it.
  ///   - length: The length that the file claims for the header; nil for the true one.
  /// - Returns: The bytes of the file.
  static func file(_ header: String, dataSize: Int = 0, length: UInt64? = nil) -> [UInt8] {
    file(Array(header.utf8), dataSize: dataSize, length: length)
  }

  static func file(_ header: [UInt8], dataSize: Int = 0, length: UInt64? = nil) -> [UInt8] {
    let claimed = length ?? UInt64(header.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: claimed >> ($0 * 8)) } + header
      + (0..<dataSize).map { UInt8(truncatingIfNeeded: $0) }
  }

  /// Three tensors of different types, one of them empty, and metadata.
  static let small = file(
    """
    {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
    "e":{"dtype":"I64","shape":[0,4],"data_offsets":[24,24]},\
    "b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}}
    """, dataSize: 26)

  /// Opens bytes as a file.
  static func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
    let scratch = try ScratchDirectory()
    return try SafetensorsFile(opening: scratch.write("model.safetensors", bytes))
  }
}
