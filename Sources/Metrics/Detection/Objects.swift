/// A box in the pixels of an image, with its sides along the axes.
public struct Box: Sendable, Hashable {
  /// The left edge.
  public var x: Double
  /// The upper edge.
  public var y: Double
  /// The extent to the right.
  public var width: Double
  /// The extent downwards.
  public var height: Double

  /// Creates a box from its upper left corner and its extents, as COCO writes boxes.
  public init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// Width times height.
  public var area: Double { width * height }

  /// The share of the union that two boxes have in common.
  ///
  /// - Parameters:
  ///   - annotation: The other box.
  ///   - isCrowd: Whether the other box surrounds many objects; the share is then that of this box alone.
  /// - Returns: A number from 0 to 1.
  public func overlap(with annotation: Box, isCrowd: Bool = false) -> Double {
    let across =
      min(x + width, annotation.x + annotation.width) - max(x, annotation.x)
    let down =
      min(y + height, annotation.y + annotation.height) - max(y, annotation.y)
    guard across > 0, down > 0 else { return 0 }
    let both = across * down
    return both / (isCrowd ? area : area + annotation.area - both)
  }
}

/// Where an object is.
public enum ObjectRegion: Sendable, Hashable {
  /// In a box.
  case box(Box)
  /// In these pixels.
  case mask(RunLengthMask)

  /// The number of pixels.
  public var area: Double {
    switch self {
    case .box(let box): box.area
    case .mask(let mask): Double(mask.area)
    }
  }
}

/// An object that a network found.
public struct DetectedObject: Sendable, Hashable {
  /// The number of its category.
  public var category: Int
  /// How sure the network is; only the order matters.
  public var score: Double
  /// Where it is.
  public var region: ObjectRegion

  /// Describes a found object.
  public init(category: Int, score: Double, region: ObjectRegion) {
    self.category = category
    self.score = score
    self.region = region
  }
}

/// An object that is really there.
public struct AnnotatedObject: Sendable, Hashable {
  /// The number of its category.
  public var category: Int
  /// Where it is.
  public var region: ObjectRegion
  /// The number of its pixels, which says whether it is small, medium or large.
  public var area: Double
  /// Whether the region holds many objects that were not told apart.
  ///
  /// Such a region need not be found, and everything that is found in it is neither right nor wrong.
  public var isCrowd: Bool

  /// Describes an annotation.
  ///
  /// - Parameters:
  ///   - category: The number of its category.
  ///   - region: Where it is.
  ///   - area: The number of its pixels; nil takes that of the region. COCO's files state that of the mask.
  ///   - isCrowd: Whether the region holds many objects that were not told apart.
  public init(
    category: Int, region: ObjectRegion, area: Double? = nil, isCrowd: Bool = false
  ) {
    self.category = category
    self.region = region
    self.area = area ?? region.area
    self.isCrowd = isCrowd
  }
}
