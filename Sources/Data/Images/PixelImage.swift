internal import TinctureTensors

/// A picture with one byte for each channel of each pixel.
public struct PixelImage: Sendable, Hashable {
  /// The number of columns.
  public let width: Int
  /// The number of rows.
  public let height: Int
  /// The number of channels: 1 (grey), 2 (grey and alpha), 3 (red, green, blue) or 4 (with alpha).
  public let channels: Int
  /// The channels of each pixel together, row by row.
  public let bytes: [UInt8]

  /// Creates a picture.
  ///
  /// - Parameters:
  ///   - width: The number of columns.
  ///   - height: The number of rows.
  ///   - channels: The number of channels, 1 to 4.
  ///   - bytes: The channels of each pixel together, row by row.
  public init(width: Int, height: Int, channels: Int, bytes: [UInt8]) {
    precondition(
      (1...4).contains(channels) && width >= 0 && height >= 0
        && bytes.count == width * height * channels,
      "A picture of \(width) × \(height) × \(channels) does not have \(bytes.count) bytes.")
    self.width = width
    self.height = height
    self.channels = channels
    self.bytes = bytes
  }

  /// How alpha is treated when there are to be three channels.
  public enum AlphaRule: Sendable, Hashable {
    /// Colours stay, alpha goes, as `convert("RGB")` of Pillow does.
    case drop
    /// The picture is laid over a grey of this brightness.
    case composite(over: UInt8)
  }

  /// The picture with three channels; grey is repeated.
  ///
  /// - Parameter alpha: How alpha is treated.
  /// - Returns: The picture in red, green and blue.
  /// - Complexity: O(n).
  public func rgb(alpha: AlphaRule = .drop) -> PixelImage {
    if channels == 3 { return self }
    var result = [UInt8]()
    result.reserveCapacity(width * height * 3)
    let hasAlpha = channels.isMultiple(of: 2)
    for start in stride(from: 0, to: bytes.count, by: channels) {
      for channel in 0..<3 {
        let value = bytes[start + (channels < 3 ? 0 : channel)]
        if hasAlpha, case .composite(let ground) = alpha {
          let a = Int(bytes[start + channels - 1])
          result.append(UInt8((Int(value) * a + Int(ground) * (255 - a) + 127) / 255))
        } else {
          result.append(value)
        }
      }
    }
    return PixelImage(width: width, height: height, channels: 3, bytes: result)
  }

  /// The pictures of a block of bytes, or nil when its extents are not those of pictures.
  ///
  /// Extents are [height, width], [height, width, channels] or [channels, height, width] with 1, 3 or 4
  /// channels; where the first and the last extent could be channels the last one is.
  ///
  /// - Parameter block: The bytes.
  /// - Returns: One picture for each example.
  static func images(in block: NumberBlock) -> [PixelImage]? {
    guard block.dtype == .u8 else { return nil }
    let extents = block.extents
    let counts: Set = [1, 3, 4]
    let isPlanar: Bool
    let (height, width, channels): (Int, Int, Int)
    if extents.count == 2 {
      (height, width, channels) = (extents[0], extents[1], 1)
      isPlanar = false
    } else if extents.count == 3, counts.contains(extents[2]) {
      (height, width, channels) = (extents[0], extents[1], extents[2])
      isPlanar = false
    } else if extents.count == 3, counts.contains(extents[0]) {
      (channels, height, width) = (extents[0], extents[1], extents[2])
      isPlanar = true
    } else {
      return nil
    }
    let size = block.exampleSize
    return (0..<block.count).map { example in
      let source = block.bytes[example * size..<(example + 1) * size]
      var bytes = Array(source)
      if isPlanar {
        let area = width * height
        for pixel in 0..<area {
          for channel in 0..<channels {
            bytes[pixel * channels + channel] =
              source[
                source.startIndex + channel * area + pixel]
          }
        }
      }
      return PixelImage(width: width, height: height, channels: channels, bytes: bytes)
    }
  }
}
