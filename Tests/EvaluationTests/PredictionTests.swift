import Foundation
import SystemPackage
import Testing
import TinctureEvaluation
import TinctureMerging
import TinctureMetrics
import TinctureTensors

@Suite("Results of other programs")
struct PredictionTests {
  private static let folder = FilePath((Bundle.module.resourcePath ?? "") + "/Fixtures/coco")

  private func scores(
    _ tasks: String, _ model: String = folder.string
  ) throws -> ModelScores {
    let text = "network: {kind: predictions}\ntasks:\n" + tasks
    let suite = try EvaluationSuite(
      parsing: text, file: Self.folder.appending("suite.yaml"))
    let reference = ModelReference(path: model)
    return try Evaluator(suite).evaluate(EvaluatedModel("model", reference))
  }

  private func task(_ name: String, _ metric: String, _ file: String = "annotations.json") -> String
  {
    "  - {name: \(name), metric: \(metric), data: {file: \(file)}}\n"
  }

  @Test("Boxes and masks in COCO's files get the figures of pycocotools")
  func figures() throws {
    let data = try Data(contentsOf: URL(filePath: Self.folder.appending("expected.json").string))
    let expected = try #require(
      JSONSerialization.jsonObject(with: data) as? [String: [Double]])
    let scores = try scores(task("boxes", "box_ap") + task("masks", "mask_ap"))
    for name in ["boxes", "masks"] {
      let score = try #require(scores[name])
      let figures = try #require(expected[name])
      #expect(score.exampleCount == 4)
      #expect(figures.count == 12 && score.details.count == 12)
      for (own, other) in zip(score.details, figures) {
        #expect(abs((own.value ?? -1) - other) < 1e-9, "\(name) \(own.name)")
      }
    }
    let file = Self.folder.appending("boxes.json").string
    #expect(try self.scores(task("any", "box_ap"), file)["any"]?.value == scores["boxes"]?.value)
  }

  @Test("What is wrong in the files is said with its place")
  func faults() throws {
    let folder = FilePath(NSTemporaryDirectory()).appending("coco-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      atPath: folder.string, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    func message(_ annotations: String, _ results: String, _ metric: String = "box_ap") throws
      -> String
    {
      let truth = folder.appending("truth.json")
      try annotations.write(toFile: truth.string, atomically: true, encoding: .utf8)
      try results.write(
        toFile: folder.appending("a.json").string, atomically: true, encoding: .utf8)
      let error = #expect(throws: TinctureError.self) {
        try scores(task("a", metric, truth.string), folder.string)
      }
      #expect(error?.place.file != nil)
      return error?.message ?? ""
    }
    let good = #"{"images": [{"id": 1, "height": 4, "width": 4}], "annotations": []}"#
    #expect(try message("{}", "[]").contains("no 'images'"))
    #expect(try message(#"{"images": [], "annotations": []}"#, "[]").contains("no images"))
    #expect(
      try message(#"{"images": [{"id": 1}], "annotations": []}"#, "[]").contains("Image 0 needs"))
    #expect(try message(good, "{}").contains("list of objects"))
    #expect(try message(good, "[{}]").contains("'image_id'"))
    #expect(
      try message(good, #"[{"image_id": 2, "category_id": 1}]"#).contains("not among the images"))
    #expect(try message(good, #"[{"image_id": 1, "category_id": 1}]"#).contains("'bbox'"))
    #expect(
      try message(good, #"[{"image_id": 1, "category_id": 1}]"#, "mask_ap").contains("4 × 4"))
    #expect(
      try message(good, #"[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]"#)
        .contains("'score'"))
    #expect(try message(good, "[", "box_ap").isEmpty == false)
    #expect(try message(good, "[]", "accuracy").contains("allows box_ap, mask_ap"))
  }
}
