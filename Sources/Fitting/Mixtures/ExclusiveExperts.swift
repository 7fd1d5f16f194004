package import TinctureCheckpoints
internal import Synchronization
internal import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// The shared expert θ* = θ₀ + λ Σ τ and what each expert has beside it, vₜ = θₜ − θ*.
package struct ExclusiveExperts: Sendable {
  private let vectors: TaskVectorSet
  private let shared: [FloatMemory]

  /// Makes the shared expert.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - scale: λ.
  ///   - dtypes: The types in which the tensors of the shared expert are written; vectors are taken from what is
  ///     written.
  /// - Throws: What reading throws.
  package init(
    _ vectors: TaskVectorSet, scale: Float, dtypes: [DType]
  ) throws(TinctureError) {
    let table = CoefficientTable(
      .task, tensors: vectors.tensors,
      starts: Array(repeating: scale, count: vectors.taskCount), link: .identity)
    var shared: [FloatMemory] = []
    for index in vectors.tensors.indices {
      let whole = try vectors.merged(index, table)
      let count = whole.count
      guard dtypes[index] != .f32 else {
        shared.append(whole)
        continue
      }
      let rounded = FloatMemory(zeros: count)
      var bytes = [UInt8](repeating: 0, count: count * (dtypes[index].byteWidth ?? 4))
      bytes.withUnsafeMutableBytes { bytes in
        whole.withSpan(0..<count) { Kernels.narrow($0, as: dtypes[index], into: bytes) }
        rounded.fill(0..<count) {
          _ = Kernels.widen(UnsafeRawBufferPointer(bytes), as: dtypes[index], into: &$0)
        }
      }
      shared.append(rounded)
    }
    (self.vectors, self.shared) = (vectors, shared)
  }

  /// The shared expert's tensors by their names.
  package func parameters(on device: TorchDevice) throws(TinctureError) -> [String: TorchTensor] {
    var tensors: [String: TorchTensor] = [:]
    for (tensor, values) in zip(vectors.tensors, shared) {
      tensors[tensor.name] = try values.tensor(tensor.extents, on: device)
    }
    return tensors
  }

  /// Puts the exclusive vectors of all experts into a mixture.
  ///
  /// - Parameters:
  ///   - writer: The mixture.
  ///   - compression: How they are made small.
  ///   - takesBiases: Whether biases have vectors, too.
  /// - Throws: What reading and decompositions throw.
  /// - Complexity: One decomposition for each matrix and expert, several at a time; the result does not depend on how
  ///   many.
  package func add(
    to writer: inout MixtureWriter, _ compression: ExpertCompression, takesBiases: Bool
  ) throws(TinctureError) {
    let (vectors, shared) = (vectors, shared)
    let packed = Mutex<[[PackedVector?]]>(Array(repeating: [], count: vectors.tensors.count))
    try inParallel(vectors.tensors.count, workers: vectors.workers) {
      (index) throws(TinctureError) in
      let tensor = vectors.tensors[index]
      guard takesBiases || !tensor.name.hasSuffix("bias"), let shape = Shape(tensor.extents) else {
        return
      }
      var own: [PackedVector?] = []
      for task in 0..<vectors.taskCount {
        var values = [Float](repeating: 0, count: tensor.elementCount)
        try vectors.forEachBlock(index, tasks: [task]) { (start, _, elements) in
          var span = values.mutableSpan
          var target = span._mutatingExtracting(start..<start + elements.count)
          Kernels.copy(elements, to: &target)
        }
        var span = values.mutableSpan
        vectors.base[index].withSpan(0..<span.count) { Kernels.add($0, to: &span) }
        shared[index].withSpan(0..<span.count) { Kernels.subtract($0, from: &span) }
        own.append(
          try compression.packed(values, shape: shape, tensor: tensor.name, expert: task))
      }
      let found = own
      packed.withLock { $0[index] = found }
    }
    for (tensor, own) in zip(vectors.tensors, packed.withLock({ $0 })) {
      for (task, vector) in own.enumerated() {
        if let vector { writer.add(vector, of: task, for: tensor.name) }
      }
    }
  }
}
