internal import TinctureTensors

/// A large symmetric matrix made tridiagonal by reflections: A = Q T Qᵀ, in double precision.
///
/// The blocked algorithm of LAPACK's sytrd: half of the multiplications are products of the rest of the matrix with one
/// vector, as fast as memory; they are shared with spare threads, which are awake for 32 columns at a time. The parts of
/// a product are cut by the extent alone, so that the bits do not depend on who helps.
///
/// Dongarra, Hammarling and Sorensen 1989, Block reduction of matrices to condensed forms.
struct Tridiagonalization {
  /// Row i holds vector number i, from column i + 2 on; a 1 before that and zeros further on the left are left out.
  private(set) var reflections: Matrix<Double>
  /// The diagonal of T.
  private(set) var diagonal: [Double]
  /// The elements beside it.
  private(set) var beside: [Double]
  /// The factors τ of the reflections I − τ v vᵀ.
  private(set) var factors: [Double]

  /// From this extent on the library's own routine is no faster, even without spare threads.
  static let leastExtent = 1024
  /// The reflections that are applied to the rest of the matrix together.
  private static let width = 32
  /// The parts that a product of a matrix and a vector is cut into.
  private static let parts = 8

  /// Takes a matrix apart, whose upper triangle counts.
  ///
  /// - Complexity: O(n³), half of it at the rate of memory and shared by up to eight threads.
  init(_ a: consuming Matrix<Double>, _ algebra: Backend) {
    let n = a.rows
    let largest = a.largestMagnitude
    // Not so small that its inverse is infinite.
    let exponent = max(-1000, largest.exponent)
    let unit = largest > 0 ? Double(sign: .plus, exponent: exponent, significand: 1) : 1
    a.scale(by: 1 / unit)
    (diagonal, beside) = (Array(repeating: 0, count: n), Array(repeating: 0, count: max(0, n - 1)))
    factors = Array(repeating: 0, count: max(1, n - 1))
    // Empty until it is finished.
    reflections = Matrix(rows: 0, columns: 0)
    let pairs = Pairs(length: n, width: Self.width, parts: Self.parts)
    defer { pairs.deallocate() }
    for start in stride(from: 0, to: n - 1, by: Self.width) {
      let columns = start..<min(n - 1, start + Self.width)
      a.write { a in
        ThreadTeam.gather(Self.parts) { team in
          for column in columns { reflect(a, n, column, after: start, pairs, team) }
        }
        Self.update(a, n, from: columns.upperBound, pairs, columns.count, algebra)
      }
    }
    if n > 0 { diagonal[n - 1] = a[n - 1, n - 1] }
    reflections = a
    for index in diagonal.indices { diagonal[index] *= unit }
    for index in beside.indices { beside[index] *= unit }
  }

  /// Gives the vectors away, so that their memory may change.
  mutating func takeReflections() -> Matrix<Double> {
    defer { reflections = Matrix(rows: 0, columns: 0) }
    return reflections
  }

  /// Makes zeros of a row behind its second element, and finds what that means for the rest of the matrix.
  private mutating func reflect(
    _ a: UnsafeMutablePointer<Double>, _ n: Int, _ i: Int, after start: Int, _ pairs: Pairs,
    _ team: ThreadTeam
  ) {
    let (count, row) = (i - start, a + i * n)
    pairs.apply(count, at: i, to: row)
    diagonal[i] = row[i]
    let (v, w) = (pairs.vector(count), pairs.image(count))
    var rest = 0.0
    for j in i + 2..<max(n, i + 2) { rest += row[j] * row[j] }
    let first = row[i + 1]
    v[i + 1] = 1
    guard rest > 0 else {
      beside[i] = first
      for j in i + 2..<max(n, i + 2) { v[j] = 0 }
      for j in i + 1..<n { w[j] = 0 }
      return
    }
    let length = (first * first + rest).squareRoot()
    let end = first < 0 ? length : -length
    beside[i] = end
    factors[i] = (end - first) / end
    let scale = 1 / (first - end)
    for j in i + 2..<n {
      row[j] *= scale
      v[j] = row[j]
    }
    pairs.multiply(a + (i + 1) * n + i + 1, n, count, from: i + 1, factor: factors[i], team)
  }

  /// Subtracts V Wᵀ + W Vᵀ from what is left of the matrix.
  private static func update(
    _ a: UnsafeMutablePointer<Double>, _ n: Int, from start: Int, _ pairs: Pairs, _ count: Int,
    _ algebra: Backend
  ) {
    let (left, right) = pairs.factors(count)
    algebra.inPieces(of: n - start, pieceLength: 256) { band in
      let corner = start + band.lowerBound
      algebra.multiply(
        MatrixBlock(reading: left + corner, rows: 2 * count, columns: band.count, stride: n),
        MatrixBlock(reading: right + corner, rows: 2 * count, columns: n - corner, stride: n),
        transposing: .first, scale: -1,
        into: MatrixBlock(
          a + corner * n + corner, rows: band.count, columns: n - corner, stride: n), keeping: 1)
    }
  }
}

