internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// The least-squares problem of a layer: which weight comes nearest to what all models make of their inputs.
///
/// Σᵢ cᵢ tr((W − Wᵢ) G̃ᵢ (W − Wᵢ)ᵀ) is least for W (Σ cᵢ G̃ᵢ) = Σ cᵢ Wᵢ G̃ᵢ. It is solved for the distance D from an
/// origin (the mean of the models, or the base), so that directions that no input has stay at the origin.
/// Weights of more than two axes are matrices [out, everything else]. Products and the solution are of the precision
/// `Element`, sums of Gram matrices of double precision.
struct LayerRegression<Element: MatrixElement> {
  private let inputs: MergeInputs
  private let algebra: Backend
  private let rows: Int
  private let columns: Int
  private let isInputMajor: Bool
  /// How many inputs the layer has.
  private var width: Int { isInputMajor ? rows : columns }
  /// Σ cᵢ G̃ᵢ.
  private var grams: GramSum
  /// Σ cᵢ Dᵢ G̃ᵢ, a row for each output.
  private var right: Matrix<Element>
  /// Outputs whose rows are computed in double precision, too, and these rows.
  private let samples: [Int]
  private var sampled: Matrix<Double>
  /// Where the next model's Gram matrix goes.
  private var spare = Matrix<Element>(rows: 0, columns: 0)
  /// Whether Σ cᵢ Dᵢ is zero, and the first model's Gram matrix in that case.
  private let distancesCancel: Bool
  private var reference: Matrix<Element>?

  /// Prepares a step that has statistics.
  ///
  /// - Parameters:
  ///   - inputs: The step.
  ///   - sampleCount: How many rows are computed in double precision, too.
  ///   - distancesCancel: Whether Σ cᵢ Dᵢ is zero. Then Σ cᵢ Dᵢ G̃ᵢ = Σ cᵢ Dᵢ (G̃ᵢ − G̃₁), a product less.
  /// - Throws: `recipe` when the wanted layout does not fit the Gram matrices.
  init(
    _ inputs: MergeInputs, sampling sampleCount: Int = 0, distancesCancel: Bool = false
  ) throws(TinctureError) {
    self.inputs = inputs
    self.distancesCancel = distancesCancel
    algebra = try Backend.shared
    rows = inputs.step.shape.extents[0]
    columns = inputs.elementCount / max(1, rows)
    let wanted = inputs[RegressionSettings.layout]
    let statistics = inputs.step.statistics[0]
    isInputMajor =
      inputs.step.shape.rank == 2
      && (wanted == "auto" ? statistics.isInputMajor : wanted == "in_out")
    let (width, outputs) = isInputMajor ? (rows, columns) : (columns, rows)
    guard statistics.reader.shape.extents == [width, width] else {
      throw TinctureError(
        .recipe,
        "The Gram matrix \(statistics.reader.shape) does not fit a weight \(inputs.step.shape) in the"
          + " weight_layout \(wanted).", at: statistics.reader.place)
    }
    grams = GramSum(extent: width)
    right = Matrix(rows: outputs, columns: width)
    let count = min(sampleCount, outputs)
    samples = (0..<count).map { (2 * $0 + 1) * outputs / (2 * count) }
    sampled = Matrix(rows: count, columns: width)
  }

  /// Adds a model's part.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - origin: What its distance is counted from, as the tensor lies; nil for the base.
  ///   - coefficient: cᵢ.
  ///   - ratio: What elements beside the diagonal of its Gram matrix are multiplied by.
  /// - Throws: `checkpoint` when the Gram matrix is none, `io`.
  /// - Complexity: O(in² · out).
  mutating func add(
    _ model: Int, from origin: Matrix<Double>?, coefficient: Double, ratio: Double
  ) throws(TinctureError) {
    var own = Matrix<Element>(rows: 0, columns: 0)
    swap(&own, &spare)
    if own.rows < width { own = Matrix(rows: width, columns: width) }
    try inputs.readGramMatrix(of: model, into: &own) {
      grams.add(
        symmetrizing: &$0, times: coefficient, scalingOffDiagonal: Element(ratio),
        minus: reference)
    }
    if distancesCancel, reference == nil {
      reference = own
      return
    }
    let distance = try distance(of: model, from: origin)
    try algebra.multiply(
      distance, own, transposing: isInputMajor ? .first : [], scale: Element(coefficient),
      into: &right)
    try addSamples(distance, own, coefficient)
    swap(&own, &spare)
  }

