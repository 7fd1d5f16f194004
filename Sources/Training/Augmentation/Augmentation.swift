internal import TinctureTensors

/// Random changes of training images, other ones in each epoch.
///
/// What becomes of an image is a function of the seed, the epoch and the number of the example alone.
public struct Augmentation: Sendable, Hashable {
  /// How many pixels of black are put around before a part of the original size is cut out at random.
  public var crop = 0
  /// Whether every other image is mirrored, left to right.
  public var flips = false

  /// Changes nothing.
  public init() {}

  /// Whether images stay as they are.
  public var isIdentity: Bool { crop == 0 && !flips }

  /// How an image is moved and mirrored.
  struct Draw {
    var down = 0
    var right = 0
    var isMirrored = false
  }

  /// What becomes of an example.
  func draw(_ example: Int, _ random: CounterRandom) -> Draw {
    var draw = Draw()
    if crop > 0 {
      let places = UInt64(2 * crop + 1)
      func offset(_ number: Int) -> Int {
        Int(places.multipliedFullWidth(by: random.bits(at: 3 * example + number)).high) - crop
      }
      draw.down = offset(0)
      draw.right = offset(1)
    }
    draw.isMirrored = flips && random.bits(at: 3 * example + 2) >> 63 == 1
    return draw
  }

  /// The stream of an epoch.
  static func random(seed: UInt64, epoch: Int) -> CounterRandom {
    CounterRandom(seed: seed, tensor: "", model: epoch, purpose: "augmentation")
  }
}

/// How the bytes of an image lie in memory: planes of rows of pixels.
struct PixelLayout: Sendable, Hashable {
  var planes: Int
  var height: Int
  var width: Int
  /// The bytes of a pixel, or of one of its channels where these lie in planes of their own.
  var pixelBytes: Int

  /// The bytes of an image.
  var byteCount: Int { planes * height * width * pixelBytes }

  /// The layout of arrays [height, width], [channels, height, width] or [height, width, channels]; nil for others.
  init?(_ extents: [Int], channels: Int, elementBytes: Int) {
    switch extents.count {
    case 2: self.init(planes: 1, height: extents[0], width: extents[1], pixelBytes: elementBytes)
    case 3 where extents[0] != channels && extents[0] != 1 && [1, channels].contains(extents[2]):
      self.init(
        planes: 1, height: extents[0], width: extents[1], pixelBytes: extents[2] * elementBytes)
    case 3:
      self.init(
        planes: extents[0], height: extents[1], width: extents[2], pixelBytes: elementBytes)
    default: return nil
    }
  }

  init(planes: Int, height: Int, width: Int, pixelBytes: Int) {
    self.planes = planes
    self.height = height
    self.width = width
    self.pixelBytes = pixelBytes
  }

  /// Copies an image, moved and mirrored; what comes from outside is zero.
  ///
  /// - Complexity: One pass over the image, row by row.
  func copy(
    _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, _ draw: Augmentation.Draw
  ) {
    if draw.down == 0, draw.right == 0, !draw.isMirrored {
      target.copyMemory(from: source, byteCount: byteCount)
      return
    }
    let rowBytes = width * pixelBytes
    let columns = max(0, draw.right)..<max(max(0, draw.right), min(width, width + draw.right))
    for row in 0..<planes * height {
      let y = row % height + draw.down
      let to = target + row * rowBytes
      guard (0..<height).contains(y) else {
        to.initializeMemory(as: UInt8.self, repeating: 0, count: rowBytes)
        continue
      }
      let from = source + (row + draw.down) * rowBytes
      // Pixel x of the result is pixel x + right of the image; the rest is black.
      if columns.count < width {
        to.initializeMemory(as: UInt8.self, repeating: 0, count: rowBytes)
      }
      if draw.isMirrored {
        for x in columns {
          (to + (width - 1 - (x - draw.right)) * pixelBytes).copyMemory(
            from: from + x * pixelBytes, byteCount: pixelBytes)
        }
      } else {
        (to + (columns.lowerBound - draw.right) * pixelBytes).copyMemory(
          from: from + columns.lowerBound * pixelBytes, byteCount: columns.count * pixelBytes)
      }
    }
  }
}
