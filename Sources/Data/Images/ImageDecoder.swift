internal import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

/// Decodes JPEG and PNG pictures by the usual C libraries, which are found at run time.
///
/// JPEG: libjpeg-turbo, by `libturbojpeg`, with the accurate inverse transform, as Pillow decodes. PNG:
/// `libpng16`. Values are those of the file: colour profiles, gamma and the orientation that cameras note
/// are not applied, as in Pillow and torchvision. Samples of 16 bits become 8 bits, palettes colours.
public enum ImageDecoder {
  /// The most pixels of a picture.
  public static let pixelLimit = 1 << 28

  /// Decodes a picture; its first bytes say of which kind it is.
  ///
  /// - Parameters:
  ///   - bytes: The contents of the file.
  ///   - source: The file, as messages name it.
  /// - Returns: The picture with 1 (grey), 2 (grey and alpha), 3 or 4 (with alpha) channels.
  /// - Throws: `data` when the bytes are neither JPEG nor PNG or are damaged, `missingFacility` with what to
  ///   install when the library is not there.
  /// - Complexity: O(n) in the number of pixels; nothing is allocated before the extents in the header were
  ///   found plausible for the size of the file.
  public static func decode(
    _ bytes: [UInt8], source: String
  ) throws(TinctureError) -> PixelImage {
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      return try TurboJPEG.shared.decode(bytes, source: source)
    }
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      return try PNG.shared.decode(bytes, source: source)
    }
    throw TinctureError(
      .data,
      "The file is neither JPEG nor PNG; convert the picture, or take it out of the data set.",
      at: .init(file: source, byteOffset: 0))
  }

  /// Decodes the picture in a file.
  ///
  /// - Parameter path: The file.
  /// - Returns: The picture.
  /// - Throws: `missingInput` when the file cannot be opened, and as `decode(_:source:)`.
  static func decode(at path: FilePath) throws(TinctureError) -> PixelImage {
    try decode(InputFile(opening: path).contents(), source: path.string)
  }

  /// Refuses extents that the file cannot hold.
  ///
  /// - Parameters:
  ///   - width: The number of columns that the header claims.
  ///   - height: The number of rows that the header claims.
  ///   - byteCount: The number of bytes of the file.
  ///   - ratio: The most pixels that one byte of the file can stand for.
  ///   - source: The file, as messages name it.
  /// - Throws: `data` when there are none, too many or more than fit.
  static func check(
    width: Int, height: Int, byteCount: Int, ratio: Int, source: String
  ) throws(TinctureError) {
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !overflow, pixels <= pixelLimit else {
      throw TinctureError(
        .data,
        "The picture claims \(width) × \(height) pixels; at most \(pixelLimit) are decoded.",
        at: .init(file: source))
    }
    guard pixels / ratio <= byteCount else {
      throw TinctureError(
        .data,
        "The picture claims \(width) × \(height) pixels, which a file of \(byteCount) bytes cannot hold;"
          + " it is truncated or damaged.", at: .init(file: source))
    }
  }
}
