internal import TinctureTensors

/// Singular values and vectors of a matrix in single precision, found from Gram matrices, range after range.
///
/// The eigenvectors U of A Aᵀ, formed in single precision and decomposed in double, are good for singular values of a
/// sixteenth of the largest and more: squares of smaller ones drown in rounding. Formed in double precision it is good
/// for all, but the rows of B = Uᵀ A, which give right vectors and values, are wrong by several ε of the largest. So
/// only the directions of one range count. What is left of B, made orthogonal to the right vectors found, is a smaller
/// matrix that begins a range of its own. Once that is so small that rounding counts, it is worked out anew from A in
/// double precision, which costs little for so few rows, and ranges go on until nothing but rounding is left.
/// The result is about as accurate as a singular value decomposition in single precision, which takes several
/// times as long.
struct SingleDirections {
  /// Eigenvalues of a Gram matrix, descending, and their vectors as columns.
  typealias Eigenvectors = (values: [Double], vectors: Matrix<Float>)

  /// Orthonormal vectors of the smaller side as columns, n × b for each range.
  private var near: [Matrix<Float>] = []
  /// The vectors of the other side as rows, b × m for each range.
  private var far: [Matrix<Float>] = []
  /// The singular values of the divided matrix, in the order of the vectors.
  private var values: [Float] = []
  /// A power of two, so that squares stay within the range; 1 for most matrices.
  private let unit: Float
  /// The side whose vectors are eigenvectors.
  private let side: GramSide
  /// Whether rounding would decide about some singular values.
  private(set) var isDoubtful = false

  /// How far a range goes.
  struct Range {
    /// Where it ends, as a share of its largest singular value.
    let end: Float
    /// Whether Gram matrices are formed in double precision.
    let usesDouble: Bool

    /// Single vectors are good.
    static let narrow = Range(end: 1.0 / 16, usesDouble: false)
    /// For all vectors together, whose small errors even out.
    static let wide = Range(end: 1.0 / 32, usesDouble: false)
    /// The longest; quicker where it saves a range, slower elsewhere.
    static let long = Range(end: 1.0 / 64, usesDouble: true)
  }

  /// Finds directions.
  ///
  /// - Parameters:
  ///   - a: The matrix; finite.
  ///   - share: Singular values must exceed this share of the largest.
  ///   - rank: How many are wanted at most.
  ///   - range: How far ranges go.
  ///   - isFlat: Whether those that are wanted are expected to lie close together.
  ///   - first: All eigenvectors of the smaller Gram matrix, where they are known; only for usual sizes.
  ///   - algebra: The library.
  /// - Throws: An error if the library fails.
  init(
    _ a: Matrix<Float>, keepingAbove share: Float, rank: Int, range: Range, isFlat: Bool = false,
    first: Eigenvectors? = nil, _ algebra: Backend
  ) throws(TinctureError) {
    side = a.shorterSide
    let largest = a.largestMagnitude
    let isUsual = largest == 0 || Self.hasUsualSize(largest)
    unit = isUsual ? 1 : Float(sign: .plus, exponent: largest.exponent, significand: 1)
    guard largest > 0 else { return }
    precondition(isUsual || first == nil, "Eigenvectors are known of another matrix.")
    var (whole, first) = (a, first)
    if !isUsual { whole.divide(by: unit) }
    var rest = whole
    // Products leave less than this of a matrix that has no further directions.
    var noise: Float = 0
    var least: Float = 0
    var highest: Float = 0
    var isExact = false
    var basis: Matrix<Float>?
    while values.count < rank {
      let isFirst = basis == nil
      let extent = isFirst ? rest.smallerExtent : rest.rows
      let wanted = min(rank - values.count, extent)
      let ownSide = isFirst ? side : .rows
      let found =
        if let known = first.take() { known } else if range.usesDouble {
          try algebra.eighInSingle(leading: wanted) { () throws(TinctureError) in
            try algebra.gramInDouble(rest, of: ownSide)
          }
        } else {
          try Self.leading(wanted, of: rest, ownSide, isFlat: isFlat && isFirst, algebra)
        }
      let top = Float(max(0, found.values.first ?? 0).squareRoot())
      if isFirst {
        noise = 8 * Float.ulpOfOne * Float(rest.frobeniusNorm)
        highest = top
        least = max(noise, share * top)
      }
      guard top > least else {
        isDoubtful = top + 2 * noise > least
        break
      }
      let end = Double(max(range.end * top, least))
      let count = found.values.prefix { $0 > end * end }.count
      let isLast = count == wanted
      // Without the other vectors there is no next range.
      guard isLast || found.vectors.columns == extent else {
        isDoubtful = true
        return
      }
      let vectors = isLast ? found.vectors.columns(0..<count) : found.vectors
      var images = try algebra.multiply(
        vectors, rest, transposing: isFirst && side == .columns ? [.first, .second] : .first)
      if isLast {
        if count < images.rows { images = images.rows(0..<count) }
        try add(vectors, &images, count, in: basis, algebra)
        break
      }
      rest = images.rows(count..<images.rows)
      images = images.rows(0..<count)
      try add(vectors, &images, count, in: basis, algebra)
      let others = vectors.columns(count..<vectors.columns)
      let remaining = if let basis { try algebra.multiply(basis, others) } else { others }
      basis = remaining
      try algebra.remove(images, from: &rest)
      if !isExact, Float(rest.frobeniusNorm) < 256 * noise {
        rest = try algebra.multiplyInDouble(remaining, whole, side)
        for known in far { try algebra.remove(known, from: &rest) }
        isExact = true
        // What is left of rounding now is that of vectors times that of products.
        noise /= 1024
        least = max(noise, share * highest)
      }
      // Rounding cannot be told from small singular values that are to stay.
      if Float(rest.frobeniusNorm) < noise, least < 2 * noise {
        isDoubtful = true
        return
      }
    }
    if let last = values.min(), last < least + noise { isDoubtful = true }
  }

