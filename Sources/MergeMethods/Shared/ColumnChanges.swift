internal import TinctureMerging
internal import TinctureTensors

/// How the columns of a matrix differ from those of the base, in length and direction.
///
/// Tensors of more axes are matrices [first, rest].
struct ColumnChanges {
  /// The elements from one of the first axis to the next.
  private let width: Int
  private let byRow: Bool
  private var base: [Double]
  private var squares: [[Double]]
  private var products: [[Double]]

  /// Reads a tensor of all models.
  ///
  /// - Parameters:
  ///   - inputs: The step.
  ///   - byRow: Whether rows take the place of columns.
  /// - Throws: What reading throws.
  /// - Complexity: O(n) for each model, in one pass.
  init(_ inputs: MergeInputs, byRow: Bool) throws(TinctureError) {
    let rows = max(1, inputs.step.shape.extents[0])
    width = max(1, inputs.elementCount / rows)
    self.byRow = byRow
    let zeros = [Double](repeating: 0, count: byRow ? rows : width)
    base = zeros
    squares = [[Double]](repeating: zeros, count: inputs.modelCount)
    products = squares
    try inputs.scan(.values) { (block) throws(TinctureError) in
      let origin = block.base
      forEachRun(from: block.start, count: block.count) { run, column, step in
        for offset in 0..<run.count {
          let value = Double(origin[run.lowerBound + offset])
          base[column + step * offset] += value * value
        }
      }
      for model in squares.indices {
        let vector = block[model: model]
        forEachRun(from: block.start, count: block.count) { run, column, step in
          for offset in 0..<run.count {
            let value = Double(vector[run.lowerBound + offset])
            squares[model][column + step * offset] += value * value
            products[model][column + step * offset] +=
              value * Double(origin[run.lowerBound + offset])
          }
        }
      }
    }
  }

  /// Visits the elements of a block in runs, each with its first column and the columns from one
  /// element to the next.
  func forEachRun(from start: Int, count: Int, _ body: (Range<Int>, Int, Int) -> Void) {
    var position = 0
    while position < count {
      let (row, column) = (start + position).quotientAndRemainder(dividingBy: width)
      let length = min(width - column, count - position)
      body(position..<position + length, byRow ? row : column, byRow ? 0 : 1)
      position += length
    }
  }

  /// By model and column: | ‖θᵢ‖ − ‖θ₀‖ |, and 1 − cos(θᵢ, θ₀).
  func changes() -> (lengths: [[Double]], directions: [[Double]]) {
    var lengths = squares
    var directions = squares
    for model in squares.indices {
      for column in base.indices {
        let own = squares[model][column].squareRoot()
        let origin = base[column].squareRoot()
        lengths[model][column] = (own - origin).magnitude
        let cosine = own > 0 && origin > 0 ? products[model][column] / (own * origin) : 0
        directions[model][column] = 1 - cosine
      }
    }
    return (lengths, directions)
  }
}
