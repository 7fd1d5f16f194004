internal import SystemPackage
internal import TinctureJSON
internal import TinctureMetrics
internal import TinctureSafetensors
internal import TinctureTensors

/// Annotated objects of images, and found ones, in COCO's JSON.
///
/// Annotations are an object with `images` (`id`, `height`, `width`) and `annotations` (`image_id`,
/// `category_id`, `bbox` [x, y, width, height], `segmentation`, `area`, `iscrowd`); results are a list of
/// objects (`image_id`, `category_id`, `score`, `bbox` or `segmentation`). A segmentation is polygons, or
/// runs: `{size: [height, width], counts: …}` with a list or COCO's compressed text.
struct CocoObjects {
  private let file: FilePath
  private let kind: DetectionScore.Kind
  /// The images in the order of their numbers, which is that of COCO's evaluation.
  private let images: [(id: Int, height: Int, width: Int)]
  private let places: [Int: Int]
  /// The annotated objects, image by image.
  private(set) var annotated: [[AnnotatedObject]]

  /// How many images there are.
  var count: Int { images.count }

  /// Reads annotations.
  ///
  /// - Throws: `missingInput` without the file, `data` when it is malformed.
  init(annotations file: FilePath, _ kind: DetectionScore.Kind) throws(TinctureError) {
    self.file = file
    self.kind = kind
    let document = try Self.read(file)
    guard let listed = document["images"]?.arrayValue,
      let objects = document["annotations"]?.arrayValue
    else { throw Self.fault("There are no 'images' and 'annotations'.", file) }
    var images: [(id: Int, height: Int, width: Int)] = []
    for (index, image) in listed.enumerated() {
      guard let id = image["id"]?.intValue, let height = image["height"]?.intValue,
        let width = image["width"]?.intValue, height > 0, width > 0
      else {
        throw Self.fault("Image \(index) needs 'id', 'height' and 'width' above zero.", file)
      }
      images.append((id, height, width))
    }
    images.sort { $0.id < $1.id }
    guard !images.isEmpty else { throw Self.fault("There are no images.", file) }
    var places: [Int: Int] = [:]
    for (place, image) in images.enumerated() {
      if places.updateValue(place, forKey: image.id) != nil {
        throw Self.fault("There are two images with the id \(image.id).", file)
      }
    }
    self.images = images
    self.places = places
    annotated = Array(repeating: [], count: images.count)
    for (index, object) in objects.enumerated() {
      let (place, category, region) = try parts(object, "Annotation \(index)", file)
      let isCrowd = (object["iscrowd"]?.intValue ?? 0) != 0
      annotated[place].append(
        AnnotatedObject(
          category: category, region: region, area: object["area"]?.doubleValue, isCrowd: isCrowd))
    }
  }

  /// Reads found objects, image by image.
  ///
  /// - Throws: `missingInput` without the file, `data` when it is malformed or has objects of images that
  ///   are not annotated.
  func found(in file: FilePath) throws(TinctureError) -> [[DetectedObject]] {
    guard let objects = try Self.read(file).arrayValue else {
      throw Self.fault("Results are a list of objects.", file)
    }
    var found: [[DetectedObject]] = Array(repeating: [], count: images.count)
    for (index, object) in objects.enumerated() {
      let (place, category, region) = try parts(object, "Result \(index)", file)
      guard let score = object["score"]?.doubleValue, score.isFinite else {
        throw Self.fault("Result \(index) needs a 'score'.", file)
      }
      found[place].append(DetectedObject(category: category, score: score, region: region))
    }
    return found
  }

  private static func read(_ file: FilePath) throws(TinctureError) -> JSONValue {
    let bytes = try InputFile(opening: file).contents()
    do throws(TinctureError) {
      return try JSONValue(parsing: String(decoding: bytes, as: UTF8.self))
    } catch { throw error.located(file: file.string) }
  }

  private static func fault(_ message: String, _ file: FilePath) -> TinctureError {
    TinctureError(.data, message, at: .init(file: file.string))
  }

  private func parts(
    _ object: JSONValue, _ what: String, _ file: FilePath
  ) throws(TinctureError) -> (place: Int, category: Int, region: ObjectRegion) {
    guard let id = object["image_id"]?.intValue, let category = object["category_id"]?.intValue
    else { throw Self.fault("\(what) needs 'image_id' and 'category_id'.", file) }
    guard let place = places[id] else {
      throw Self.fault("\(what) is of the image \(id), which is not among the images.", file)
    }
    do throws(TinctureError) {
      return (place, category, try region(object, place, what, file))
    } catch { throw error.located(file: file.string) }
  }

  private func region(
    _ object: JSONValue, _ place: Int, _ what: String, _ file: FilePath
  ) throws(TinctureError) -> ObjectRegion {
    switch kind {
    case .boxes:
      let sides = object["bbox"]?.arrayValue?.compactMap(\.doubleValue) ?? []
      guard sides.count == 4, sides.allSatisfy(\.isFinite), sides[2] >= 0, sides[3] >= 0 else {
        throw Self.fault("\(what) needs a 'bbox' [x, y, width, height].", file)
      }
      return .box(Box(x: sides[0], y: sides[1], width: sides[2], height: sides[3]))
    case .masks:
      let (height, width) = (images[place].height, images[place].width)
      if let polygons = object["segmentation"]?.arrayValue {
        let corners = polygons.map { $0.arrayValue?.compactMap(\.doubleValue) ?? [] }
        return .mask(try RunLengthMask(height: height, width: width, polygons: corners))
      }
      guard let runs = object["segmentation"],
        runs["size"]?.arrayValue?.compactMap(\.intValue) == [height, width]
      else {
        throw Self.fault(
          "\(what) needs a 'segmentation' of its image's size, \(height) × \(width).", file)
      }
      if let text = runs["counts"]?.stringValue {
        return .mask(try RunLengthMask(height: height, width: width, compressed: text))
      }
      let lengths = runs["counts"]?.arrayValue?.compactMap(\.intValue) ?? []
      return .mask(try RunLengthMask(height: height, width: width, runs: lengths))
    }
  }
}
