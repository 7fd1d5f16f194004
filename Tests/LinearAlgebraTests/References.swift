import Foundation
import Testing
import TinctureLinearAlgebra

/// The matrices of `Fixtures/references.json` and what 60 digits say about them.
struct References: Decodable {
  struct General: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var rows: Int
    var columns: Int
    var elements: [Double]
    var singularValues: [Double]
    var polar: [Double]?
    var testDescription: String { name }

    func matrix<Element: MatrixElement>(_ type: Element.Type) -> Matrix<Element> {
      Matrix<Double>(rows: rows, columns: columns, elements).converted(to: type)
    }
  }

  struct Symmetric: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var rows: Int
    var elements: [Double]
    var eigenvalues: [Double]
    var root: [Double]?
    var inverseRoot: [Double]?
    var testDescription: String { name }

    func matrix<Element: MatrixElement>(_ type: Element.Type) -> Matrix<Element> {
      Matrix<Double>(rows: rows, columns: rows, elements).converted(to: type)
    }
  }

  struct System: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var rows: Int
    var columns: Int
    var elements: [Double]
    var right: [Double]
    var rank: Int
    var solution: [Double]
    var residual: Double
    var testDescription: String { name }
  }

  var general: [General]
  var symmetric: [Symmetric]
  var systems: [System]

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
