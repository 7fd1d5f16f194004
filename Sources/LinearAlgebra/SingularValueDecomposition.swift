public import TinctureTensors

/// A matrix as orthonormal columns times singular values times orthonormal rows.
///
/// A = U · diag(σ) · Vᵀ. The singular values descend. Of each column of U the component of largest
/// magnitude (the first at ties) is positive, which fixes the signs of U and V together, so that
/// results of different libraries can be compared where singular values are well separated.
public struct SVD<Element: MatrixElement>: Sendable {
  /// The left singular vectors as columns, m × k.
  public var u: Matrix<Element>
  /// The singular values, largest first; k of them.
  public var singularValues: [Element]
  /// The right singular vectors as rows, k × n.
  public var vt: Matrix<Element>

  /// Puts a decomposition together.
  ///
  /// - Parameters:
  ///   - u: The left singular vectors as columns.
  ///   - singularValues: The singular values, largest first.
  ///   - vt: The right singular vectors as rows.
  public init(u: Matrix<Element>, singularValues: [Element], vt: Matrix<Element>) {
    precondition(
      u.columns == singularValues.count && vt.rows == singularValues.count,
      "\(u.columns) and \(vt.rows) vectors do not fit \(singularValues.count) singular values.")
    self.u = u
    self.singularValues = singularValues
    self.vt = vt
  }

  /// The number of singular values.
  public var rank: Int { singularValues.count }

  /// The decomposition cut to the largest singular values.
  ///
  /// - Parameter rank: How many stay, at most as many as there are.
  /// - Returns: The best approximation of that rank.
  public func prefix(_ rank: Int) -> SVD {
    if rank == self.rank { return self }
    return SVD(
      u: u.columns(0..<rank), singularValues: Array(singularValues[..<rank]),
      vt: vt.rows(0..<rank))
  }

  /// The same decomposition as another type; narrowing rounds to nearest.
  ///
  /// - Parameter type: The type.
  /// - Returns: The converted decomposition.
  public func converted<Target: MatrixElement>(to type: Target.Type) -> SVD<Target> {
    if let same = self as? SVD<Target> { return same }
    return SVD<Target>(
      u: u.converted(to: type), singularValues: singularValues.map { Target($0) },
      vt: vt.converted(to: type))
  }

  /// How many singular values exceed a share of the largest.
  ///
  /// - Parameter tolerance: The share; by default what rounding leaves of a zero, max(m, n) · ε.
  /// - Returns: The number.
  public func numericalRank(tolerance: Double? = nil) -> Int {
    let share = tolerance ?? Double(max(u.rows, vt.columns)) * Double(Element.ulpOfOne)
    let limit = share * Double(singularValues.first ?? 0)
    return singularValues.prefix { Double($0) > limit }.count
  }

  /// Turns the signs to the fixed convention.
  mutating func fixSigns() {
    var signs = [Element](repeating: 1, count: rank)
    let (rows, columns) = (u.rows, u.columns)
    u.read { Loops.columnSigns($0, rows: rows, columns: columns, into: &signs) }
    u.scaleColumns(by: signs)
    vt.scaleRows(by: signs)
  }
}

