internal import Synchronization
internal import TinctureMerging
package import TinctureTensors
package import TinctureTorch

extension TaskVectorSet {
  /// θ₀ + Σ λ τ of all tensors, which losses are differentiated by.
  ///
  /// - Parameters:
  ///   - table: λ.
  ///   - device: Where the tensors shall lie.
  /// - Returns: The merged tensors, each a leaf.
  /// - Throws: What reading and LibTorch throw.
  /// - Complexity: One pass over all task vectors.
  package func assemble(
    _ table: CoefficientTable, on device: TorchDevice
  ) throws(TinctureError) -> MergedTensors {
    let merged = Mutex<[FloatMemory?]>(Array(repeating: nil, count: tensors.count))
    try inParallel(tensors.count, workers: workers) { (index) throws(TinctureError) in
      let values = try self.merged(index, table)
      merged.withLock { $0[index] = values }
    }
    var leaves: [TorchTensor] = []
    for (index, values) in merged.withLock({ $0 }).enumerated() {
      guard let values else { continue }
      leaves.append(
        try values.tensor(tensors[index].extents, on: device).requiringGradient())
    }
    return MergedTensors(tensors: leaves, leaves: leaves)
  }

  /// ⟨g, τ⟩ of all tensors for each chunk and task.
  ///
  /// - Parameters:
  ///   - gradients: The derivatives with respect to the merged tensors.
  ///   - table: Tells which elements belong together.
  /// - Returns: For each tensor the inner products, chunk after chunk; nil when one is not finite.
  /// - Throws: What reading and LibTorch throw.
  /// - Complexity: One pass over all task vectors.
  package func products(
    _ gradients: [TorchTensor], _ table: CoefficientTable
  ) throws(TinctureError) -> [[Double]]? {
    let products = Mutex<[[Double]]>(Array(repeating: [], count: gradients.count))
    try inParallel(gradients.count, workers: workers) { (index) throws(TinctureError) in
      var own: Result<[Double], TinctureError> = .success([])
      try gradients[index].withBytes(as: .f32) { bytes in
        own = Result { () throws(TinctureError) in
          try self.products(index, bytes.bindMemory(to: Float.self).span, table)
        }
      }
      let found = try own.get()
      products.withLock { $0[index] = found }
    }
    let found = products.withLock { $0 }
    return found.allSatisfy { $0.allSatisfy(\.isFinite) } ? found : nil
  }

  /// A set in memory whose task vectors are sums of this set's.
  ///
  /// - Parameter sums: For each new task vector and each tensor a coefficient for every task vector of this set.
  /// - Returns: The base with the sums Σ c τ.
  /// - Throws: What reading throws.
  /// - Complexity: A pass over the task vectors with coefficients other than zero for each sum.
  package func combined(_ sums: [[[Float]]]) throws(TinctureError) -> TaskVectorSet {
    var sources: [[TaskVectorSource]] = []
    for (index, tensor) in tensors.enumerated() {
      var own: [TaskVectorSource] = []
      for sum in sums {
        let coefficients = sum[index]
        let memory = FloatMemory(zeros: tensor.elementCount)
        let used = coefficients.indices.filter { coefficients[$0] != 0 }
        try forEachBlock(index, tasks: used) { (start, task, elements) throws(TinctureError) in
          memory.fill(start..<start + elements.count) {
            Kernels.add(elements, times: coefficients[task], to: &$0)
          }
        }
        own.append(.memory(memory))
      }
      sources.append(own)
    }
    return TaskVectorSet(
      tensors: tensors, taskCount: sums.count, base: base, vectors: sources, change: nil,
      nonFinite: .error, workers: workers, isResident: true)
  }

  /// The inner products ⟨τᵢ, τⱼ⟩ over the whole model.
  ///
  /// - Returns: T rows of T numbers, accumulated in double precision.
  /// - Throws: What reading throws.
  /// - Complexity: O(T² n), T + 1 passes.
  package func gram() throws(TinctureError) -> [[Double]] {
    var gram = Array(repeating: Array(repeating: 0.0, count: taskCount), count: taskCount)
    for (index, tensor) in tensors.enumerated() {
      for first in 0..<taskCount {
        let row = FloatMemory(zeros: tensor.elementCount)
        try forEachBlock(index, tasks: [first]) { (start, _, elements) throws(TinctureError) in
          row.fill(start..<start + elements.count) { Kernels.copy(elements, to: &$0) }
        }
        let tasks = Array(first..<taskCount)
        try forEachBlock(index, tasks: tasks) { (start, task, elements) throws(TinctureError) in
          row.withSpan(start..<start + elements.count) { own in
            Kernels.addDot(own, elements, to: &gram[first][task])
          }
        }
      }
    }
    for first in 0..<taskCount {
      for second in 0..<first { gram[first][second] = gram[second][first] }
    }
    return gram
  }
}
