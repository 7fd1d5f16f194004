internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// How long a change of a weight is, by the operator norm that suits what the weight is for.
///
/// Matrices have their largest singular value, tables of tokens and heads that of the longest column, and other tensors the
/// root of the sum of squares. Factors that depend on the shape alone are left out, since lengths are only compared with
/// others of the same tensor.
struct OperatorLength {
  private enum Form {
    case squares(Double)
    case columns([Double])
    case matrix(Matrix<Double>)
  }

  private var form: Form
  private let width: Int

  /// Begins with a change of nothing but zeros.
  ///
  /// - Parameter step: The tensor; all its extents but the first are columns.
  init(_ step: MergeStep) {
    width = step.shape.extents.dropFirst().reduce(1, *)
    if Self.isMatrix(step.shape) {
      form =
        Self.isTable(step.name)
        ? .columns([Double](repeating: 0, count: width))
        : .matrix(Matrix(rows: step.shape.extents[0], columns: width))
    } else {
      form = .squares(0)
    }
  }

  private static func isMatrix(_ shape: Shape) -> Bool {
    shape.rank > 1 && shape.elementCount > 0
  }

  /// Whether columns count: for tables of tokens, and for heads, which are tables of the same kind.
  private static func isTable(_ name: String) -> Bool {
    TokenTable.isNamed(name) || name.split(separator: ".").contains { $0 == "lm_head" }
  }

  /// Whether the length of such a tensor needs products of matrices.
  static func needsAlgebra(_ step: MergeStep) -> Bool {
    isMatrix(step.shape) && !isTable(step.name)
  }

  /// What two lengths of a tensor take, by the largest of all forms.
  static func memory(_ shape: Shape) -> Int {
    guard isMatrix(shape) else { return 0 }
    let (rows, columns) = (shape.extents[0], shape.elementCount / max(1, shape.extents[0]))
    let short = min(rows, columns)
    let square = FactorizationMemory(rows: short, columns: short, precision: .double)
    return 16 * rows * columns + 16 * short * short + square.eigh + 32 * (rows + columns)
  }

  /// Takes elements into account.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - start: The position of the first one in the tensor.
  mutating func add(_ x: Span<Float>, from start: Int) {
    switch form {
    case .squares(var sum):
      Kernels.addDot(x, x, to: &sum)
      form = .squares(sum)
    case .columns(var sums):
      form = .squares(0)
      for i in 0..<x.count { sums[(start + i) % width] += Double(x[i]) * Double(x[i]) }
      form = .columns(sums)
    case .matrix(var matrix):
      form = .squares(0)
      matrix.add(x, times: 1, at: start)
      form = .matrix(matrix)
    }
  }

  /// The length.
  ///
  /// - Parameter isRough: Whether ten steps of power iteration will do. They start from the same direction for all
  ///   matrices of a shape, so that the order of models and the seed of a recipe do not matter.
  /// - Returns: The length; 0 for zeros.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(m n) by power iteration, otherwise O(m n k) for the smaller extent k of a matrix.
  func value(approximately isRough: Bool) throws(TinctureError) -> Double {
    switch form {
    case .squares(let sum): return sum.squareRoot()
    case .columns(let sums): return (sums.max() ?? 0).squareRoot()
    case .matrix(let matrix):
      let algebra = try Backend.shared
      if isRough { return try algebra.powerIteration(matrix) }
      let side = matrix.shorterSide
      let values = try algebra.eigh(algebra.gram(matrix, of: side), leading: 1).values
      return max(0, values.first ?? 0).squareRoot()
    }
  }
}

extension Backend {
  /// About the largest singular value, by ten steps from a random direction.
  fileprivate func powerIteration(_ matrix: Matrix<Double>) throws(TinctureError) -> Double {
    let random = CounterRandom(seed: 0, tensor: "", model: 0, purpose: "power iteration")
    func length(_ vector: Matrix<Double>) -> Double {
      var sum = 0.0
      for i in 0..<vector.elements.count { sum += vector.elements[i] * vector.elements[i] }
      return sum.squareRoot()
    }
    var direction = Matrix<Double>(
      rows: matrix.columns, columns: 1, (0..<matrix.columns).map { random.uniform(at: $0) - 0.5 })
    for _ in 0..<10 {
      direction = try multiply(matrix, multiply(matrix, direction), transposing: .first)
      let size = length(direction)
      guard size > 0 else { return 0 }
      direction.scale(by: 1 / size)
    }
    return length(try multiply(matrix, direction))
  }
}
