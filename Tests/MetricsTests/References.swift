import Foundation
import Testing
import TinctureMetrics

/// Random predictions and what scikit-learn, SciPy and pycocotools say about them.
struct References: Decodable {
  struct Labels: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var predicted: [Int]
    var actual: [Int]
    var accuracy: Double
    var matthews: Double
    var macro: Double
    var micro: Double
    var weighted: Double
    var binary: Double
    var miou: Double
    var testDescription: String { name }
  }

  struct Scores: Decodable, Sendable {
    var scores: [Float]
    var classCount: Int
    var actual: [Int]
    var top: [Double]
  }

  struct Correlation: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var predicted: [Double]
    var actual: [Double]
    var pearson: Double
    var spearman: Double
    var testDescription: String { name }
  }

  struct Object: Decodable, Sendable {
    var image: Int
    var category: Int
    var score: Double?
    var area: Double?
    var isCrowd: Int?
    var box: [Double]?
    var runs: [Int]?
    var counts: String?

    func region(_ height: Int, _ width: Int) throws -> ObjectRegion {
      if let box {
        return .box(Box(x: box[0], y: box[1], width: box[2], height: box[3]))
      }
      if let runs { return .mask(try RunLengthMask(height: height, width: width, runs: runs)) }
      return .mask(
        try RunLengthMask(height: height, width: width, compressed: #require(counts)))
    }
  }

  struct Detection: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var imageCount: Int
    var height: Int
    var width: Int
    var annotations: [Object]
    var found: [Object]
    var figures: [Double]
    var testDescription: String { name }
  }

  struct Polygons: Decodable, Sendable {
    var height: Int
    var width: Int
    var polygons: [[Double]]
    var counts: String
    var area: Int
  }

  struct Maps: Decodable, Sendable {
    var depth: [Float]
    var predictedDepth: [Float]
    var absolute: Double
    var relative: Double
    var normals: [Float]
    var predictedNormals: [Float]
    var angles: [Double]
  }

  var labels: [Labels]
  var scores: Scores
  var correlations: [Correlation]
  var detection: [Detection]
  var polygons: [Polygons]
  var maps: Maps

  static let all: References = {
    guard
      let url = Bundle.module.url(
        forResource: "references", withExtension: "json", subdirectory: "Fixtures"),
      let data = try? Data(contentsOf: url),
      let references = try? JSONDecoder().decode(References.self, from: data)
    else { preconditionFailure("Fixtures/references.json cannot be read.") }
    return references
  }()
}

/// Whether two numbers agree to twelve digits.
func agree(_ value: Double?, _ expected: Double, within tolerance: Double = 1e-12) -> Bool {
  guard let value else { return false }
  return (value - expected).magnitude <= tolerance * max(1, expected.magnitude)
}
