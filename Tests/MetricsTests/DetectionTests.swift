import Testing
import TinctureMetrics
import TinctureTensors

@Suite("Detection")
struct DetectionTests {
  @Test("COCO's twelve figures are those of pycocotools", arguments: References.all.detection)
  func figures(_ reference: References.Detection) throws {
    var score = DetectionScore(reference.name == "bbox" ? .boxes : .masks)
    for image in 1...reference.imageCount {
      let found = try reference.found.filter { $0.image == image }.map { object in
        DetectedObject(
          category: object.category, score: try #require(object.score),
          region: try object.region(reference.height, reference.width))
      }
      let actual = try reference.annotations.filter { $0.image == image }.map { object in
        AnnotatedObject(
          category: object.category,
          region: try object.region(reference.height, reference.width), area: object.area,
          isCrowd: object.isCrowd == 1)
      }
      try score.add(.objects(predicted: [found], actual: [actual]))
    }
    for (figure, expected) in zip(score.details, reference.figures) {
      if expected < 0 {
        #expect(figure.value == nil, "\(figure.name)")
      } else {
        #expect(
          agree(figure.value, expected), "\(figure.name): \(figure.value ?? .nan), not \(expected)")
      }
    }
    #expect(score.details.count == reference.figures.count)
  }

  @Test("Polygons are filled as pycocotools fills them", arguments: References.all.polygons)
  func polygons(_ reference: References.Polygons) throws {
    let mask = try RunLengthMask(
      height: reference.height, width: reference.width, polygons: reference.polygons)
    let expected = try RunLengthMask(
      height: reference.height, width: reference.width, compressed: reference.counts)
    #expect(mask.area == reference.area)
    #expect(mask.overlap(with: expected) == (reference.area == 0 ? 0 : 1))
  }

  @Test("Pixels give the runs column by column")
  func pixels() {
    let mask = RunLengthMask(
      height: 2, width: 3, pixels: [true, false, true, false, false, true])
    #expect(mask.runs == [0, 1, 3, 2])
    #expect(mask.area == 3)
  }

  @Test("Runs that do not fit the image, or are cut, are refused")
  func refusedRuns() {
    for runs in [[3], [7], [-1, 7], [.max, .max], [2, 2, 3]] {
      #expect(throws: TinctureError.self) { try RunLengthMask(height: 2, width: 3, runs: runs) }
    }
    for text in ["P", "\u{7F}", "0 1", String(repeating: "o", count: 40), "kkkkkkkkkkkk0"] {
      #expect(throws: TinctureError.self) {
        try RunLengthMask(height: 2, width: 3, compressed: text)
      }
    }
    #expect(throws: TinctureError.self) {
      try RunLengthMask(height: .max, width: .max, runs: [0])
    }
    for polygon in [[1.0, 2], [0, 0, 1, 1, 2], [0, 0, .nan, 1, 1, 1], [0, 0, 1e30, 1, 1, 1]] {
      #expect(throws: TinctureError.self) {
        try RunLengthMask(height: 4, width: 4, polygons: [polygon])
      }
    }
  }

  @Test("Objects of the wrong kind or extent and scores that are not numbers are refused")
  func refusedObjects() throws {
    let box = ObjectRegion.box(Box(x: 0, y: 0, width: 2, height: 2))
    let small = ObjectRegion.mask(try RunLengthMask(height: 1, width: 1, runs: [0, 1]))
    let large = ObjectRegion.mask(try RunLengthMask(height: 2, width: 2, runs: [0, 4]))
    func batch(_ found: ObjectRegion, _ actual: ObjectRegion, _ score: Double = 1) -> Observations {
      .objects(
        predicted: [[DetectedObject(category: 1, score: score, region: found)]],
        actual: [[AnnotatedObject(category: 1, region: actual)]])
    }
    var boxes = DetectionScore(.boxes)
    #expect(throws: TinctureError.self) { try boxes.add(batch(small, box)) }
    #expect(throws: TinctureError.self) { try boxes.add(batch(box, box, .nan)) }
    #expect(throws: TinctureError.self) { try boxes.add(.objects(predicted: [[]], actual: [])) }
    #expect(boxes.value == nil)
    try boxes.add(batch(box, box))
    #expect(agree(boxes.value, 1))
    var masks = DetectionScore(.masks)
    #expect(throws: TinctureError.self) { try masks.add(batch(small, large)) }
    try masks.add(batch(large, large))
    #expect(agree(masks.value, 1))
  }
}
