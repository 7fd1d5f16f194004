public import TinctureTensors

extension Backend {
  /// Solves X G = B for a sum G of Gram matrices, symmetric and positive semidefinite but for rounding.
  ///
  /// By Cholesky's factors, which take the place of G's lower triangle meanwhile. Where these show that a variable
  /// depends on those before it as far as single precision can tell (a pivot of at most 1e-6 of its diagonal
  /// element), `jitter` times the mean of the diagonal is added to it. Variables that are always zero get zero.
  ///
  /// - Parameters:
  ///   - gram: G, n × n, exactly symmetric; the same afterwards.
  ///   - right: B, n columns, whose rows are in the range of G.
  ///   - jitter: What is added to the diagonal of a singular G, as a share of its mean.
  /// - Returns: X, n columns; nil where G is not positive definite in spite of what was added.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(n³ + n² · right-hand sides); no memory besides the result.
  public func solve(
    gram: inout Matrix<Double>, rows right: Matrix<Double>, jitter: Double
  ) throws(TinctureError) -> Matrix<Double>? {
    try check(gram: gram, right)
    let diagonal = (0..<gram.rows).map { gram[$0, $0] }
    defer { restore(&gram, diagonal) }
    let own = diagonal.map { $0 > 0 ? $0 : 1 }
    var result = right
    if factor(&gram, own), Self.isDetermined(gram, own) {
      try solve(gram, &result)
      return result
    }
    let raise = jitter * diagonal.reduce(0, +) / Double(max(1, gram.rows))
    guard raise > 0 else { return nil }
    restore(&gram, diagonal)
    guard factor(&gram, own.map { $0 + raise }) else { return nil }
    try solve(gram, &result)
    return result
  }

  /// Solves X G = B as ``solve(gram:rows:jitter:)`` does, or by the pseudo-inverse where that finds nothing.
  ///
  /// - Parameters:
  ///   - gram: G, n × n, exactly symmetric; the same afterwards.
  ///   - right: B, n columns.
  ///   - jitter: What is added to the diagonal of a singular G, as a share of its mean.
  ///   - tolerance: The share of the largest eigenvalue up to which eigenvalues count as zero in the pseudo-inverse.
  /// - Returns: X, n columns.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(n³ + n² · right-hand sides).
  public func solve(
    gram: inout Matrix<Double>, rows right: Matrix<Double>, jitter: Double, tolerance: Double
  ) throws(TinctureError) -> Matrix<Double> {
    if let found = try solve(gram: &gram, rows: right, jitter: jitter) { return found }
    return try pseudoSolve(gram: gram, rows: right, tolerance: tolerance)
  }

  /// Solves X G = B in single precision, with some rows in double precision that show how good it is.
  ///
  /// The rows that show it are refined: with Cholesky's factors of single precision, but with what is left of the
  /// right-hand side in double precision, until they change no more.
  ///
  /// - Parameters:
  ///   - gram: G, n × n, exactly symmetric and positive semidefinite but for rounding.
  ///   - right: B, n columns; X afterwards.
  ///   - samples: Some rows of B in double precision; those of X afterwards.
  /// - Returns: Whether there is a solution: G is not singular as far as single precision can tell.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(n³ + n² · right-hand sides), and a copy of G in single precision.
  public func solveInSingle(
    gram: Matrix<Double>, rows right: inout Matrix<Float>, samples: inout Matrix<Double>
  ) throws(TinctureError) -> Bool {
    try check(gram: gram, right)
    try check(gram: gram, samples)
    let diagonal = (0..<gram.rows).map { Float(gram[$0, $0]) }.map { $0 > 0 ? $0 : 1 }
    var system = gram.converted(to: Float.self)
    guard factor(&system, diagonal), Self.isDetermined(system, diagonal) else { return false }
    try solve(system, &right)
    var (refined, rest) = (Matrix<Double>(rows: samples.rows, columns: gram.rows), samples)
    var last = Double.infinity
    for _ in 0..<8 {
      let change = rest.frobeniusNorm
      guard change > 0 else { break }
      // The norm keeps the rest within the range of single precision.
      rest.scale(by: 1 / change)
      var step = rest.converted(to: Float.self)
      try solve(system, &step)
      refined.add(widening: step, times: change)
      let size = change * step.frobeniusNorm
      if size <= 1e-9 * refined.frobeniusNorm { break }
      guard size < 0.25 * last else { return false }
      last = size
      rest = samples
      try multiply(refined, gram, scale: -1, into: &rest)
    }
    samples = refined
    return true
  }

