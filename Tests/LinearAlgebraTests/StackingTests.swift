import Testing
import TinctureLinearAlgebra

@Suite("Matrices put together")
struct StackingTests {
  let a = Matrix<Float>(rows: 2, columns: 2, [1, 2, 3, 4])
  let b = Matrix<Float>(rows: 1, columns: 2, [5, 6])

  @Test("Rows come below each other, columns beside each other")
  func order() {
    #expect(Matrix.stacked([a, b], columns: 2).array == [1, 2, 3, 4, 5, 6])
    let joined = Matrix.joined([a, b.transposed()], rows: 2)
    #expect(joined.columns == 3)
    #expect(joined.array == [1, 2, 5, 3, 4, 6])
    #expect(joined == Matrix.stacked([a.transposed(), b], columns: 2).transposed())
  }

  @Test("Parts without elements, and no parts, keep the other extent")
  func empty() {
    let none = Matrix<Float>(rows: 0, columns: 2)
    #expect(Matrix.stacked([none, a, none], columns: 2) == a)
    #expect(Matrix<Float>.stacked([], columns: 3).columns == 3)
    #expect(Matrix<Float>.joined([], rows: 4).rows == 4)
  }
}
