public import TinctureTensors

extension ElementBlock {
  /// y = scale Σᵢ wᵢ xᵢ over the models, added to the base where that is wanted.
  public func weightedSum(
    _ weights: [Float], scale: Float = 1, addingBase: Bool = false,
    into y: inout MutableSpan<Float>
  ) {
    precondition(y.count == count, "The result is not as long as the block.")
    let base = addingBase ? basePointer : nil
    withModels {
      Kernels.weightedSum($0, weights: weights, scale: scale, base: base, into: &y)
    }
  }

  /// The base plus the scaled sum of the models' elements that have the elected sign: see
  /// `Kernels.elect`.
  public func elect(
    votes: [Float], weights: [Float], zeroSign: Float = 1, divisor: ElectionDivisor,
    scale: Float = 1, into y: inout MutableSpan<Float>
  ) {
    precondition(y.count == count, "The result is not as long as the block.")
    withModels {
      Kernels.elect(
        $0, votes: votes, weights: weights, zeroSign: zeroSign, divisor: divisor, scale: scale,
        base: basePointer, into: &y)
    }
  }

  /// The variance of the models' elements at every position, divided by their number.
  public func variance(into y: inout MutableSpan<Float>) {
    precondition(y.count == count, "The result is not as long as the block.")
    withModels { Kernels.variance($0, into: &y) }
  }
}
