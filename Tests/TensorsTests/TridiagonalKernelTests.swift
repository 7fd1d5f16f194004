import Testing
import TinctureTensors

@Suite("Kernels for tridiagonal matrices")
struct TridiagonalKernelTests {
  /// Second differences: 2 on the diagonal, −1 beside it, divided by 4.
  private static func seconds(_ n: Int) -> (diagonal: [Double], beside: [Double]) {
    ([Double](repeating: 0.5, count: n), [Double](repeating: -0.25, count: n - 1))
  }

  /// How many eigenvalues are below a number, by the signs of leading minors' ratios.
  private static func count(below x: Double, _ diagonal: [Double], _ beside: [Double]) -> Int {
    var (pivot, count) = (1.0, 0)
    for i in diagonal.indices {
      pivot = diagonal[i] - x - (i > 0 ? beside[i - 1] * beside[i - 1] / pivot : 0)
      if pivot == 0 { pivot = 1e-300 }
      if pivot < 0 { count += 1 }
    }
    return count
  }

  @Test("Eigenvalues lie where counting finds them", arguments: [1, 2, 7, 33, 100])
  func values(n: Int) {
    let (diagonal, beside) = Self.seconds(n)
    let squares = [0] + beside.map { $0 * $0 }
    for (first, count) in [(0, n), (n / 2, n - n / 2), (n - 1, 1), (0, 0)] {
      var values = [Double](repeating: .nan, count: count)
      var span = values.mutableSpan
      Kernels.tridiagonalValues(
        diagonal.span, squares: squares.span, within: -0.5...1.5, from: first, into: &span)
      for (place, value) in values.enumerated() {
        #expect(Self.count(below: value - 4e-16, diagonal, beside) <= first + place)
        #expect(Self.count(below: value + 4e-16, diagonal, beside) > first + place)
      }
    }
  }

  @Test("Vectors have small residuals and are orthogonal", arguments: [1, 2, 9, 64])
  func vectors(n: Int) {
    let (diagonal, beside) = Self.seconds(n)
    let squares = [0] + beside.map { $0 * $0 }
    var values = [Double](repeating: 0, count: n)
    var span = values.mutableSpan
    Kernels.tridiagonalValues(
      diagonal.span, squares: squares.span, within: -0.5...1.5, from: 0, into: &span)
    var vectors = [Double](repeating: .nan, count: n * n)
    var room = vectors.mutableSpan
    let residual = Kernels.tridiagonalVectors(
      diagonal.span, beside: beside.span, values: values.span, into: &room)
    #expect(residual < 1e-14)
    for a in 0..<n {
      let z = vectors[a * n..<(a + 1) * n].map(\.self)
      for i in 0..<n {
        let left = i > 0 ? beside[i - 1] * z[i - 1] : 0
        let right = i < n - 1 ? beside[i] * z[i + 1] : 0
        #expect((diagonal[i] * z[i] + left + right - values[a] * z[i]).magnitude < 1e-14)
      }
      for b in 0...a {
        let product = zip(z, vectors[b * n..<(b + 1) * n]).reduce(0) { $0 + $1.0 * $1.1 }
        #expect((product - (a == b ? 1 : 0)).magnitude < 1e-11)
      }
    }
  }

  @Test("Vectors found few at a time are those found together, of equal eigenvalues, too")
  func inParts() {
    let n = 40
    let diagonal = [Double](repeating: 1, count: n)
    let beside = [Double](repeating: 0, count: n - 1)
    let values = [Double](repeating: 1 + 8 * Double.ulpOfOne, count: n)
    var whole = [Double](repeating: .nan, count: n * n)
    var room = whole.mutableSpan
    _ = Kernels.tridiagonalVectors(
      diagonal.span, beside: beside.span, values: values.span, into: &room)
    for range in [0..<16, 16..<27, 27..<40] {
      var part = [Double](repeating: .nan, count: n * range.count)
      var room = part.mutableSpan
      _ = Kernels.tridiagonalVectors(
        diagonal.span, beside: beside.span, values: values[range].span, after: range.lowerBound,
        into: &room)
      #expect(part[...] == whole[n * range.lowerBound..<n * range.upperBound])
    }
    #expect(whole[..<n] != whole[16 * n..<17 * n])
  }

  @Test("A matrix whose elements are not numbers has a residual that is none")
  func notNumbers() {
    var vectors = [Double](repeating: 0, count: 18)
    var room = vectors.mutableSpan
    let diagonal = [1, Double.nan, 1]
    let residual = Kernels.tridiagonalVectors(
      diagonal.span, beside: [0.1, 0.1].span, values: [0.5, 0.7, 1, 1, 1, 1].span, into: &room)
    #expect(!residual.isFinite)
  }
}