extension Backend {
  /// Computes the thin singular value decomposition (gesdd).
  ///
  /// A = U diag(σ) Vᵀ with min(m, n) singular values. Every singular value is wrong by at most a
  /// modest multiple of ε σ₁ (ε is 1e-7 or 2e-16), so those below ε σ₁ have no correct digit. U and V
  /// are orthonormal to a modest multiple of ε whatever the singular values; a vector is the more
  /// accurate the larger the gap to the neighbouring singular values is. Should divide and conquer
  /// fail, QR steps (gesvd) take its place, or the transpose where a library lacks them. The routine
  /// itself reduces matrices of more than about twice as many rows as columns, or the other way
  /// round, to a triangle first.
  ///
  /// - Parameter a: The matrix.
  /// - Returns: The decomposition.
  /// - Throws: An error if an element is not finite, or the library fails twice.
  /// - Complexity: O(m n min(m, n)).
  public func svd<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) throws(TinctureError) -> SVD<Element> {
    try Checks.finite(a, "a singular value decomposition")
    try Checks.addressable(a, "a singular value decomposition")
    let k = a.smallerExtent
    guard k > 0 else {
      return SVD(
        u: Matrix(rows: a.rows, columns: 0), singularValues: [],
        vt: Matrix(rows: 0, columns: a.columns))
    }
    var (result, info) = divideAndConquer(a)
    var routine = "gesdd"
    if info != 0 || !result.isFinite {
      (result, info) = secondRoute(a)
      routine = "gesdd, then gesvd,"
    }
    guard info == 0, result.isFinite else {
      throw Checks.failure("Singular value decomposition", routine, info, a.description)
    }
    result.fixSigns()
    return result
  }

  /// Computes the singular values alone, largest first (gesdd).
  ///
  /// - Parameter a: The matrix.
  /// - Returns: min(m, n) singular values.
  /// - Throws: An error if an element is not finite, or the library fails twice.
  /// - Complexity: O(m n min(m, n)), about a quarter of ``svd(_:)``.
  public func singularValues<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) throws(TinctureError) -> [Element] {
    try Checks.finite(a, "singular values")
    try Checks.addressable(a, "singular values")
    guard a.smallerExtent > 0 else { return [] }
    var (values, info) = valuesOnly(a)
    if info != 0 || !values.allSatisfy(\.isFinite) {
      let second = secondRoute(a)
      guard second.info == 0, second.result.isFinite else {
        throw Checks.failure(
          "Finding singular values", "gesdd, then gesvd,", second.info, a.description)
      }
      values = second.result.singularValues
    }
    return values
  }

  // The routines see the transpose, n × m, column after column: A = U σ Vᵀ is Aᵀ = V σ Uᵀ, and their
  // first factor, column after column, is our Vᵀ row after row.

  private func divideAndConquer<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) -> (result: SVD<Element>, info: Int32) {
    let k = a.smallerExtent
    // Its workspace grows as 4k²; where 32 bits cannot say how large it is, QR steps need less.
    guard 4 * k * k + 7 * k <= Int(Int32.max) else {
      return (
        SVD(
          u: Matrix(rows: a.rows, columns: k), singularValues: Array(repeating: 0, count: k),
          vt: Matrix(rows: k, columns: a.columns)), 1
      )
    }
    return factors(of: a) { routines, a, s, u, vt in
      var (letter, m, n, k32) = (letter("S"), a.m, a.n, Int32(k))
      var (lda, ldu, info) = (m, m, Int32(0))
      withWorkspace(Int32.self, 8 * k) { integers in
        inTwoCalls(Element.self) { work, size in
          var size = size
          routines.gesdd(
            &letter, &m, &n, a.pointer, &lda, s, u, &ldu, vt, &k32, work, &size, integers, &info, 1)
          return info
        }
      }
      return info
    }
  }

  /// QR steps, or the transpose where the library lacks them.
  private func secondRoute<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) -> (result: SVD<Element>, info: Int32) {
    guard (Element.precision == .single ? single : double).gesvd != nil else {
      let (result, info) = divideAndConquer(a.transposed())
      return (
        SVD(
          u: result.vt.transposed(), singularValues: result.singularValues,
          vt: result.u.transposed()), info
      )
    }
    let k = a.smallerExtent
    return factors(of: a) { routines, a, s, u, vt in
      guard let gesvd = routines.gesvd else { return 1 }
      var (first, second, m, n, k32) = (letter("S"), letter("S"), a.m, a.n, Int32(k))
      var (lda, ldu, info) = (m, m, Int32(0))
      inTwoCalls(Element.self) { work, size in
        var size = size
        gesvd(
          &first, &second, &m, &n, a.pointer, &lda, s, u, &ldu, vt, &k32, work, &size, &info, 1, 1)
        return info
      }
      return info
    }
  }

  private func valuesOnly<Element: MatrixElement>(
    _ a: Matrix<Element>
  ) -> (values: [Element], info: Int32) {
    let k = a.smallerExtent
    var copy = a
    var values = [Element](repeating: 0, count: k)
    var (letter, m, n) = (letter("N"), Int32(a.columns), Int32(a.rows))
    var (lda, ldu, ldvt, info) = (m, m, Int32(k), Int32(0))
    copy.write { a in
      values.withUnsafeMutableBufferPointer { values in
        guard let s = values.baseAddress else { return }
        withWorkspace(Int32.self, 8 * k) { integers in
          withWorkspace(Element.self, 2) { unused in
            inTwoCalls(Element.self) { work, size in
              var size = size
              call(Element.self) {
                $0.gesdd(
                  &letter, &m, &n, a, &lda, s, unused, &ldu, unused + 1, &ldvt, work, &size,
                  integers, &info, 1)
              }
              return info
            }
          }
        }
      }
    }
    return (values, info)
  }

  /// Prepares a copy of the matrix and the factors for one of the routines.
  private func factors<Element: MatrixElement>(
    of a: Matrix<Element>,
    _ body: (
      Routines, (pointer: UnsafeMutablePointer<Element>, m: Int32, n: Int32),
      UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>, UnsafeMutablePointer<Element>
    ) -> Int32
  ) -> (result: SVD<Element>, info: Int32) {
    let k = a.smallerExtent
    var copy = a
    var values = [Element](repeating: 0, count: k)
    var u = Matrix<Element>(rows: a.rows, columns: k)
    var vt = Matrix<Element>(rows: k, columns: a.columns)
    var info: Int32 = 0
    copy.write { copy in
      values.withUnsafeMutableBufferPointer { values in
        guard let s = values.baseAddress else { return }
        u.write { u in
          vt.write { vt in
            info = call(Element.self) {
              body($0, (copy, Int32(fitting: a.columns), Int32(fitting: a.rows)), s, vt, u)
            }
          }
        }
      }
    }
    return (SVD(u: u, singularValues: values, vt: vt), info)
  }
}

/// Asks a routine for the workspace it wants, then calls it with that.
///
/// - Parameters:
///   - type: The type of the workspace's elements.
///   - body: Calls the routine with a workspace and its size, −1 for the question; returns `info`.
func inTwoCalls<Element: MatrixElement>(
  _ type: Element.Type, _ body: (UnsafeMutablePointer<Element>, Int32) -> Int32
) {
  let wanted = withWorkspace(type, 1) { work -> Int in
    work.pointee = 1
    return body(work, -1) == 0 ? workspaceSize(work.pointee) : 0
  }
  guard wanted > 0 else { return }
  let size = min(wanted, Int(Int32.max))
  withWorkspace(type, size) { work in _ = body(work, Int32(size)) }
}

extension SVD {
  /// Whether all numbers are finite.
  var isFinite: Bool {
    singularValues.allSatisfy(\.isFinite)
      && u.read { Loops.firstNonFinite($0, u.count) } == nil
      && vt.read { Loops.firstNonFinite($0, vt.count) } == nil
  }
}
