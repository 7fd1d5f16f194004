package import TinctureTensors
internal import TinctureTorch

extension TaskVectorSet {
  /// θ₀ + Σ λ τ of one tensor.
  ///
  /// - Parameters:
  ///   - index: The tensor.
  ///   - table: λ by chunk and task.
  ///   - addingBase: Whether θ₀ is added.
  /// - Returns: The elements in row-major order.
  /// - Throws: What reading throws.
  /// - Complexity: O(T n).
  package func merged(
    _ index: Int, _ table: CoefficientTable, addingBase: Bool = true
  ) throws(TinctureError) -> FloatMemory {
    let chunks = table.chunks(index)
    let coefficients = chunks.map { table.coefficients($0.row) }
    let used = (0..<taskCount).filter { task in coefficients.contains { $0[task] != 0 } }
    let merged =
      addingBase ? FloatMemory(copying: base[index]) : FloatMemory(zeros: base[index].count)
    if let parts = table.parts(index) {
      var found: (start: Int, parts: [Int]) = (-1, [])
      let columns = (0..<taskCount).map { task in coefficients.map { $0[task] } }
      try forEachBlock(index, tasks: used) { (start, task, elements) throws(TinctureError) in
        let range = start..<start + elements.count
        if found.start != start { found = (start, parts.parts(of: range)) }
        merged.fill(range) { RandomParts.add(elements, times: columns[task], found.parts, to: &$0) }
      }
      return merged
    }
    try forEachKeptBlock(index, tasks: used) { (task, block) throws(TinctureError) in
      for (piece, chunk) in CoefficientTable.pieces(chunks, block.range) {
        merged.fill(piece) { block.add(piece, times: coefficients[chunk][task], to: &$0) }
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
    if let parts = table.parts(index) {
      var found: (start: Int, parts: [Int]) = (-1, [])
      try forEachBlock(index) { (start, task, elements) throws(TinctureError) in
        let range = start..<start + elements.count
        if found.start != start { found = (start, parts.parts(of: range)) }
        for place in 0..<elements.count {
          products[found.parts[place] * count + task] +=
            Double(g[start + place]) * Double(elements[place])
        }
      }
      return products
    }
    try forEachKeptBlock(index) { (task, block) throws(TinctureError) in
      for (piece, chunk) in CoefficientTable.pieces(chunks, block.range) {
        block.addDot(piece, g.extracting(piece), to: &products[chunk * count + task])
      }
    }
    return products
  }

  /// mean(τ) of one tensor.
  package func mean(_ index: Int) throws(TinctureError) -> [Float] {
    let table = CoefficientTable(
      .task, tensors: tensors,
      starts: Array(repeating: 1 / Float(max(1, taskCount)), count: taskCount), link: .identity)
    return try merged(index, table, addingBase: false).array
  }

  /// ⟨g, τ⟩ of one tensor with a derivative that LibTorch has.
  func products(
    _ index: Int, _ g: TorchTensor, _ table: CoefficientTable
  ) throws(TinctureError) -> [Double] {
    var own: Result<[Double], TinctureError> = .success([])
    try g.withBytes(as: .f32) { bytes in
      own = Result { () throws(TinctureError) in
        try products(index, bytes.bindMemory(to: Float.self).span, table)
      }
    }
    return try own.get()
  }
}
