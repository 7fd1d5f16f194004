internal import TinctureTensors

/// A sum of symmetric matrices in double precision.
///
/// Only the lower triangle is added to; ``take()`` mirrors it.
public struct GramSum: Sendable {
  private var sum: Matrix<Double>

  /// The sum of no matrices.
  ///
  /// - Parameter extent: The number of rows and columns.
  public init(extent: Int) { sum = Matrix(rows: extent, columns: extent) }

  /// The number of rows and columns.
  public var extent: Int { sum.rows }

  /// Makes a matrix symmetric, adds a multiple of it and takes another one from it, in one pass.
  ///
  /// - Parameters:
  ///   - matrix: The matrix. Afterwards the mean of itself and its transpose, less `reference`.
  ///   - factor: What is multiplied by before it is added.
  ///   - ratio: What elements beside the diagonal are multiplied by first.
  ///   - reference: A symmetric matrix, if one is to be taken from the matrix after it was added.
  /// - Returns: The largest difference between an element and the one that mirrors it.
  /// - Complexity: O(n²).
  public mutating func add<Element: MatrixElement>(
    symmetrizing matrix: inout Matrix<Element>, times factor: Double,
    scalingOffDiagonal ratio: Element = 1, minus reference: Matrix<Element>? = nil
  ) -> Element {
    let n = extent
    precondition(matrix.rows == n && matrix.columns == n, "\(matrix.description) has no place.")
    precondition(reference.map { $0.count == n * n } ?? true, "The reference has other extents.")
    if var single = matrix as? Matrix<Float>, let ratio = ratio as? Float {
      // The other name goes, so that nothing is copied.
      matrix = Matrix(rows: 0, columns: 0)
      let none = Matrix<Float>(rows: 0, columns: 0)
      let other = reference as? Matrix<Float> ?? none
      let difference = sum.change { sum in
        single.change {
          Kernels.symmetrize(
            &$0, extent: n, scalingOffDiagonal: ratio, addingTo: &sum, times: factor,
            minus: other.elements)
        }
      }
      if let back = single as? Matrix<Element> { matrix = back }
      return Element(difference)
    }
    let difference = matrix.symmetrize(scalingOffDiagonal: ratio)
    sum.add(widening: matrix, times: factor)
    if let reference { matrix.add(reference, times: -1) }
    return difference
  }

  /// Takes the sum out, which is symmetric.
  ///
  /// - Returns: The sum; nothing is left of it here.
  public mutating func take() -> Matrix<Double> {
    var whole = Matrix<Double>(rows: 0, columns: 0)
    swap(&whole, &sum)
    let n = whole.rows
    whole.write { Loops.mirrorLower($0, n) }
    return whole
  }
}
