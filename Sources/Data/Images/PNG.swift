internal import TinctureTensors

/// The functions of libpng's simplified interface, which needs no jumps out of C.
struct PNG: Sendable {
  typealias Begin = @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer?, Int) -> Int32
  typealias Finish =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeRawPointer?, UnsafeMutableRawPointer?, Int32,
      UnsafeMutableRawPointer?
    ) -> Int32
  typealias Free = @convention(c) (UnsafeMutableRawPointer) -> Void

  /// The layout of libpng's `png_image` where pointers have eight bytes.
  private enum Offset {
    static let version = 8
    static let width = 12
    static let height = 16
    static let format = 20
    static let flags = 24
    static let outcome = 32
    static let message = 36
    static let messageSize = 64
    static let size = 104
  }

  private static let package = "libpng16-16"
  // Formats and flags of png.h.
  private static let alpha: UInt32 = 1
  private static let colour: UInt32 = 2
  private static let wideIsEncoded: UInt32 = 4
  private static let signatureSize = 8

  private let begin: Begin
  private let finish: Finish
  private let free: Free

  /// The library, loaded when it is first needed.
  static var shared: PNG {
    get throws(TinctureError) { try loaded.get() }
  }

  private static let loaded = Result { () throws(TinctureError) -> PNG in
    let library = try DynamicLibrary.first(
      of: [
        "libpng16.so.16", "libpng16.so", "libpng.so", "libpng16.16.dylib",
        "/opt/homebrew/lib/libpng16.dylib", "/usr/local/lib/libpng16.dylib",
      ], purpose: "decode PNG pictures", package: package)
    guard let begin = library.function("png_image_begin_read_from_memory", as: Begin.self),
      let finish = library.function("png_image_finish_read", as: Finish.self),
      let free = library.function("png_image_free", as: Free.self)
    else { throw DynamicLibrary.incomplete("libpng", package: package) }
    return PNG(begin: begin, finish: finish, free: free)
  }

  /// Decodes a picture with as many channels as it has.
  ///
  /// - Throws: `data` when it is damaged or truncated.
  func decode(_ bytes: [UInt8], source: String) throws(TinctureError) -> PixelImage {
    let plain = try Self.withoutColourNotes(bytes, source: source)
    let image = UnsafeMutableRawPointer.allocate(byteCount: Offset.size, alignment: 8)
    image.initializeMemory(as: UInt8.self, repeating: 0, count: Offset.size)
    image.storeBytes(of: UInt32(1), toByteOffset: Offset.version, as: UInt32.self)
    defer {
      free(image)
      image.deallocate()
    }
    // libpng reads from the memory in both steps.
    let result = plain.withUnsafeBytes { memory in
      Result { () throws(TinctureError) in try read(memory, image, source) }
    }
    return try result.get()
  }

  private func read(
    _ memory: UnsafeRawBufferPointer, _ image: UnsafeMutableRawPointer, _ source: String
  ) throws(TinctureError) -> PixelImage {
    guard begin(image, memory.baseAddress, memory.count) != 0 else {
      throw failure(image, source)
    }
    func field(_ offset: Int) -> UInt32 { image.load(fromByteOffset: offset, as: UInt32.self) }
    let width = Int(field(Offset.width))
    let height = Int(field(Offset.height))
    // Deflated bytes stand for at most 1032 bytes, of eight pixels each.
    try ImageDecoder.check(
      width: width, height: height, byteCount: memory.count, ratio: 8 * 1032, source: source)
    let format = field(Offset.format) & (Self.alpha | Self.colour)
    image.storeBytes(of: format, toByteOffset: Offset.format, as: UInt32.self)
    image.storeBytes(
      of: field(Offset.flags) | Self.wideIsEncoded, toByteOffset: Offset.flags, as: UInt32.self)
    let channels =
      (format & Self.colour != 0 ? 3 : 1) + (format & Self.alpha != 0 ? 1 : 0)
    var status: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * channels) { buffer, count in
      buffer.initialize(repeating: 0)
      status = finish(image, nil, buffer.baseAddress, 0, nil)
      count = buffer.count
    }
    // The lowest bits of the outcome: 0 well, 1 warned, 2 failed.
    guard status != 0, field(Offset.outcome) & 3 < 2 else { throw failure(image, source) }
    return PixelImage(width: width, height: height, channels: channels, bytes: pixels)
  }

  /// The file without the chunks that would make libpng change values: gamma, chromaticities, profiles.
  private static func withoutColourNotes(
    _ bytes: [UInt8], source: String
  ) throws(TinctureError) -> [UInt8] {
    let notes = ["gAMA", "cHRM", "sRGB", "iCCP", "sBIT", "cICP", "mDCV", "cLLI", "bKGD"]
    var result = Array(bytes.prefix(signatureSize))
    result.reserveCapacity(bytes.count)
    var position = signatureSize
    while position < bytes.count {
      guard position + 12 <= bytes.count else { throw truncated(position, source) }
      let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - position - 12 else { throw truncated(position, source) }
      let name = String(decoding: bytes[position + 4..<position + 8], as: UTF8.self)
      let end = position + 12 + length
      if !notes.contains(name) { result += bytes[position..<end] }
      position = end
      if name == "IEND" { break }
    }
    return result
  }

  private static func truncated(_ position: Int, _ source: String) -> TinctureError {
    TinctureError(
      .data, "The PNG picture ends within a chunk; it is truncated, so copy or download it again.",
      at: .init(file: source, byteOffset: position))
  }

  private func failure(_ image: UnsafeMutableRawPointer, _ source: String) -> TinctureError {
    let text = UnsafeRawBufferPointer(
      start: image + Offset.message, count: Offset.messageSize)
    let reason = String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    return TinctureError(
      .data,
      "The PNG picture cannot be decoded (\(reason)); it is damaged, so copy or download it again.",
      at: .init(file: source))
  }
}
