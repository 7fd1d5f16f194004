internal import TinctureTensors

// What is left of a matrix once directions have been taken from it.
extension Backend {
  /// Takes from rows what lies in the space of orthonormal rows.
  func remove(_ known: Matrix<Float>, from rest: inout Matrix<Float>)
    throws(TinctureError)
  {
    let inside = try multiply(rest, known, transposing: .second)
    try multiply(inside, known, scale: -1, into: &rest)
  }

  /// Few columns' inner products with the rows (columns) of a matrix, added up in double precision.
  func multiplyInDouble(
    _ few: Matrix<Float>, _ a: Matrix<Float>, _ side: GramSide
  ) throws(TinctureError) -> Matrix<Float> {
    let vectors = few.converted(to: Double.self)
    let length = side == .rows ? a.columns : a.rows
    var parts: [Matrix<Float>] = []
    for start in stride(from: 0, to: length, by: 1024) {
      let range = start..<min(length, start + 1024)
      let part = (side == .rows ? a.columns(range) : a.rows(range)).converted(to: Double.self)
      let product = try multiply(
        vectors, part, transposing: side == .rows ? .first : [.first, .second])
      parts.append(product.converted(to: Float.self))
    }
    return .joined(parts, rows: few.columns)
  }
}
