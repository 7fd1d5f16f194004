internal import CTinctureKernels

// Symmetric tridiagonal matrices with a norm of about one.
extension Kernels {
  /// Finds eigenvalues by bisection, thirty-two at a time.
  ///
  /// - Parameters:
  ///   - diagonal: The diagonal.
  ///   - squares: For each row the square of the element left of the diagonal, none of them zero but that of the
  ///     first row, which is 0.
  ///   - bounds: What all eigenvalues are within.
  ///   - first: The number of the first wanted eigenvalue, counted from the smallest.
  ///   - values: Receives as many as it has room for, ascending, wrong by a few ε.
  /// - Complexity: O(n) for each, 54 times.
  public static func tridiagonalValues(
    _ diagonal: Span<Double>, squares: Span<Double>, within bounds: ClosedRange<Double>,
    from first: Int, into values: inout MutableSpan<Double>
  ) {
    precondition(
      diagonal.count == squares.count && first >= 0 && first + values.count <= diagonal.count,
      "The diagonals or the numbers of eigenvalues do not fit.")
    diagonal.withUnsafeBufferPointer { diagonal in
      squares.withUnsafeBufferPointer { squares in
        values.withUnsafeMutableBufferPointer { values in
          tincture_tridiagonal_values(
            diagonal.count, diagonal.baseAddress, squares.baseAddress, bounds.lowerBound,
            bounds.upperBound, first, values.count, values.baseAddress)
        }
      }
    }
  }

  /// Finds unit vectors of eigenvalues by inverse iteration from random ones, eight at a time.
  ///
  /// They are orthogonal to about ε over the distance of their eigenvalues; those of equal eigenvalues are
  /// independent, no more.
  ///
  /// - Parameters:
  ///   - diagonal: The diagonal.
  ///   - beside: The elements beside it, one less.
  ///   - values: Eigenvalues, wrong by a few ε.
  ///   - first: How many vectors were found before these, so that those of equal eigenvalues begin differently.
  ///   - vectors: Receives the vectors, one after another.
  /// - Returns: The largest norm of (T − λ) z.
  /// - Complexity: O(n) for each.
  public static func tridiagonalVectors(
    _ diagonal: Span<Double>, beside: Span<Double>, values: Span<Double>, after first: Int = 0,
    into vectors: inout MutableSpan<Double>
  ) -> Double {
    let n = diagonal.count
    precondition(
      n > 0 && beside.count == n - 1 && vectors.count == n * values.count,
      "The diagonals or the vectors do not fit.")
    var scratch = [Double](repeating: 0, count: tincture_tridiagonal_scratch(n))
    return scratch.withUnsafeMutableBufferPointer { scratch in
      diagonal.withUnsafeBufferPointer { diagonal in
        beside.withUnsafeBufferPointer { beside in
          values.withUnsafeBufferPointer { values in
            vectors.withUnsafeMutableBufferPointer { vectors in
              tincture_tridiagonal_vectors(
                n, diagonal.baseAddress, beside.baseAddress, Double.ulpOfOne / 2, first,
                values.count,
                values.baseAddress, scratch.baseAddress, vectors.baseAddress)
            }
          }
        }
      }
    }
  }
}
