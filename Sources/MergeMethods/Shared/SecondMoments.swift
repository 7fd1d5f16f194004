internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// The second moments of all models for one tensor, as they are or approximated.
struct SecondMoments {
  static let approximation = Parameter<String>(
    "approximation", default: "none", of: ["none", "rank1", "svd"],
    "What matrices of second moments are replaced by: the product of their row and column sums, or their"
      + " leading singular directions.")
  static let rank = Parameter<Int>(
    "rank", default: 1, in: .between(1, 1_000_000), "The singular directions that svd keeps.")

  /// What replaces the moments of one model.
  private enum Form {
    case stored
    /// Row and column sums, the latter over the sum of all.
    case factors(rows: [Double], columns: [Double])
    case matrix(Matrix<Float>)
  }

  private let inputs: MergeInputs
  private var forms: [Form]

  /// Prepares a step that has statistics.
  ///
  /// - Throws: `checkpoint` for moments that are negative or not finite, `io`.
  /// - Complexity: One pass over the moments where they are approximated.
  init(_ inputs: MergeInputs) throws(TinctureError) {
    self.inputs = inputs
    forms = [Form](repeating: .stored, count: inputs.modelCount)
    guard inputs.step.shape.rank == 2, inputs.elementCount > 0 else { return }
    switch inputs[Self.approximation] {
    case "rank1":
      for model in forms.indices { forms[model] = try sums(of: model) }
    case "svd":
      for model in forms.indices { forms[model] = try leading(of: model) }
    default: break
    }
  }

  private var columns: Int { inputs.step.shape.extents[1] }

  private func sums(of model: Int) throws(TinctureError) -> Form {
    var rows = [Double](repeating: 0, count: inputs.step.shape.extents[0])
    var sums = [Double](repeating: 0, count: columns)
    try scan(model) { start, values in
      for i in 0..<values.count {
        let (row, column) = (start + i).quotientAndRemainder(dividingBy: columns)
        rows[row] += Double(values[i])
        sums[column] += Double(values[i])
      }
    }
    let total = rows.reduce(0, +)
    return .factors(rows: rows, columns: sums.map { total > 0 ? $0 / total : 0 })
  }

  private func leading(of model: Int) throws(TinctureError) -> Form {
    var matrix = Matrix<Double>(rows: inputs.step.shape.extents[0], columns: columns)
    try scan(model) { start, values in
      matrix.add(values, times: 1, at: start)
    }
    let algebra = try Backend.shared
    guard matrix.largestMagnitude > 0 else { return .stored }
    var svd = try algebra.svdByGram(matrix, keepingAbove: 1e-6, rank: inputs[Self.rank])
    svd.u.scaleColumns(by: svd.singularValues)
    var product = try algebra.multiply(svd.u, svd.vt)
    product.change { values in
      for i in 0..<values.count { values[i] = max(0, values[i]) }
    }
    return .matrix(product.converted(to: Float.self))
  }

  /// Visits the moments as they are.
  private func scan(
    _ model: Int, _ body: (Int, Span<Float>) -> Void
  ) throws(TinctureError) {
    try inputs.scanStatistics(of: model) { (start, values) throws(TinctureError) in
      try check(values, from: start, of: model)
      body(start, values)
    }
  }

  private func check(
    _ values: Span<Float>, from start: Int, of model: Int
  ) throws(TinctureError) {
    for i in 0..<values.count where values[i] < 0 {
      throw TinctureError(
        .checkpoint,
        "Element \(start + i) of the second moments is \(values[i]); a mean of squares is never"
          + " negative. Save the optimiser's state again.",
        at: inputs.step.statistics[model].reader.place)
    }
  }

  /// The moments of some elements.
  ///
  /// - Parameters:
  ///   - model: The position of the model in the step.
  ///   - start: The first element.
  ///   - count: How many.
  ///   - output: Receives them.
  /// - Throws: `checkpoint` for moments that are negative or not finite, `io`.
  func read(
    _ model: Int, _ start: Int, count: Int, into output: inout ScratchVector
  ) throws(TinctureError) {
    switch forms[model] {
    case .stored:
      var failure: TinctureError?
      output.use(count) { span in
        do throws(TinctureError) {
          try inputs.readStatistics(of: model, start..<start + count, into: &span)
        } catch { failure = error }
      }
      if let failure { throw failure }
      try check(output.prefix(count), from: start, of: model)
    case .factors(let rows, let columns):
      output.use(count) { span in
        for i in 0..<count {
          let (row, column) = (start + i).quotientAndRemainder(dividingBy: columns.count)
          span[i] = Float(rows[row] * columns[column])
        }
      }
    case .matrix(let matrix):
      output.use(count) { span in
        Kernels.copy(matrix.elements.extracting(start..<start + count), to: &span)
      }
    }
  }

  /// Visits all moments of a model in order.
  func visit(_ model: Int, _ body: (Span<Float>) -> Void) throws(TinctureError) {
    var values = inputs.scratch()
    try inputs.scan(.values, models: model..<model + 1) { (block) throws(TinctureError) in
      try read(model, block.start, count: block.count, into: &values)
      body(values.prefix(block.count))
    }
  }

  /// What approximations take.
  static func memory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory {
    guard scope.shape.rank == 2 else { return WorkingMemory() }
    let (rows, columns) = (scope.shape.extents[0], scope.shape.extents[1])
    switch parameters[approximation] {
    case "rank1": return WorkingMemory(bytes: 8 * scope.modelCount * (rows + columns))
    case "svd":
      let factors = FactorizationMemory(rows: rows, columns: columns, precision: .double)
      return WorkingMemory(
        bytes: 4 * scope.modelCount * rows * columns + 16 * rows * columns + factors.svdByGram)
    default: return WorkingMemory()
    }
  }
}