  private func distance(
    of model: Int, from origin: Matrix<Double>?
  ) throws(TinctureError) -> Matrix<Element> {
    var result = Matrix<Element>(rows: rows, columns: columns)
    let form: InputForm = origin == nil ? .taskVectors : .values
    try inputs.scan(form, models: model..<model + 1) { (block) throws(TinctureError) in
      let values = block[model: 0]
      if let origin {
        result.set(values, minus: origin, at: block.start)
      } else {
        result.set(values, at: block.start)
      }
    }
    return result
  }

  /// Adds the sampled rows of Dᵢ G̃ᵢ, a few rows of G̃ᵢ at a time.
  private mutating func addSamples(
    _ distance: Matrix<Element>, _ own: Matrix<Element>, _ coefficient: Double
  ) throws(TinctureError) {
    guard !samples.isEmpty else { return }
    // So few rows that they stay in the cache in double precision.
    for start in stride(from: 0, to: width, by: 32) {
      let part = start..<min(start + 32, width)
      var picked = Matrix<Double>(rows: samples.count, columns: part.count)
      for (row, output) in samples.enumerated() {
        for input in part {
          picked[row, input - start] = Double(
            isInputMajor ? distance[input, output] : distance[output, input])
        }
      }
      try algebra.multiply(
        picked, own.rows(part, as: Double.self), scale: coefficient, into: &sampled)
    }
  }

  private func laid(_ solution: Matrix<Element>) -> Matrix<Element> {
    isInputMajor ? solution.transposed() : solution
  }

  /// The system, after the last model has been added; nothing else of all Gram matrices is kept.
  private mutating func takeSystem() -> Matrix<Double> {
    reference = nil
    spare = Matrix(rows: 0, columns: 0)
    return grams.take()
  }
}

extension LayerRegression<Float> {
  /// Adds the distance of the merged weight from the origin, if single precision is enough for it.
  ///
  /// - Parameters:
  ///   - weight: The origin, as the tensor lies; the merged weight afterwards.
  ///   - tolerance: The largest norm of a sampled row's error that is let pass, as a share of the row's norm.
  /// - Returns: Whether single precision was enough.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(in³ + in² · out).
  mutating func addSolution(
    to weight: inout Matrix<Double>, tolerance: Double
  ) throws(TinctureError) -> Bool {
    let gram = takeSystem()
    // Products may be beyond the range of single precision.
    guard right.frobeniusNorm.isFinite,
      try algebra.solveInSingle(gram: gram, rows: &right, samples: &sampled)
    else { return false }
    weight.add(widening: laid(right), times: 1)
    return samples.enumerated().allSatisfy { position, output in
      let (rough, fine) = (right.row(output), sampled.row(position))
      var (error, size) = (0.0, 0.0)
      for index in fine.indices {
        let own = isInputMajor ? weight[index, output] : weight[output, index]
        let difference = Double(rough[index]) - fine[index]
        error += difference * difference
        size += own * own
      }
      return error <= tolerance * tolerance * size
    }
  }
}

extension LayerRegression<Double> {
  /// Adds the distance of the merged weight from the origin.
  ///
  /// - Parameters:
  ///   - weight: The origin, as the tensor lies; the merged weight afterwards.
  ///   - jitter: What is added to the diagonal of a singular system, as a share of its mean.
  ///   - tolerance: The share of the largest eigenvalue up to which eigenvalues count as zero, should the system stay
  ///     singular in spite of that.
  /// - Throws: An error if the library fails.
  /// - Complexity: O(in³ + in² · out).
  mutating func addSolution(
    to weight: inout Matrix<Double>, jitter: Double, tolerance: Double
  ) throws(TinctureError) {
    var gram = takeSystem()
    weight.add(
      laid(try algebra.solve(gram: &gram, rows: right, jitter: jitter, tolerance: tolerance)))
  }

  /// The shortest distance: by the eigenvectors whose eigenvalues are above a share of the largest.
  ///
  /// - Complexity: O(in³ + in² · out).
  mutating func pseudoSolution(tolerance: Double) throws(TinctureError) -> Matrix<Double> {
    try laid(algebra.pseudoSolve(gram: takeSystem(), rows: right, tolerance: tolerance))
  }
}
