internal import TinctureFitting
internal import TinctureLinearAlgebra
internal import TinctureMergeMethods
internal import TinctureTensors

extension TsvM {
  /// TSV-M's merged task vector of a tensor; of tensors that are no matrices the mean.
  ///
  /// - Parameters:
  ///   - vectors: The base and the task vectors.
  ///   - index: The tensor.
  /// - Returns: The elements in row-major order.
  /// - Throws: What reading and linear algebra throw.
  static func taskVector(
    of vectors: TaskVectorSet, _ index: Int
  ) throws(TinctureError) -> [Float] {
    let tensor = vectors.tensors[index]
    guard tensor.extents.count == 2, tensor.elementCount > 0 else {
      return try vectors.mean(index)
    }
    guard let merged = try joined(vectors.matrices(index)) else {
      return Array(repeating: 0, count: tensor.elementCount)
    }
    return merged.array.map { Float($0) }
  }
}
