internal import TinctureCheckpoints
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureTensors

/// One tensor of two models, read as the difference between them.
struct TensorDifference: Sendable {
  /// The name in the base.
  let name: String
  let base: any TensorReader
  let model: any TensorReader

  /// Whether the tensors differ, and the Frobenius norm of the difference.
  ///
  /// - Complexity: O(n) with two small buffers.
  func norm() throws(TinctureError) -> Double {
    var squares = 0.0
    try forEachPiece(length: 1 << 16) { _, values in Kernels.addDot(values, values, to: &squares) }
    return squares.squareRoot()
  }

  /// The difference as a matrix: rows are the first extent.
  func matrix() throws(TinctureError) -> Matrix<Float> {
    let rows = base.shape.extents.first ?? 1
    var result = Matrix<Float>(
      rows: rows, columns: rows == 0 ? 0 : base.shape.elementCount / rows)
    try forEachPiece(length: 1 << 20) { start, values in
      result.change { target in
        for index in 0..<values.count { target[start + index] = values[index] }
      }
    }
    return result
  }

  /// The difference as numbers.
  func values() throws(TinctureError) -> [Double] {
    var result: [Double] = []
    try forEachPiece(length: 1 << 16) { _, values in
      for index in 0..<values.count { result.append(Double(values[index])) }
    }
    return result
  }

  private func forEachPiece(length: Int, _ body: (Int, Span<Float>) -> Void) throws(TinctureError) {
    let count = base.shape.elementCount
    let length = max(1, min(length, count))
    var lower = ContiguousArray<Float>(repeating: 0, count: length)
    var upper = lower
    let windows = (ReadWindow(byteCount: 1 << 20), ReadWindow(byteCount: 1 << 20))
    var start = 0
    while start < count {
      let range = start..<min(start + length, count)
      var low = lower.mutableSpan
      var high = upper.mutableSpan
      var first = low._mutatingExtracting(0..<range.count)
      var second = high._mutatingExtracting(0..<range.count)
      let peaks = (
        try base.read(range, into: &first, window: windows.0),
        try model.read(range, into: &second, window: windows.1)
      )
      for (peak, reader) in [(peaks.0, base), (peaks.1, model)] where peak >= 0x7f80_0000 {
        throw TinctureError(
          .checkpoint, "The tensor has an element that is not finite.", at: reader.place)
      }
      Kernels.subtract(first.span, from: &second)
      body(start, second.span)
      start = range.upperBound
    }
  }
}

/// A layer whose weight may be factored, and the tensors that belong to it.
struct ExtractionCandidate: Sendable {
  let layer: AdapterLayer
  let weight: TensorDifference
  /// Whether the weight is stored as `in × out`, as embeddings are.
  let isTransposed: Bool

  /// The change as `out × in`.
  func change() throws(TinctureError) -> Matrix<Float> {
    let matrix = try weight.matrix()
    return isTransposed ? matrix.transposed() : matrix
  }

  /// All singular values of the change, from the smaller product with its transpose.
  ///
  /// Those below 1e-8 of the largest are rounding and given as 0.
  func spectrum(_ algebra: Backend) throws(TinctureError) -> [Double] {
    let change = try self.change()
    let side = change.shorterSide
    let norm = change.frobeniusNorm
    guard norm > 0 else { return [Double](repeating: 0, count: change.smallerExtent) }
    var wide = change.converted(to: Double.self)
    wide.scale(by: 1 / norm)
    let values = try algebra.eigh(algebra.gram(wide, of: side)).values
    let least = (values.first ?? 0) * 1e-16
    return values.map { $0 > least ? norm * $0.squareRoot() : 0 }
  }

  /// The leading singular values with their vectors, and what they leave.
  func approximation(_ rank: Int, _ algebra: Backend) throws(TinctureError) -> (
    svd: SVD<Float>, norm: Double, error: Double
  ) {
    let change = try self.change()
    let norm = change.frobeniusNorm
    if Self.isSampled(rank, layer) {
      let options = RandomizedOptions(
        oversampling: Self.oversampling, powerIterations: 3,
        random: CounterRandom(seed: 0, tensor: weight.name, purpose: "extraction"))
      let found = try algebra.randomizedSVD(change, rank: rank, options: options)
      return (found.svd, norm, found.frobeniusError)
    }
    let whole = try algebra.svdByGram(change, keepingAbove: 1e-7)
    let rest = Spectrum(whole.singularValues.dropFirst(rank))
    return (whole.prefix(min(rank, whole.rank)), norm, rest.frobeniusNorm)
  }

  private static let oversampling = 16

  /// Whether random projections find the rank at a fraction of the cost of all singular values.
  static func isSampled(_ rank: Int, _ layer: AdapterLayer) -> Bool {
    layer.fullRank > 1024 && 6 * (rank + oversampling) < layer.fullRank
  }

  /// The memory that the decomposition takes.
  var workingBytes: Int {
    let memory = FactorizationMemory(
      rows: layer.outputs, columns: layer.inputCount, precision: .single)
    return 8 * layer.outputs * layer.inputCount + memory.svdByGram
  }
}
