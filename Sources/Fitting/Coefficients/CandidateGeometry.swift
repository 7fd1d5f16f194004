internal import TinctureTensors

/// The lengths of the candidates of a Frank–Wolfe step, tensor by tensor.
struct CandidateGeometry: Sendable {
  /// The lengths of the experts and of the model of the start.
  let lengths: [[Double]]
  private let start: [Float]

  /// Measures all candidates.
  init(_ vectors: TaskVectorSet, start: [Float]) throws(TinctureError) {
    self.start = start
    var lengths: [[Double]] = []
    for index in vectors.tensors.indices {
      var own: [Double] = []
      for candidate in 0...vectors.taskCount {
        var coefficients = start
        if candidate < vectors.taskCount {
          coefficients = start.indices.map { $0 == candidate ? 1 : 0 }
        }
        let table = CoefficientTable(
          vectors.tensors, coefficients: vectors.tensors.map { _ in coefficients },
          others: coefficients)
        let values = try vectors.merged(index, table)
        var square = 0.0
        values.withSpan(0..<values.count) { Kernels.addDot($0, $0, to: &square) }
        own.append(square.squareRoot())
      }
      lengths.append(own)
    }
    self.lengths = lengths
  }

  /// The cosines between the derivative and the candidates, tensor by tensor.
  func scores(
    _ gradient: [FloatMemory], _ vectors: TaskVectorSet
  ) throws(TinctureError) -> [[Double]] {
    let table = CoefficientTable(
      .task, tensors: vectors.tensors, starts: start, link: .identity)
    var scores: [[Double]] = []
    for (index, memory) in gradient.enumerated() {
      let products = try memory.withSpan(0..<memory.count) { (g) throws(TinctureError) in
        try vectors.products(index, g, table)
      }
      var (withBase, square) = (0.0, 0.0)
      memory.withSpan(0..<memory.count) { g in
        Kernels.addDot(g, g, to: &square)
        vectors.base[index].withSpan(0..<memory.count) { Kernels.addDot(g, $0, to: &withBase) }
      }
      let atStart = zip(start, products).reduce(withBase) { $0 + Double($1.0) * $1.1 }
      let all = products.map { withBase + $0 } + [atStart]
      scores.append(
        zip(all, lengths[index]).map { product, length in
          let norm = square.squareRoot() * length
          return norm > 0 ? product / norm : 0
        })
    }
    return scores
  }
}