/// The reflections of a block of columns: their vectors v and their images w.
private struct Pairs {
  private let length: Int
  private let width: Int
  private let parts: Int
  /// Rows are v₀, v₁ and so on, then w₀, w₁ and so on.
  private let memory: UnsafeMutablePointer<Double>
  /// The same with both halves exchanged.
  private let exchanged: UnsafeMutablePointer<Double>
  private let partial: UnsafeMutablePointer<Double>
  private let numbers: UnsafeMutablePointer<Double>

  init(length: Int, width: Int, parts: Int) {
    (self.length, self.width, self.parts) = (length, width, parts)
    memory = .allocate(capacity: 2 * width * length)
    exchanged = .allocate(capacity: 2 * width * length)
    partial = .allocate(capacity: parts * length)
    numbers = .allocate(capacity: 2 * max(width, parts))
    memory.initialize(repeating: 0, count: 2 * width * length)
    exchanged.initialize(repeating: 0, count: 2 * width * length)
    partial.initialize(repeating: 0, count: parts * length)
    numbers.initialize(repeating: 0, count: 2 * max(width, parts))
  }

  func deallocate() {
    for pointer in [memory, exchanged, partial, numbers] { pointer.deallocate() }
  }

  func vector(_ k: Int) -> UnsafeMutablePointer<Double> { memory + k * length }

  func image(_ k: Int) -> UnsafeMutablePointer<Double> { memory + (width + k) * length }

  /// Subtracts what the first `count` pairs mean for row i from its elements from i on.
  func apply(_ count: Int, at i: Int, to row: UnsafeMutablePointer<Double>) {
    guard count > 0 else { return }
    for k in 0..<count { (numbers[k], numbers[width + k]) = (image(k)[i], vector(k)[i]) }
    subtract(count, from: row + i, at: i, until: length)
  }

  /// w = τ (A − V Wᵀ − W Vᵀ) v, made so that v wᵀ + w vᵀ is what the reflection changes.
  func multiply(
    _ a: UnsafePointer<Double>, _ n: Int, _ count: Int, from first: Int, factor: Double,
    _ team: ThreadTeam
  ) {
    let (v, w, rest) = (vector(count) + first, image(count) + first, n - first)
    if rest < 256 {
      Kernels.triangleProduct(a, rowsApart: n, extent: rest, rows: 0..<rest, v, into: w)
    } else {
      let (partial, parts, length) = (partial, parts, length)
      team.run(parts) { part in
        let to = partial + part * length
        let rows = Self.rows(part, of: parts, rest)
        to.update(repeating: 0, count: rows.lowerBound)
        Kernels.triangleProduct(a, rowsApart: n, extent: rest, rows: rows, v, into: to)
      }
      for part in 0..<parts { numbers[part] = -1 }
      w.update(repeating: 0, count: rest)
      Kernels.subtract(partial, apart: length, count: parts, times: numbers, from: w, length: rest)
    }
    if count > 0 {
      Kernels.innerProducts(
        image(0) + first, apart: length, count: count, v, length: rest, into: numbers)
      Kernels.innerProducts(
        vector(0) + first, apart: length, count: count, v, length: rest, into: numbers + width)
      subtract(count, from: w, at: first, until: n)
    }
    var product = 0.0
    Kernels.innerProducts(w, apart: length, count: 1, v, length: rest, into: &product)
    let share = -0.5 * factor * factor * product
    for j in 0..<rest { w[j] = factor * w[j] + share * v[j] }
  }

  /// Both factors of V Wᵀ + W Vᵀ, rows as many as twice the pairs.
  func factors(
    _ count: Int
  ) -> (left: UnsafePointer<Double>, right: UnsafePointer<Double>) {
    // A last block has fewer pairs: images follow the vectors without a gap.
    for k in 0..<count {
      (exchanged + k * length).update(from: image(k), count: length)
      (exchanged + (count + k) * length).update(from: vector(k), count: length)
    }
    if count < width {
      for k in 0..<count { vector(count + k).update(from: exchanged + k * length, count: length) }
    }
    return (UnsafePointer(memory), UnsafePointer(exchanged))
  }

  private func subtract(
    _ count: Int, from y: UnsafeMutablePointer<Double>, at first: Int, until end: Int
  ) {
    Kernels.subtract(
      vector(0) + first, apart: length, count: count, times: numbers, from: y, length: end - first)
    Kernels.subtract(
      image(0) + first, apart: length, count: count, times: numbers + width, from: y,
      length: end - first)
  }

  /// The rows of a part of a triangle with n rows; all parts have about as many elements.
  private static func rows(_ part: Int, of parts: Int, _ n: Int) -> Range<Int> {
    func border(_ part: Int) -> Int {
      guard part < parts else { return n }
      let share = 1 - (1 - Double(part) / Double(parts)).squareRoot()
      return Int(Double(n) * share) / 8 * 8
    }
    return border(part)..<border(part + 1)
  }
}
