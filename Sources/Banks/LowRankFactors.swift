internal import TinctureTensors

/// Some rows of U, times the singular values, and all of Vᵀ: what a range of elements of U diag(σ) Vᵀ is
/// computed from.
///
/// An element is the sum over the singular values, from the largest on, of (u σ) v in 32-bit floats, whatever
/// the range is.
struct LowRankFactors {
  let columns: Int
  let rank: Int
  /// The first row of the matrix that `left` has.
  let firstRow: Int
  /// Rows of U diag(σ).
  let left: ContiguousArray<Float>
  /// Vᵀ.
  let right: ContiguousArray<Float>

  init(
    columns: Int, firstRow: Int, left: ContiguousArray<Float>, values: ContiguousArray<Float>,
    right: ContiguousArray<Float>
  ) {
    self.columns = columns
    self.firstRow = firstRow
    self.right = right
    rank = values.count
    var scaled = left
    for index in scaled.indices { scaled[index] *= values[index % max(1, values.count)] }
    self.left = scaled
  }

  /// The elements of a range, in row-major order.
  func decode(_ range: Range<Int>, into output: inout MutableSpan<Float>) {
    Kernels.clear(&output)
    var position = range.lowerBound
    while position < range.upperBound {
      let (row, first) = position.quotientAndRemainder(dividingBy: columns)
      let count = min(columns - first, range.upperBound - position)
      let start = position - range.lowerBound
      var target = output._mutatingExtracting(start..<start + count)
      for k in 0..<rank {
        let begin = k * columns + first
        Kernels.add(
          right.span.extracting(begin..<begin + count), times: left[(row - firstRow) * rank + k],
          to: &target)
      }
      position += count
    }
  }
}

extension BankVector {
  /// Reads the factors for a range of elements.
  ///
  /// - Throws: `io` when reading fails, `checkpoint` when a number is not finite.
  func factors(_ range: Range<Int>, rank: Int) throws(TinctureError) -> LowRankFactors {
    let columns = record.shape.extents[1]
    let rows = range.lowerBound / columns..<(range.upperBound - 1) / columns + 1
    return LowRankFactors(
      columns: columns, firstRow: rows.lowerBound,
      left: try finite("left", rows.lowerBound * rank..<rows.upperBound * rank),
      values: try finite("values", 0..<rank), right: try finite("right", 0..<rank * columns))
  }

  /// Reads finite numbers of a part.
  private func finite(_ suffix: String, _ range: Range<Int>) throws(TinctureError)
    -> ContiguousArray<Float>
  {
    let values = try numbers(suffix, range)
    guard Kernels.largestMagnitude(values.span) < FiniteElements.limit else {
      throw TinctureError(
        .checkpoint,
        "The factor \"\(suffix)\" has a number that is not finite; the bank is damaged.")
    }
    return values
  }

  /// Checks that all numbers of the factors are finite.
  func checkFactors(_ rank: Int) throws(TinctureError) {
    let columns = record.shape.extents[1]
    let step = max(1, (1 << 20) / max(1, columns)) * columns
    for start in stride(from: 0, to: record.shape.elementCount, by: step) {
      _ = try factors(start..<min(start + step, record.shape.elementCount), rank: rank)
    }
  }
}
