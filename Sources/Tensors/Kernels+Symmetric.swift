internal import CTinctureKernels

extension Kernels {
  /// Replaces a square matrix by the mean of itself and its transpose, adds a multiple of that to a sum and subtracts
  /// another matrix from it, in one pass.
  ///
  /// - Parameters:
  ///   - matrix: The matrix, row after row.
  ///   - extent: The number of its rows and columns.
  ///   - ratio: What elements beside the diagonal are multiplied by first.
  ///   - sum: What is added to, as many elements. Afterwards its lower triangle counts and its upper one means nothing.
  ///   - factor: What is multiplied by before it is added.
  ///   - reference: A symmetric matrix that is subtracted at the end; empty for none.
  /// - Returns: The largest difference between an element and the one that mirrors it.
  /// - Complexity: O(n²).
  public static func symmetrize(
    _ matrix: inout MutableSpan<Float>, extent: Int, scalingOffDiagonal ratio: Float,
    addingTo sum: inout MutableSpan<Double>, times factor: Double, minus reference: Span<Float>
  ) -> Float {
    let count = extent * extent
    precondition(
      matrix.count == count && sum.count == count && [0, count].contains(reference.count),
      "The matrices have other extents.")
    return matrix.withUnsafeMutableBufferPointer { matrix in
      sum.withUnsafeMutableBufferPointer { sum in
        reference.withUnsafeBufferPointer { reference in
          tincture_symmetrize(
            matrix.baseAddress, extent, ratio, sum.baseAddress, factor,
            reference.isEmpty ? nil : reference.baseAddress)
        }
      }
    }
  }
}
