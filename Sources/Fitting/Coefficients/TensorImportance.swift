package import TinctureTensors

/// How much each tensor of a merge matters, and how many chunks it gets for that.
///
/// I = Σₖ |αₖ| · Σ |τₖ| over the tensor's elements; of all I the shares. A tensor gets
/// ⌊B L Iˣ / Σ Iˣ⌋ chunks, with L tensors that are learned and the budget B.
///
/// Source: Expert Merging++, arXiv:2509.25712.
package struct TensorImportance: Sendable, Hashable {
  /// The share of each tensor; zero for one that is not learned.
  package let shares: [Double]

  /// Takes shares as they are.
  package init(shares: [Double]) { self.shares = shares }

  /// Measures the tensors.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - table: α of a first fit.
  ///   - learned: Which tensors take part.
  /// - Throws: What reading throws.
  /// - Complexity: One pass over all task vectors.
  package init(
    _ vectors: TaskVectorSet, _ table: CoefficientTable, learned: [Bool]
  ) throws(TinctureError) {
    var found: [Double] = []
    for index in vectors.tensors.indices {
      guard learned[index] else {
        found.append(0)
        continue
      }
      var magnitudes = [Double](repeating: 0, count: vectors.taskCount)
      try vectors.forEachBlock(index) { (_, task, elements) throws(TinctureError) in
        Kernels.addMagnitudes(elements, to: &magnitudes[task])
      }
      let coefficients = table.meanCoefficients(index)
      found.append(zip(coefficients, magnitudes).reduce(0) { $0 + Double($1.0.magnitude) * $1.1 })
    }
    let sum = found.reduce(0, +)
    shares = sum > 0 ? found.map { $0 / sum } : found
  }

  /// The chunks of each tensor.
  ///
  /// - Parameters:
  ///   - budget: B.
  ///   - exponent: x; 0 gives every tensor that matters the same number.
  /// - Returns: A number for each tensor.
  package func chunkCounts(budget: Double, exponent: Double) -> [Int] {
    let powers = shares.map { $0 > 0 ? powerOf($0, exponent) : 0 }
    let sum = powers.reduce(0, +)
    guard sum > 0 else { return shares.map { _ in 0 } }
    let all = budget * Double(powers.count { $0 > 0 })
    return powers.map { Int(all * $0 / sum) }
  }
}
