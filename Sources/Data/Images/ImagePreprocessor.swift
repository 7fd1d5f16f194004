/// What is done to a picture before a network sees it: resize, crop, scale, normalise.
///
/// The shorter side becomes `size` by bicubic filtering, the other in proportion (rounded down). The
/// middle `size` × `size` pixels are cut out; half a pixel is rounded to even. Then
/// y = (x / 255 − mean) / deviation for each channel; grey is repeated in all channels.
///
/// Equals torchvision's `Resize`, `CenterCrop`, `ToTensor` and `Normalize` of a Pillow picture: bit by bit
/// with Pillow 11; Pillow 13 may filter columns first, which changes pixels by at most 1/255.
public struct ImagePreprocessor: Sendable, Hashable {
  /// The number of rows and columns that the network sees.
  public var size: Int
  /// The means of red, green and blue, of values from 0 to 1.
  public var mean: [Float]
  /// The standard deviations of red, green and blue.
  public var deviation: [Float]
  /// How alpha is treated.
  public var alpha: PixelImage.AlphaRule

  /// Describes a preprocessing.
  ///
  /// - Parameters:
  ///   - size: The number of rows and columns that the network sees.
  ///   - mean: The means of red, green and blue, of values from 0 to 1.
  ///   - deviation: The standard deviations of red, green and blue.
  ///   - alpha: How alpha is treated.
  public init(
    size: Int, mean: [Float], deviation: [Float], alpha: PixelImage.AlphaRule = .drop
  ) {
    precondition(size >= 1, "A network cannot see \(size) rows.")
    precondition(
      mean.count == 3 && deviation.count == 3, "There is a mean and a deviation for each colour.")
    self.size = size
    self.mean = mean
    self.deviation = deviation
    self.alpha = alpha
  }

  /// That of CLIP's vision transformers.
  ///
  /// Source: Radford et al., arXiv:2103.00020, and its code.
  public static let clip = ImagePreprocessor(
    size: 224, mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
    deviation: [0.268_629_54, 0.261_302_58, 0.275_777_11])

  /// That of networks trained on ImageNet.
  public static let imageNet = ImagePreprocessor(
    size: 224, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

  /// The extents of one result: [3, `size`, `size`].
  public var extents: [Int] { [3, size, size] }

  /// The picture resized and cropped, in red, green and blue.
  ///
  /// - Parameter image: A picture with at least one pixel.
  /// - Returns: `size` × `size` pixels.
  public func cropped(_ image: PixelImage) -> PixelImage {
    precondition(image.width > 0 && image.height > 0, "A picture without pixels has no size.")
    let rgb = image.rgb(alpha: alpha)
    let short = min(image.width, image.height)
    let long = max(image.width, image.height)
    let other = max(1, Int(Double(size) * Double(long) / Double(short)))
    let width = image.width <= image.height ? size : other
    let height = image.width <= image.height ? other : size
    return Resampling.bicubic(
      rgb, width: width, height: height, columns: middle(of: width), rows: middle(of: height))
  }

  /// The middle `size` of so many pixels.
  private func middle(of count: Int) -> Range<Int> {
    let start = Int((Double(count - size) / 2).rounded(.toNearestOrEven))
    return start..<start + size
  }

  /// What the network sees of a picture.
  ///
  /// - Parameter image: A picture with at least one pixel.
  /// - Returns: Numbers of the extents [3, `size`, `size`], all red ones first.
  /// - Complexity: O(n) in the number of pixels, times the filter's width.
  public func apply(to image: PixelImage) -> [Float] {
    let pixels = cropped(image).bytes
    let area = size * size
    return [Float](unsafeUninitializedCapacity: 3 * area) { buffer, count in
      for channel in 0..<3 {
        let mean = mean[channel]
        let deviation = deviation[channel]
        let table = (0..<256).map { (Float($0) / 255 - mean) / deviation }
        for pixel in 0..<area {
          buffer.initializeElement(
            at: channel * area + pixel, to: table[Int(pixels[3 * pixel + channel])])
        }
      }
      count = 3 * area
    }
  }

  /// What the network sees of several pictures.
  ///
  /// - Parameter images: Pictures with at least one pixel each.
  /// - Returns: Numbers of the extents [count, 3, `size`, `size`].
  public func apply(to images: [PixelImage]) -> [Float] { images.flatMap { apply(to: $0) } }
}
