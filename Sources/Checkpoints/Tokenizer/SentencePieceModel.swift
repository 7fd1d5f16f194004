import TinctureJSON
import TinctureTensors

/// The pieces of a SentencePiece model, read from its protocol buffer.
///
/// Only what a vocabulary needs is read: field 1 of the message, repeated, is a piece; in it, field 1
/// is the text. The id of a piece is its position. All other fields are skipped.
struct SentencePieceModel {
  /// The texts of the pieces in order of their ids.
  private(set) var pieces: [String] = []

  /// Reads a model.
  ///
  /// - Throws: `checkpoint` with the byte offset when the message is damaged.
  /// - Complexity: O(n).
  init(parsing bytes: [UInt8]) throws(TinctureError) {
    var message = ProtocolMessage(bytes, bytes.startIndex..<bytes.endIndex)
    while let field = try message.next() {
      guard field.number == 1 else { continue }
      guard let range = field.range else {
        throw message.failure("A piece of the SentencePiece model is no message.")
      }
      var piece = ProtocolMessage(bytes, range)
      var text: String?
      while let part = try piece.next() {
        guard part.number == 1 else { continue }
        guard let span = part.range, let valid = String(validating: bytes[span], as: UTF8.self)
        else { throw piece.failure("A piece of the SentencePiece model is not valid UTF-8.") }
        text = valid
      }
      guard let text else {
        throw piece.failure("A piece of the SentencePiece model has no text.")
      }
      guard pieces.count <= Vocabulary.largestID else {
        throw piece.failure("The SentencePiece model has more than ten million pieces.")
      }
      pieces.append(text)
    }
    guard !pieces.isEmpty else {
      throw message.failure("The file holds no SentencePiece model: there are no pieces in it.")
    }
  }
}

/// Walks over the fields of a protocol buffer message.
private struct ProtocolMessage {
  struct Field {
    var number: UInt64
    /// Where the contents lie, for fields that have a length.
    var range: Range<Int>?
  }

  private let bytes: [UInt8]
  private var position: Int
  private let end: Int

  init(_ bytes: [UInt8], _ range: Range<Int>) {
    self.bytes = bytes
    position = range.lowerBound
    end = range.upperBound
  }

  func failure(_ message: String) -> TinctureError {
    TinctureError(.checkpoint, message, at: .init(byteOffset: position))
  }

  mutating func next() throws(TinctureError) -> Field? {
    guard position < end else { return nil }
    let key = try readVariable()
    guard key >> 3 > 0 else { throw failure("The SentencePiece model has a field number 0.") }
    switch key & 7 {
    case 0:
      _ = try readVariable()
      return Field(number: key >> 3)
    case 1: return Field(number: key >> 3, range: try take(8))
    case 2: return Field(number: key >> 3, range: try take(readVariable()))
    case 5: return Field(number: key >> 3, range: try take(4))
    default:
      throw failure("The SentencePiece model has a field of the unknown kind \(key & 7).")
    }
  }

  private mutating func take(_ count: UInt64) throws(TinctureError) -> Range<Int> {
    guard count <= UInt64(end - position) else {
      throw failure("The SentencePiece model ends inside a field of \(count) bytes.")
    }
    defer { position += Int(count) }
    return position..<position + Int(count)
  }

  private mutating func readVariable() throws(TinctureError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard position < end else { throw failure("The SentencePiece model ends inside a number.") }
      let byte = bytes[position]
      position += 1
      guard shift < 63 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw failure("The SentencePiece model has a number of more than 64 bits.")
  }
}
