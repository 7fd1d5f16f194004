internal import TinctureMerging
internal import TinctureTensors

/// The election of TIES: at every position only elements with the sign of the sum stay.
enum SignElection {
  /// Sets elements that lose the election, and zeros, to zero.
  ///
  /// - Parameters:
  ///   - block: The task vectors of all models.
  ///   - zeroSign: The sign that is elected where the sum is zero.
  ///   - inputs: Lends a vector.
  static func keepElected(_ block: inout ElementBlock, zeroSign: Float, _ inputs: MergeInputs) {
    let ones = [Float](repeating: 1, count: block.modelCount)
    var sum = inputs.scratch()
    sum.use(block.count) { sum in
      block.weightedSum(ones, into: &sum)
      keepElected(&block, sum: &sum, zeroSign: zeroSign)
    }
  }

  /// The same with sums that are known; those that are zero become the sign that is elected there.
  static func keepElected(
    _ block: inout ElementBlock, sum: inout MutableSpan<Float>, zeroSign: Float
  ) {
    for position in 0..<sum.count where sum[position] == 0 { sum[position] = zeroSign }
    let signs = sum.span
    for model in 0..<block.modelCount {
      block.change(model: model) { x in
        for position in 0..<x.count where (x[position] > 0) != (signs[position] > 0) {
          x[position] = 0
        }
      }
    }
  }
}
