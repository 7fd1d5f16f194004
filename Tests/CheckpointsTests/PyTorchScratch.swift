import Foundation
import SystemPackage
import Testing
import TinctureCheckpoints
import TinctureSafetensors
import TinctureTensors

/// Files of the PyTorch tests: fixtures that are committed, and scratch files that are removed.
enum PyTorchScratch {
  /// The path of a committed fixture.
  static func fixture(_ name: String) throws -> FilePath {
    let root = try #require(Bundle.module.resourcePath)
    return FilePath(root + "/Fixtures/pytorch/" + name)
  }

  /// The bytes of a committed fixture.
  static func fixtureBytes(_ name: String) throws -> [UInt8] {
    try InputFile(opening: fixture(name)).contents()
  }

  /// Opens bytes as a checkpoint, by way of a file that is gone afterwards.
  static func open(_ bytes: [UInt8]) throws -> PyTorchFile {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tincture-\(UUID().uuidString).bin")
    try Data(bytes).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try PyTorchFile(opening: FilePath(url.path))
  }
}

extension PyTorchFile {
  /// The bytes of a tensor in row-major order, in hexadecimal.
  func hexadecimal(of tensor: StoredTensor) throws -> String {
    let width = tensor.dtype.bitWidth / 8
    let extents = tensor.shape.extents
    var rowMajor = [Int](repeating: 1, count: extents.count)
    for axis in extents.indices.dropLast().reversed() {
      rowMajor[axis] = rowMajor[axis + 1] * extents[axis + 1]
    }
    var text = ""
    for index in 0..<tensor.shape.elementCount {
      var position = 0
      for axis in extents.indices {
        let coordinate = index / rowMajor[axis] % extents[axis]
        position += coordinate * (tensor.strides ?? rowMajor)[axis]
      }
      for byte in try file.bytes(at: tensor.byteOffset + position * width, count: width) {
        text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }
    return text
  }
}