  /// Whether squares of elements of this magnitude, and sums of them, stay far within single precision's range.
  static func hasUsualSize(_ magnitude: Float) -> Bool { (1e-12...1e12).contains(magnitude) }

  /// The leading eigenvectors of a Gram matrix in single precision, by a reduction in it where that is good enough.
  ///
  /// The errors of the reduction are several ε of the largest eigenvalue, some more the larger the matrix.
  private static func leading(
    _ count: Int, of a: Matrix<Float>, _ side: GramSide, isFlat: Bool, _ algebra: Backend
  ) throws(TinctureError) -> Eigenvectors {
    func gram() throws(TinctureError) -> Matrix<Float> { try algebra.gram(a, of: side) }
    if isFlat, a.smallerExtent <= 1024 {
      let found = try algebra.eighInSingle(leading: count, of: gram)
      if let first = found.values.first, let last = found.values.last, last > first / 16 {
        return found
      }
    }
    return try algebra.eighInSingle(leading: count) { () throws(TinctureError) in
      try gram().converted(to: Double.self)
    }
  }

  /// Takes the first vectors of a range over, and their images, which get length 1.
  private mutating func add(
    _ vectors: Matrix<Float>, _ images: inout Matrix<Float>, _ count: Int,
    in basis: Matrix<Float>?, _ algebra: Backend
  ) throws(TinctureError) {
    let own = vectors.columns == count ? vectors : vectors.columns(0..<count)
    let whole = if let basis { try algebra.multiply(basis, own) } else { own }
    near.append(whole)
    let lengths = (0..<count).map { index in
      var square = 0.0
      Kernels.addDot(images.row(index), images.row(index), to: &square)
      return Float(square.squareRoot())
    }
    images.scaleRows(by: lengths.map { 1 / $0 })
    far.append(images)
    values += lengths
  }

  /// How many directions there are.
  var count: Int { values.count }

  /// The singular values, largest first.
  var singularValues: [Float] { values.sorted(by: >).map { $0 * unit } }

  /// Two matrices whose product has all singular values made 1 and the directions left out made 0.
  var polarParts: [Matrix<Float>] {
    let (vectors, images) = joined
    return side == .rows ? [vectors, images] : [images.transposed(), vectors.transposed()]
  }

  /// Gives the decomposition of the matrix away; no vectors are left.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - kept: How many directions at most.
  /// - Returns: The leading directions, those of the largest singular value first.
  mutating func takeSVD(of a: Matrix<Float>, _ kept: Int = .max) -> SVD<Float> {
    guard count > 0, kept > 0 else {
      return SVD(
        u: Matrix(rows: a.rows, columns: 0), singularValues: [],
        vt: Matrix(rows: 0, columns: a.columns))
    }
    var (vectors, images) = joined
    (near, far) = ([], [])
    let leading = Array(order.prefix(kept))
    if leading != Array(values.indices) {
      vectors = vectors.columns(leading)
      images = images.rows(leading)
    }
    let sizes = leading.map { values[$0] * unit }
    // Nothing else may hold the vectors, so that their signs change in place.
    var result: SVD<Float>
    if side == .rows {
      result = SVD(u: consume vectors, singularValues: sizes, vt: consume images)
    } else {
      result = SVD(u: images.transposed(), singularValues: sizes, vt: vectors.transposed())
    }
    result.fixSigns()
    return result
  }

  /// The vectors of the smaller side, as columns, that are not among the leading ones.
  func vectors(beyond kept: Int) -> Matrix<Float> {
    joined.vectors.columns(Array(order.dropFirst(kept)))
  }

  /// The directions from the largest singular value to the smallest.
  private var order: [Int] {
    values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
  }

  /// All ranges together.
  private var joined: (vectors: Matrix<Float>, images: Matrix<Float>) {
    if let vectors = near.first, let images = far.first, near.count == 1 {
      return (vectors, images)
    }
    return (
      .joined(near, rows: near.first?.rows ?? 0),
      .stacked(far, columns: far.first?.columns ?? 0)
    )
  }
}
