internal import CTinctureKernels

// What makes a symmetric matrix tridiagonal.
extension Kernels {
  /// The part of a symmetric matrix's product with a vector that some rows of its upper triangle give, also as columns.
  ///
  /// - Parameters:
  ///   - a: The matrix.
  ///   - distance: The distance of its rows.
  ///   - n: The number of its rows and columns.
  ///   - rows: The rows.
  ///   - x: The vector, n numbers.
  ///   - y: Receives the part, from the first of the rows on.
  /// - Complexity: O(n) for each row, as fast as memory.
  package static func triangleProduct(
    _ a: UnsafePointer<Double>, rowsApart distance: Int, extent n: Int, rows: Range<Int>,
    _ x: UnsafePointer<Double>, into y: UnsafeMutablePointer<Double>
  ) {
    tincture_triangle_product(a, distance, n, rows.lowerBound, rows.upperBound, x, y)
  }

  /// The inner products of several vectors, `distance` apart, with another.
  package static func innerProducts(
    _ vectors: UnsafePointer<Double>, apart distance: Int, count: Int,
    _ x: UnsafePointer<Double>, length: Int, into products: UnsafeMutablePointer<Double>
  ) {
    tincture_inner_products(vectors, distance, count, x, length, products)
  }

  /// Subtracts a combination of several vectors, `distance` apart, from another.
  package static func subtract(
    _ vectors: UnsafePointer<Double>, apart distance: Int, count: Int,
    times factors: UnsafePointer<Double>, from y: UnsafeMutablePointer<Double>, length: Int
  ) {
    tincture_subtract_combination(vectors, distance, count, factors, y, length)
  }
}
