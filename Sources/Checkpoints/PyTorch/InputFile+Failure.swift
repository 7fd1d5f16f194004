import SystemPackage
import TinctureSafetensors
import TinctureTensors

extension InputFile {
  /// A failure of this checkpoint at a position.
  ///
  /// Messages quote names from the file, so control characters are masked and the length is bounded.
  func failure(_ message: String, at offset: Int? = nil, tensor: String? = nil) -> TinctureError {
    TinctureError(
      .checkpoint, Self.printable(message, limit: 1000),
      at: .init(
        file: path.string, byteOffset: offset,
        tensor: tensor.map { Self.printable($0, limit: 200) }))
  }

  private static func printable(_ text: String, limit: Int) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(limit) {
      let isControl = scalar.properties.generalCategory == .control
      result.append(isControl ? "\u{FFFD}" : scalar)
    }
    return String(result) + (text.unicodeScalars.count > limit ? "…" : "")
  }
}
