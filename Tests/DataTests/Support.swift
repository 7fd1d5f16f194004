import Foundation
import SystemPackage
import Testing
import TinctureData
import TinctureMergeTesting
import TinctureSafetensors
import TinctureTensors

/// A file of the tests.
func fixture(_ name: String) -> FilePath {
  guard let url = Bundle.module.url(forResource: "Fixtures/" + name, withExtension: nil) else {
    preconditionFailure("Fixtures/\(name) is missing.")
  }
  return FilePath(url.path)
}

/// The number at a position of the arrays of `make_arrays.py`.
func expectedNumber(_ position: Int, _ type: String) -> Double {
  let k = (37 * position + 11) % 251
  switch type.prefix(2) {
  case "b1": return Double(k % 2)
  case "i1": return (Double(k - 100) / 2).rounded(.down)
  case "i2", "i4", "i8": return Double(k - 100)
  case "f2", "f4", "f8": return Double(k - 100) / 8
  default: return Double(k)
  }
}

/// An npy file.
func npy(
  version: UInt8 = 1, header: String, claimedLength: Int? = nil, data: [UInt8]
) -> [UInt8] {
  let length = claimedLength ?? header.utf8.count
  let bytes = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + bytes + Array(header.utf8) + data
}

/// An IDX file.
func idx(type: UInt8 = 8, extents: [UInt32], data: [UInt8]) -> [UInt8] {
  [0, 0, type, UInt8(extents.count)]
    + extents.flatMap { extent in
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> UInt32($0)) }
    } + data
}

/// A safetensors file of `F32` and `I64` tensors.
func safetensors(_ header: String, _ data: [UInt8]) -> [UInt8] {
  let count = UInt64(header.utf8.count)
  return (0..<8).map { UInt8(truncatingIfNeeded: count >> UInt64(8 * $0)) } + Array(header.utf8)
    + data
}

/// The bytes of numbers, lowest first.
func littleEndian<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
  numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
}

extension Trait where Self == ConditionTrait {
  /// Skips a test where no zlib is installed.
  static var needsZlib: Self {
    .enabled(
      if: (try? ArrayDataSet.npz(fixture("arrays.npz"), columns: ["u1_C_little"])) != nil,
      "No zlib was found: apt install zlib1g")
  }
}

/// Asserts that something fails with a class, a file and a part of the message.
func expectFailure(
  _ fragment: String, _ code: TinctureError.Code = .data, line: Int? = nil,
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  let error = #expect(throws: TinctureError.self, sourceLocation: sourceLocation) { try body() }
  guard let error else { return }
  #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
  #expect(
    fragment.isEmpty || error.message.contains(fragment), "\(error)", sourceLocation: sourceLocation
  )
  #expect(error.place.file != nil, "\(error)", sourceLocation: sourceLocation)
  if let line { #expect(error.place.line == line, "\(error)", sourceLocation: sourceLocation) }
}
