internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// The least-squares problem of a layer: which weight comes nearest to what all models make of their inputs.
///
/// Σᵢ cᵢ tr((W − Wᵢ) G̃ᵢ (W − Wᵢ)ᵀ) is least for (Σ cᵢ G̃ᵢ) Wᵀ = Σ cᵢ G̃ᵢ Wᵢᵀ. It is solved for the distance from an
/// origin (the mean of the models, or the base), so that directions that no input has stay at the origin.
/// Weights of more than two axes are matrices [out, everything else]. In double precision.
struct LayerRegression {
  private let inputs: MergeInputs
  private let algebra: Backend
  private let rows: Int
  private let columns: Int
  private let isInputMajor: Bool
  /// Σ cᵢ G̃ᵢ.
  private(set) var gram: Matrix<Double>
  /// Σ cᵢ G̃ᵢ Dᵢᵀ, a row for each input.
  private(set) var right: Matrix<Double>

  static let layout = Parameter<String>(
    "weight_layout", default: "auto", of: ["auto", "out_in", "in_out"],
    "How weights are stored; auto goes by the size of the Gram matrix, and takes square weights as"
      + " [out, in] unless the file of statistics says otherwise.")

  /// Prepares a step that has statistics.
  ///
  /// - Throws: `recipe` when the wanted layout does not fit the Gram matrices.
  init(_ inputs: MergeInputs) throws(TinctureError) {
    self.inputs = inputs
    algebra = try Backend.shared
    rows = inputs.step.shape.extents[0]
    columns = inputs.elementCount / max(1, rows)
    let wanted = inputs[Self.layout]
    let statistics = inputs.step.statistics[0]
    isInputMajor =
      inputs.step.shape.rank == 2
      && (wanted == "auto" ? statistics.isInputMajor : wanted == "in_out")
    let width = isInputMajor ? rows : columns
    guard statistics.reader.shape.extents == [width, width] else {
      throw TinctureError(
        .recipe,
        "The Gram matrix \(statistics.reader.shape) does not fit a weight \(inputs.step.shape) in the"
          + " weight_layout \(wanted).", at: statistics.reader.place)
    }
    gram = Matrix(rows: width, columns: width)
    right = Matrix(rows: width, columns: isInputMajor ? columns : rows)
  }

  /// A combination of the models, or of their task vectors, as the tensor lies.
  func combination(
    _ weights: [Double], _ form: InputForm, models: Range<Int>
  ) throws(TinctureError) -> Matrix<Double> {
    var result = Matrix<Double>(rows: rows, columns: columns)
    try inputs.scan(form, models: models) { (block) throws(TinctureError) in
      for (index, model) in models.enumerated() {
        TaskMatrices.add(
          block[model: index], times: weights[model], at: block.start, to: &result)
      }
    }
    return result
  }

  /// Adds a model's part.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - distance: Its distance from the origin, as the tensor lies.
  ///   - coefficient: cᵢ.
  ///   - ratio: What elements beside the diagonal of its Gram matrix are multiplied by.
  /// - Throws: `checkpoint` when the Gram matrix is none, `io`.
  /// - Complexity: O(in² · out).
  mutating func add(
    _ model: Int, _ distance: Matrix<Double>, coefficient: Double, ratio: Double
  ) throws(TinctureError) {
    let own = try inputs.gramMatrix(
      of: model, extent: gram.rows, coefficient: coefficient, ratio: ratio)
    try algebra.multiply(
      own, distance, transposing: isInputMajor ? [] : .second, into: &right)
    gram.add(own)
  }

  /// The distance of the merged weight from the origin, as the tensor lies.
  ///
  /// - Parameter jitter: What is added to the diagonal of a singular system, as a share of its mean.
  /// - Returns: The distance.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(in³ + in² · out).
  func solution(jitter: Double) throws(TinctureError) -> Matrix<Double> {
    try laid(algebra.solve(gram: gram, right, jitter: jitter))
  }

  /// The shortest distance: by the eigenvectors whose eigenvalues are above a share of the largest.
  ///
  /// - Complexity: O(in³ + in² · out).
  func pseudoSolution(tolerance: Double) throws(TinctureError) -> Matrix<Double> {
    try laid(algebra.pseudoSolve(gram: gram, right, tolerance: tolerance))
  }

  private func laid(_ solution: Matrix<Double>) -> Matrix<Double> {
    isInputMajor ? solution : solution.transposed()
  }

  /// Bytes for a step of these sizes; 0 for one without a Gram matrix.
  ///
  /// - Parameters:
  ///   - scope: The sizes of the step.
  ///   - matrices: How many matrices of the tensor's shape are held besides those of the solver.
  /// - Returns: The bytes, and a vector to read statistics with.
  static func memory(_ scope: WorkingScope, matrices: Int) -> WorkingMemory {
    guard let shape = scope.statisticsShape, shape.rank == 2, scope.shape.rank >= 2 else {
      return WorkingMemory()
    }
    let width = shape.extents[0]
    // The sum, one model's matrix, the system, its factor or its eigenvectors; the right-hand side, the solution
    // and what turns it.
    let squares = 4 * width * width
    let eigen = FactorizationMemory(rows: width, columns: width, precision: .double).eigh
    return WorkingMemory(
      vectors: 1, bytes: 8 * (squares + (4 + matrices) * scope.elementCount) + eigen)
  }
}
