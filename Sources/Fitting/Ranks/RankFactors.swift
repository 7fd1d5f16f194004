package import TinctureLinearAlgebra
package import TinctureTensors
internal import TinctureTorch

/// The singular directions of all task vectors of a matrix, side by side.
struct RankFactors {
  /// Where the first direction's logit stands.
  let first: Int
  /// The singular values.
  let values: [Float]
  /// The task of each direction.
  let tasks: [Int]
  /// The rank of each direction among those of its task, from 0.
  let ranks: [Int]
  private let origin: TorchTensor
  private let u: TorchTensor
  private let vt: TorchTensor

  /// Takes the task vectors of a matrix apart.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - index: The matrix.
  ///   - first: Where the first direction's logit stands.
  ///   - isCentered: Whether the origin is the mean of the experts.
  ///   - device: Where factors shall lie.
  /// - Throws: What reading and linear algebra throw.
  init(
    _ vectors: TaskVectorSet, _ index: Int, first: Int, isCentered: Bool, on device: TorchDevice
  ) throws(TinctureError) {
    let algebra = try Backend.shared
    let extents = vectors.tensors[index].extents
    var matrices = try vectors.matrices(index)
    var mean = Matrix<Double>(rows: extents[0], columns: extents[1])
    if isCentered {
      for matrix in matrices { mean.add(matrix, times: 1 / Double(matrices.count)) }
      for task in matrices.indices { matrices[task].add(mean, times: -1) }
    }
    let base = vectors.base[index]
    let sum = FloatMemory(count: base.count) { output in
      base.withSpan(0..<output.count) { own in
        for place in 0..<output.count {
          output[place] = Float(Double(own[place]) + mean.elements[place])
        }
      }
    }
    origin = try sum.tensor(extents, on: device)
    var (values, tasks, ranks): ([Float], [Int], [Int]) = ([], [], [])
    var (left, right): ([Matrix<Double>], [Matrix<Double>]) = ([], [])
    for (task, matrix) in matrices.enumerated() where matrix.largestMagnitude > 0 {
      // What single-precision inputs hold, and no directions that rounding made.
      let own = try algebra.svdByGram(matrix, keepingAbove: 1e-6)
      values += own.singularValues.map { Float($0) }
      tasks += Array(repeating: task, count: own.rank)
      ranks += Array(0..<own.rank)
      left.append(own.u)
      right.append(own.vt)
    }
    (self.first, self.values, self.tasks, self.ranks) = (first, values, tasks, ranks)
    func tensor(_ matrix: Matrix<Double>) throws(TinctureError) -> TorchTensor {
      try TorchTensor(
        matrix.converted(to: Float.self).array, shape: [matrix.rows, matrix.columns], on: device)
    }
    u = try tensor(.joined(left, rows: extents[0]))
    vt = try tensor(.stacked(right, columns: extents[1]))
  }

  /// O + U diag(c) V.
  func product(_ scales: [Float]) throws(TinctureError) -> TorchTensor {
    guard !scales.isEmpty else { return origin }
    let c = try TorchTensor(scales, shape: [1, scales.count], on: origin.device)
    return try origin + (u * c).matmul(vt)
  }

  /// ∂loss/∂c = diag(Uᵀ G Vᵀ) of the derivative G with respect to the merged matrix.
  func slopes(_ gradient: TorchTensor) throws(TinctureError) -> [Float] {
    guard !values.isEmpty else { return [] }
    return try (u.transposed().matmul(gradient) * vt).sum(along: 1).array(as: Float.self)
  }
}

extension TaskVectorSet {
  /// The task vectors of a matrix in double precision.
  ///
  /// - Parameter index: A tensor with two axes.
  /// - Returns: A matrix for each task.
  /// - Throws: What reading throws.
  package func matrices(_ index: Int) throws(TinctureError) -> [Matrix<Double>] {
    let extents = tensors[index].extents
    var matrices = (0..<taskCount).map { _ in
      Matrix<Double>(rows: extents[0], columns: extents[1])
    }
    try forEachBlock(index) { (start, task, elements) throws(TinctureError) in
      matrices[task].change { output in
        for place in 0..<elements.count { output[start + place] = Double(elements[place]) }
      }
    }
    return matrices
  }
}
