internal import Crypto
internal import TinctureTensors

/// SHA-256 over bytes that arrive piece by piece, as 64 hexadecimal digits.
struct PartDigest {
  private var hash = SHA256()

  mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

  mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
    // A byte that no UTF-8 text holds ends it.
    hash.update(data: [0xff])
  }

  func finish() -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in hash.finalize() { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  /// The digest of bytes at hand.
  static func of(_ bytes: [UInt8]) -> String {
    var digest = PartDigest()
    bytes.withUnsafeBytes { digest.update($0) }
    return digest.finish()
  }
}