  private func check<Element: MatrixElement>(
    gram: Matrix<Double>, _ right: Matrix<Element>
  ) throws(TinctureError) {
    try Checks.square(gram, "A Gram matrix")
    guard right.columns == gram.rows else {
      throw TinctureError(
        .checkpoint,
        "Right-hand sides of \(right.columns) do not fit a Gram matrix of \(gram.rows)")
    }
    try Checks.finite(gram, "a system of equations")
    try Checks.finite(right, "the right of a system of equations")
    try Checks.addressable(gram, "a system of equations")
    try Checks.addressable(right, "the right of a system of equations")
  }

  /// Puts Cholesky's factor into the lower triangle; whether there is one.
  private func factor<Element: MatrixElement>(
    _ system: inout Matrix<Element>, _ diagonal: [Element]
  ) -> Bool {
    for (index, value) in diagonal.enumerated() { system[index, index] = value }
    // The lower triangle row after row is the upper one column after column.
    var (triangle, size, info) = (letter("U"), Int32(system.rows), Int32(0))
    var stride = max(1, size)
    system.write { a in
      call(Element.self) { $0.potrf(&triangle, &size, a, &stride, &info, 1) }
    }
    return info == 0
  }

  /// Mirrors the upper triangle, which no factor touches, into the lower one.
  private func restore(_ system: inout Matrix<Double>, _ diagonal: [Double]) {
    let size = system.rows
    system.write { Loops.mirrorUpper($0, size) }
    for (index, value) in diagonal.enumerated() { system[index, index] = value }
  }

  private func solve<Element: MatrixElement>(
    _ lower: Matrix<Element>, _ rows: inout Matrix<Element>
  ) throws(TinctureError) {
    var (triangle, size, count) = (letter("U"), Int32(lower.rows), Int32(rows.rows))
    var (stride, info) = (max(1, size), Int32(0))
    var rightStride = stride
    rows.write { x in
      lower.read { a in
        call(Element.self) {
          $0.potrs(&triangle, &size, &count, a, &stride, x, &rightStride, &info, 1)
        }
      }
    }
    guard info == 0 else { throw Checks.failure("Solution", "potrs", info, rows.description) }
  }

  /// Whether each variable has a part of its own that single precision can tell from rounding.
  private static func isDetermined<Element: MatrixElement>(
    _ lower: Matrix<Element>, _ diagonal: [Element]
  ) -> Bool {
    diagonal.indices.allSatisfy { index in
      lower[index, index] * lower[index, index] > 1e-6 * diagonal[index]
    }
  }

  /// The shortest X that comes nearest to X G = B for a Gram matrix G: B G⁺.
  ///
  /// - Parameters:
  ///   - gram: G, n × n, symmetric.
  ///   - right: B, n columns.
  ///   - tolerance: The share of the largest eigenvalue up to which eigenvalues count as zero.
  /// - Returns: X, n columns.
  /// - Throws: An error if the shapes do not fit, an element is not finite or the library fails.
  /// - Complexity: O(n³ + n² · right-hand sides).
  public func pseudoSolve(
    gram: Matrix<Double>, rows right: Matrix<Double>, tolerance: Double
  ) throws(TinctureError) -> Matrix<Double> {
    let eigen = try eigh(gram)
    let cut = tolerance * max(0, eigen.values.first ?? 0)
    var parts = try multiply(right, eigen.vectors)
    parts.scaleColumns(by: eigen.values.map { $0 > cut ? 1 / $0 : 0 })
    return try multiply(parts, eigen.vectors, transposing: .second)
  }
}
