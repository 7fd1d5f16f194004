internal import TinctureLinearAlgebra
internal import TinctureTensors

/// How many singular values of a matrix are stored.
public enum SingularValueCount: Sendable, Hashable {
  /// A share of the smaller extent, rounded down, at least one.
  case share(Double)
  /// As many, or all that there are.
  case count(Int)

  /// The number for a matrix.
  public func of(rows: Int, columns: Int) -> Int {
    let all = min(rows, columns)
    return switch self {
    case .share(let share): min(all, max(1, Int(share * Double(all))))
    case .count(let count): min(all, count)
    }
  }
}

/// Cuts matrices to their largest singular values: v ≈ U diag(σ) Vᵀ.
///
/// What is lost is the square sum of the singular values that are left out, the least for any matrix of
/// that rank, and what the elements of the factors lose in their type. Source: TSV-Compress,
/// arXiv:2412.00081.
struct LowRankEncoder: VectorEncoder {
  let count: SingularValueCount
  /// The type of the elements of U and Vᵀ.
  let factorType: DType
  let shape: Shape
  let role: VectorRole
  let dtype: DType

  /// Where squares of elements neither overflow nor vanish; other matrices are stored as they are.
  private static let usable = Float(1e-15)...1e15

  /// Encodes a matrix.
  ///
  /// - Parameter vector: The elements.
  /// - Returns: The factors; nil when they would take no less room than the matrix, or its elements are
  ///   extremely small or large.
  /// - Throws: `missingEngine` without a BLAS, `checkpoint` for an element that is not finite.
  /// - Complexity: O(m n min(m, n)); memory for a few such matrices.
  func encode(_ vector: VectorElements) throws(TinctureError) -> EncodedVector? {
    let (rows, columns) = (shape.extents[0], shape.extents[1])
    let rank = count.of(rows: rows, columns: columns)
    let bytes = rank * ((rows + columns) * (factorType.byteWidth ?? 0) + 4)
    guard rank > 0, bytes < shape.byteCount(of: dtype) ?? 0 else { return nil }
    var values = ContiguousArray<Float>(repeating: 0, count: shape.elementCount)
    var squares = 0.0
    var all = values.mutableSpan
    try forEachBlock(of: shape.elementCount, length: 1 << 16, vector) {
      (span, range) throws(TinctureError) in
      var part = all._mutatingExtracting(range)
      Kernels.copy(span, to: &part)
      Kernels.addDot(span, span, to: &squares)
    }
    guard values.contains(where: { $0 != 0 }) else {
      return EncodedVector(
        record: VectorRecord(.constant(0), role: role, shape: shape, dtype: dtype), parts: [])
    }
    let largest = Float(bitPattern: Kernels.largestMagnitude(values.span))
    guard Self.usable.contains(largest) else { return nil }
    let matrix = Matrix<Float>(rows: rows, columns: columns, copying: values.span)
    let cut = try Backend.shared.svd(matrix).prefix(rank)
    let left = narrowed(cut.u.elements)
    let right = narrowed(cut.vt.elements)
    let sizes = ContiguousArray(cut.singularValues)
    let factors = LowRankFactors(
      columns: columns, firstRow: 0, left: left.values, values: sizes, right: right.values)
    var sizeBytes = [UInt8](repeating: 0, count: rank * 4)
    sizeBytes.withUnsafeMutableBytes { Kernels.narrow(sizes.span, as: .f32, into: $0) }
    return EncodedVector(
      record: VectorRecord(.lowRank(rank), role: role, shape: shape, dtype: dtype),
      parts: [
        EncodedPart("left", factorType, left.bytes), EncodedPart("values", .f32, sizeBytes),
        EncodedPart("right", factorType, right.bytes),
      ], squaredSum: squares, squaredLoss: loss(values, factors))
  }

  /// Numbers in the type of the factors, and what they then are.
  private func narrowed(_ values: Span<Float>) -> (bytes: [UInt8], values: ContiguousArray<Float>) {
    var bytes = [UInt8](repeating: 0, count: values.count * (factorType.byteWidth ?? 0))
    var result = ContiguousArray<Float>(repeating: 0, count: values.count)
    var span = result.mutableSpan
    bytes.withUnsafeMutableBytes {
      Kernels.narrow(values, as: factorType, into: $0)
      _ = Kernels.widen(UnsafeRawBufferPointer($0), as: factorType, into: &span)
    }
    return (bytes, result)
  }

  private func loss(_ values: ContiguousArray<Float>, _ factors: LowRankFactors) -> Double {
    var loss = 0.0
    let length = 1 << 16
    var buffer = ContiguousArray<Float>(repeating: 0, count: min(length, values.count))
    for start in stride(from: 0, to: values.count, by: length) {
      let range = start..<min(start + length, values.count)
      var all = buffer.mutableSpan
      var span = all._mutatingExtracting(0..<range.count)
      factors.decode(range, into: &span)
      Kernels.subtract(values.span.extracting(range), from: &span)
      Kernels.addDot(span.span, span.span, to: &loss)
    }
    return loss
  }
}
