import Foundation
import Testing
import TinctureLinearAlgebra

/// Decompositions in single precision, measured by those in double precision.
@Suite("Decompositions in single precision", .needsBLAS)
struct SingleDirectionsTests {
  /// Singular values of 48 directions that are hard to tell from one another or from zero.
  static let spectra: [(name: String, values: [Double])] = [
    ("equal", values { _ in 2 }),
    ("clustered", values { (i: Double) -> Double in i < 20 ? 1 + 1e-7 * (20 - i) : 0.3 }),
    ("graded", values { (i: Double) -> Double in pow(10, -4 * i / 47) }),
    ("steep", values { (i: Double) -> Double in pow(10, -12 * i / 47) }),
    ("low rank", [5, 4.5, 4, 3.5, 3, 2.5, 2]),
    ("one", [3]),
    ("tiny", values { (i: Double) -> Double in 1e-30 * (48 - i) }),
    ("huge", values { (i: Double) -> Double in 1e25 * (48 - i) }),
  ]

  private static func values(_ rule: (Double) -> Double) -> [Double] {
    (0..<48).map { rule(Double($0)) }
  }

  @Test(
    "Singular values and products are single precision's", arguments: spectra,
    [(48, 48), (48, 130), (130, 48)])
  func decomposition(spectrum: (name: String, values: [Double]), extents: (Int, Int)) throws {
    let a = try withSpectrum(
      spectrum.values, rows: extents.0, columns: extents.1, as: Float.self)
    let algebra = try Backend.shared
    let wanted = try algebra.svd(a.converted(to: Double.self))
    let found = try algebra.svdInSingle(a)
    let largest = wanted.singularValues[0]
    let kept = wanted.singularValues.prefix { $0 > 1e-6 * largest }.count
    #expect(abs(found.rank - kept) <= (spectrum.name == "steep" ? 1 : 0))
    for (value, known) in zip(found.singularValues, wanted.singularValues) {
      #expect((Double(value) - known).magnitude <= 2e-6 * largest)
    }
    #expect(found.singularValues == found.singularValues.sorted(by: >))
    #expect(distance(product(found), a) <= 4e-6 * largest)
    let squared = spectrum.name == "steep"  // decided in double precision, by squares
    #expect(columnError(found.u) < (squared ? 1e-3 : 2e-5))
    #expect(columnError(found.vt.transposed()) < (squared ? 1e-3 : 2e-5))
    #expect(hasFixedSigns(found.u))
  }

  @Test(
    "The polar factor has the values 1 and 0 only", arguments: spectra,
    [(48, 48), (48, 130), (130, 48)])
  func polar(spectrum: (name: String, values: [Double]), extents: (Int, Int)) throws {
    let a = try withSpectrum(
      spectrum.values, rows: extents.0, columns: extents.1, as: Float.self)
    let algebra = try Backend.shared
    let (factor, values) = try algebra.polarInSingle(a)
    let whole = try algebra.svd(a.converted(to: Double.self))
    let rank = whole.singularValues.prefix { $0 > 1e-6 * whole.singularValues[0] }.count
    #expect(abs(values.count - rank) <= (spectrum.name == "steep" ? 1 : 0))
    let kept = whole.prefix(values.count)
    let wanted = try algebra.multiply(kept.u, kept.vt)
    // The element of a factor is wrong by about ε σ₁ / σₖ.
    let condition = whole.singularValues[0] / kept.singularValues[values.count - 1]
    #expect(distance(factor, wanted) <= max(2e-6, 4e-7 * condition))
  }

  @Test(
    "Directions up to a share of the largest do not count", arguments: [0.02, 0.31, 0.71],
    [(48, 48), (48, 130), (130, 48)])
  func largeShare(share: Double, extents: (Int, Int)) throws {
    let algebra = try Backend.shared
    let values = Self.values { (i: Double) -> Double in 1 - i / 50 }
    let a = try withSpectrum(values, rows: extents.0, columns: extents.1, as: Float.self)
    let kept = values.count { $0 > share }
    let (factor, found) = try algebra.polarInSingle(a, keepingAbove: share)
    #expect(found.count == kept)
    let whole = try algebra.svd(a.converted(to: Double.self)).prefix(kept)
    #expect(distance(factor, try algebra.multiply(whole.u, whole.vt)) < 1e-4)
    #expect(try algebra.svdInSingle(a, keepingAbove: share).rank == kept)
  }

  @Test("Few directions are the beginning of all", arguments: [0, 1, 12, 40])
  func fewDirections(rank: Int) throws {
    let algebra = try Backend.shared
    for (rows, columns) in [(60, 47), (47, 60)] {
      let a = uniform(rows, columns, as: Float.self)
      let whole = try algebra.svd(a.converted(to: Double.self)).prefix(rank)
      let found = try algebra.svdInSingle(a, rank: rank)
      #expect(found.rank == rank)
      #expect(distance(product(found), product(whole)) < 1e-4)
    }
  }

