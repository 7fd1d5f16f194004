internal import Crypto
internal import TinctureTensors

/// SHA-256 over what a result depends on, piece by piece.
struct ContentDigest {
  private var hash = SHA256()

  /// Mixes in bytes, whose number is fixed by what came before.
  mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

  /// Mixes in a text and its end.
  mutating func update(_ text: String) {
    hash.update(data: Array(text.utf8))
    // A byte that no UTF-8 text holds ends it.
    hash.update(data: [0xff])
  }

  /// The digest as 64 hexadecimal digits.
  func finish() -> String {
    hash.finalize().map { byte in
      let text = String(byte, radix: 16)
      return text.count < 2 ? "0" + text : text
    }.joined()
  }
}
