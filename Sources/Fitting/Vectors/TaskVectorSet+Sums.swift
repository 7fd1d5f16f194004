internal import TinctureTensors

extension TaskVectorSet {
  /// θ₀ + Σ λ τ of one tensor.
  ///
  /// - Parameters:
  ///   - index: The tensor.
  ///   - table: λ by chunk and task.
  /// - Returns: The elements in row-major order.
  /// - Throws: What reading throws.
  /// - Complexity: O(T n).
  func merged(_ index: Int, _ table: CoefficientTable) throws(TinctureError) -> FloatMemory {
    let chunks = table.chunks(index)
    let coefficients = chunks.map { table.coefficients($0.row) }
    let used = (0..<taskCount).filter { task in coefficients.contains { $0[task] != 0 } }
    let merged = FloatMemory(zeros: tensors[index].elementCount)
    merged.fill(0..<merged.count) { output in
      base[index].withSpan(0..<output.count) { Kernels.copy($0, to: &output) }
    }
    try forEachBlock(index, tasks: used) { (start, task, elements) throws(TinctureError) in
      for (piece, chunk) in CoefficientTable.pieces(chunks, start..<start + elements.count) {
        let part = elements.extracting(piece.lowerBound - start..<piece.upperBound - start)
        merged.fill(piece) { Kernels.add(part, times: coefficients[chunk][task], to: &$0) }
      }
    }
    return merged
  }

  /// ⟨g, τ⟩ of one tensor for each chunk and task, chunk after chunk.
  ///
  /// - Parameters:
  ///   - index: The tensor.
  ///   - g: The derivative with respect to the merged tensor.
  ///   - table: Tells where chunks begin and end.
  /// - Returns: The inner products, accumulated in double precision.
  /// - Throws: What reading throws.
  /// - Complexity: O(T n), one pass over g and the task vectors.
  func products(
    _ index: Int, _ g: Span<Float>, _ table: CoefficientTable
  ) throws(TinctureError) -> [Double] {
    let chunks = table.chunks(index)
    var products = [Double](repeating: 0, count: chunks.count * taskCount)
    let count = taskCount
    try forEachBlock(index) { (start, task, elements) throws(TinctureError) in
      for (piece, chunk) in CoefficientTable.pieces(chunks, start..<start + elements.count) {
        Kernels.addDot(
          g.extracting(piece),
          elements.extracting(piece.lowerBound - start..<piece.upperBound - start),
          to: &products[chunk * count + task])
      }
    }
    return products
  }
}
