internal import TinctureTensors

/// The functions of libjpeg-turbo that decode, by its TurboJPEG interface (versions 1.4 to 3).
struct TurboJPEG: Sendable {
  typealias Handle = UnsafeMutableRawPointer
  typealias Create = @convention(c) () -> Handle?
  typealias Destroy = @convention(c) (Handle) -> Int32
  typealias ReadHeader =
    @convention(c) (
      Handle, UnsafePointer<UInt8>?, UInt, UnsafeMutablePointer<Int32>,
      UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>
    ) -> Int32
  typealias Decompress =
    @convention(c) (
      Handle, UnsafePointer<UInt8>?, UInt, UnsafeMutablePointer<UInt8>?, Int32, Int32, Int32,
      Int32, Int32
    ) -> Int32
  typealias ErrorText = @convention(c) (Handle) -> UnsafePointer<CChar>?

  private static let package = "libturbojpeg0"
  // Pixel formats and flags of turbojpeg.h.
  private static let red = Int32(0)
  private static let grey = Int32(6)
  private static let accurateTransform = Int32(4096)
  private static let greySpace = Int32(2)

  private let create: Create
  private let destroy: Destroy
  private let readHeader: ReadHeader
  private let decompress: Decompress
  private let errorText: ErrorText

  /// The library, loaded when it is first needed.
  static var shared: TurboJPEG {
    get throws(TinctureError) { try loaded.get() }
  }

  private static let loaded = Result { () throws(TinctureError) -> TurboJPEG in
    let library = try DynamicLibrary.first(
      of: [
        "libturbojpeg.so.0", "libturbojpeg.so", "libturbojpeg.0.dylib",
        "/opt/homebrew/lib/libturbojpeg.dylib", "/usr/local/lib/libturbojpeg.dylib",
      ], purpose: "decode JPEG pictures", package: package)
    guard let create = library.function("tjInitDecompress", as: Create.self),
      let destroy = library.function("tjDestroy", as: Destroy.self),
      let readHeader = library.function("tjDecompressHeader3", as: ReadHeader.self),
      let decompress = library.function("tjDecompress2", as: Decompress.self),
      let errorText = library.function("tjGetErrorStr2", as: ErrorText.self)
    else { throw DynamicLibrary.incomplete("libturbojpeg", package: package) }
    return TurboJPEG(
      create: create, destroy: destroy, readHeader: readHeader, decompress: decompress,
      errorText: errorText)
  }

  /// Decodes a picture; a grey one has one channel, all others three.
  ///
  /// - Throws: `data` when it is damaged, truncated, or in the colours of print.
  func decode(_ bytes: [UInt8], source: String) throws(TinctureError) -> PixelImage {
    guard let handle = create() else {
      throw TinctureError(.engine, "libturbojpeg cannot start; memory may have run out.")
    }
    defer { _ = destroy(handle) }
    var width: Int32 = 0
    var height: Int32 = 0
    var sampling: Int32 = 0
    var space: Int32 = 0
    let status = bytes.withUnsafeBufferPointer {
      readHeader(handle, $0.baseAddress, UInt($0.count), &width, &height, &sampling, &space)
    }
    guard status == 0 else { throw failure(handle, source) }
    guard space <= Self.greySpace else {
      throw TinctureError(
        .data, "The JPEG picture is in the colours of print (CMYK); convert it to RGB.",
        at: .init(file: source))
    }
    // A block of 8 × 8 samples takes at least one bit.
    try ImageDecoder.check(
      width: Int(width), height: Int(height), byteCount: bytes.count, ratio: 512, source: source)
    let isGrey = space == Self.greySpace
    let channels = isGrey ? 1 : 3
    var result: Int32 = 0
    let pixels = [UInt8](
      unsafeUninitializedCapacity: Int(width) * Int(height) * channels
    ) { buffer, count in
      buffer.initialize(repeating: 0)
      result = bytes.withUnsafeBufferPointer {
        decompress(
          handle, $0.baseAddress, UInt($0.count), buffer.baseAddress, width, 0, height,
          isGrey ? Self.grey : Self.red, Self.accurateTransform)
      }
      count = buffer.count
    }
    guard result == 0 else { throw failure(handle, source) }
    return PixelImage(width: Int(width), height: Int(height), channels: channels, bytes: pixels)
  }

  private func failure(_ handle: Handle, _ source: String) -> TinctureError {
    let reason = errorText(handle).map { String(cString: $0) } ?? "unknown reason"
    return TinctureError(
      .data,
      "The JPEG picture cannot be decoded (\(reason)); it is truncated or damaged, so copy or download"
        + " it again.", at: .init(file: source))
  }
}