  @Test(
    "Directions that lie close together are found by the quicker reduction", arguments: [60, 90])
  func flat(columns: Int) throws {
    let algebra = try Backend.shared
    let values = Self.values { (i: Double) -> Double in i < 12 ? 1 - i / 20 : 0.2 - i / 500 }
    let a = try withSpectrum(values, rows: 60, columns: columns, as: Float.self)
    let whole = try algebra.svd(a.converted(to: Double.self)).prefix(12)
    let found = try algebra.svdInSingle(a, rank: 12, isFlat: true)
    #expect(found.rank == 12 && hasFixedSigns(found.u))
    #expect(distance(product(found), product(whole)) < 4e-6)
    #expect(columnError(found.u) < 1e-5 && columnError(found.vt.transposed()) < 1e-5)
    for (value, known) in zip(found.singularValues, values) {
      #expect((Double(value) - known).magnitude < 1e-6)
    }
  }

  @Test("Expecting what is not there changes nothing")
  func notFlat() throws {
    let algebra = try Backend.shared
    let values = Self.values { (i: Double) -> Double in pow(0.7, i) }
    let a = try withSpectrum(values, rows: 60, columns: 70, as: Float.self)
    // Within one range, a sixteenth, but not within a quarter of the largest.
    let (found, wanted) = (
      try algebra.svdInSingle(a, rank: 7, isFlat: true), try algebra.svdInSingle(a, rank: 7)
    )
    #expect(found.u == wanted.u && found.singularValues == wanted.singularValues)
  }

  @Test("Few directions that span many powers of two are still found")
  func wideRange() throws {
    let algebra = try Backend.shared
    let values: [Double] = (0..<48).map { pow(2, -Double($0)) }
    let a = try withSpectrum(values, rows: 64, columns: 90, as: Float.self)
    let found = try algebra.svdInSingle(a, rank: 10)
    for (value, known) in zip(found.singularValues, values) {
      #expect((Double(value) - known).magnitude < 1e-6)
    }
    #expect(found.rank == 10)
  }

  @Test("Empty and zero matrices have no directions, and numbers that are none are refused")
  func edges() throws {
    let algebra = try Backend.shared
    for (rows, columns) in [(0, 3), (3, 0), (0, 0), (4, 3)] {
      let zero = Matrix<Float>(rows: rows, columns: columns)
      let found = try algebra.svdInSingle(zero)
      #expect(found.rank == 0 && found.u.rows == rows && found.vt.columns == columns)
      let (factor, values) = try algebra.polarInSingle(zero)
      #expect(factor == zero && values.isEmpty)
    }
    var broken = uniform(5, 9, as: Float.self)
    broken[2, 3] = .nan
    #expect(throws: (any Error).self) { try algebra.svdInSingle(broken) }
    #expect(throws: (any Error).self) { try algebra.polarInSingle(broken) }
  }

  @Test("Directions that nothing determines get no weight", arguments: [3, 40, 127])
  func deficient(rank: Int) throws {
    let algebra = try Backend.shared
    // A product of factors is rank-deficient but for rounding of single precision.
    let left = uniform(128, rank, seed: 5, as: Float.self)
    let right = uniform(rank, 200, seed: 6, as: Float.self)
    let a = try algebra.multiply(left, right)
    for share in [1e-5, 1e-6] {
      let (_, values) = try algebra.polarInSingle(a, keepingAbove: share)
      #expect(values.count == rank)
      #expect(try algebra.svdInSingle(a, keepingAbove: share).rank == rank)
    }
  }

  @Test("Directions near the rounding of products are as good as others", arguments: [48, 90])
  func nearlyDeficient(columns: Int) throws {
    let algebra = try Backend.shared
    for last in [[4e-6], [2e-4, 1e-5, 3e-6], [9e-6, 9e-6, 2e-6]] {
      let values = Self.values { (i: Double) -> Double in 1 - i / 50 }.dropLast(last.count) + last
      for (rows, columns) in [(48, columns), (columns, 48)] {
        let a = try withSpectrum(Array(values), rows: rows, columns: columns, as: Float.self)
        let whole = try algebra.svd(a.converted(to: Double.self))
        let (factor, found) = try algebra.polarInSingle(a)
        #expect(found.count == 48)
        #expect(distance(factor, try algebra.multiply(whole.u, whole.vt)) < 2e-5)
        let single = try algebra.svdInSingle(a)
        #expect(single.rank == 48)
        for (value, known) in zip(single.singularValues, whole.singularValues).suffix(last.count) {
          #expect((Double(value) / known - 1).magnitude < 1e-2)
        }
      }
    }
  }
}
