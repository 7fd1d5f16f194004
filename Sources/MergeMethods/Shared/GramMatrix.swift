internal import TinctureMerging
internal import TinctureTensors

/// The inner products of a step's models, and of its base where asked, over the whole tensor.
///
/// Methods that only scale and add whole tensors need nothing else: norms, angles and iterations are
/// worked out in the space of coefficients, and one more pass adds the tensors up.
struct GramMatrix {
  let count: Int
  private var entries: [Double]

  init(count: Int) {
    self.count = count
    entries = [Double](repeating: 0, count: count * count)
  }

  /// Reads the tensors once.
  ///
  /// - Complexity: O(n² d) for n tensors of d elements.
  init(of inputs: MergeInputs, _ form: InputForm) throws(TinctureError) {
    let withBase = form == .values && inputs.hasBase
    let skipped = inputs.hasBase && !withBase ? 1 : 0
    var gram = GramMatrix(count: inputs.modelCount + (withBase ? 1 : 0))
    try inputs.scan(form) { (block) throws(TinctureError) in
      for row in 0..<gram.count {
        for column in row..<gram.count {
          Kernels.addDot(
            block[input: row + skipped], block[input: column + skipped],
            to: &gram.entries[row * gram.count + column])
        }
      }
    }
    self = gram
  }

  /// The inner product of two of the tensors; with a base among them, it is the first.
  subscript(row: Int, column: Int) -> Double {
    get { entries[min(row, column) * count + max(row, column)] }
    set { entries[min(row, column) * count + max(row, column)] = newValue }
  }

  /// The Euclidean norm of one of the tensors.
  func norm(_ index: Int) -> Double { self[index, index].squareRoot() }

  /// The inner product of two linear combinations.
  func product(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for row in 0..<count {
      for column in 0..<count { sum += a[row] * b[column] * self[row, column] }
    }
    return sum
  }

  /// The Euclidean norm of a linear combination.
  func norm(of a: [Double]) -> Double {
    let square = product(a, a)
    return square < 0 ? 0 : square.squareRoot()
  }
}

extension MergeInputs {
  /// Writes a linear combination of the step's models, plus the base where its coefficient is not zero.
  func produceCombination(_ coefficients: [Double], base: Double = 0, _ form: InputForm = .values)
    throws(TinctureError)
  {
    try produce(form) { (block, output) throws(TinctureError) in
      if base != 0 { Kernels.scale(block.base, by: Float(base), into: &output) }
      for (model, coefficient) in coefficients.enumerated() where coefficient != 0 {
        Kernels.add(block[model: model], times: Float(coefficient), to: &output)
      }
    }
  }
}
