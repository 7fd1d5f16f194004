public import TinctureSafetensors
public import TinctureTensors

/// A stored weight with a low-rank adapter folded in while it is read: W + s B A, row by row.
///
/// Nothing is written anywhere: the factors stay in the worker's window for the length of a step. With a
/// magnitude vector (DoRA) each row is stretched to its magnitude. Source: Hu et al., arXiv:2106.09685;
/// Liu et al., arXiv:2402.09353.
public struct LowRankReader: TensorReader {
  private let weight: any TensorReader
  private let down: StoredTensorReader
  private let up: StoredTensorReader
  private let magnitude: StoredTensorReader?
  private let scale: Float
  private let isTransposed: Bool
  private let rank: Int

  /// Creates a reader.
  ///
  /// - Parameters:
  ///   - weight: The base weight, `out × in…`, or `in × out` when transposed.
  ///   - down: The factor A, `rank × in…`.
  ///   - up: The factor B, `out × rank…`.
  ///   - magnitude: One length for each row, for DoRA.
  ///   - scale: What the product is multiplied by.
  ///   - isTransposed: Whether the weight is stored as `in × out`.
  /// - Throws: `checkpoint` when the shapes do not fit.
  public init(
    _ weight: any TensorReader, down: StoredTensorReader, up: StoredTensorReader,
    magnitude: StoredTensorReader? = nil, scale: Float, isTransposed: Bool = false
  ) throws(TinctureError) {
    self.weight = weight
    self.down = down
    self.up = up
    self.magnitude = magnitude
    self.scale = scale
    self.isTransposed = isTransposed
    rank = down.shape.extents.first ?? 0
    let inputs = rank == 0 ? 0 : down.shape.elementCount / rank
    let outputs = rank == 0 ? 0 : up.shape.elementCount / rank
    let rows = weight.shape.extents.first ?? 0
    let columns = rows == 0 ? 0 : weight.shape.elementCount / rows
    let fits =
      isTransposed ? rows == inputs && columns == outputs : rows == outputs && columns == inputs
    guard rank > 0, up.shape.extents.count > 1, up.shape.extents[1] == rank, fits else {
      throw TinctureError(
        .checkpoint,
        "The adapter's factors \(up.shape) and \(down.shape) do not fit the weight \(weight.shape).",
        at: down.place)
    }
    if let magnitude, isTransposed || magnitude.shape.elementCount != rows {
      throw TinctureError(
        .checkpoint,
        "The adapter's magnitude vector \(magnitude.shape) does not fit the weight \(weight.shape).",
        at: magnitude.place)
    }
  }

  /// The type of the base weight.
  public var dtype: DType { weight.dtype }
  /// The extents of the base weight.
  public var shape: Shape { weight.shape }
  /// The base weight.
  public var place: TinctureError.Place { weight.place }
  /// None: the stored bytes are not the folded ones.
  public var storedRange: (file: InputFile, offset: Int)? { nil }
  /// Both factors as floats, and a row.
  public var workingBytes: Int {
    (down.shape.elementCount + up.shape.elementCount + columns * 2) * 4
  }

  private var columns: Int {
    let rows = shape.extents.first ?? 0
    return rows == 0 ? 0 : shape.elementCount / rows
  }

  /// Reads elements as floats.
  public func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    if window.kept[down.place] == nil { window.kept[down.place] = try self.factors() }
    let factors = window.kept[down.place] ?? []
    let width = max(1, columns)
    if magnitude != nil {
      return try readStretched(range, width, factors, into: &output, window: window)
    }
    var largest = try weight.read(range, into: &output, window: window)
    addProduct(range, width, factors, to: &output)
    for index in 0..<output.count {
      largest = max(largest, output[index].magnitude.bitPattern)
    }
    return largest
  }

  // A, B (or, for transposed weights, their transposes) and the magnitudes, as floats.
  private func factors() throws(TinctureError) -> [ContiguousArray<Float>] {
    var result: [ContiguousArray<Float>] = []
    let scratch = ReadWindow(byteCount: 1 << 16)
    for reader in [down, up] + (magnitude.map { [$0] } ?? []) {
      let count = reader.shape.elementCount
      var values = ContiguousArray<Float>(repeating: 0, count: count)
      var span = values.mutableSpan
      _ = try reader.read(0..<count, into: &span, window: scratch)
      result.append(values)
    }
    if isTransposed {
      // (B A)ᵀ = Aᵀ Bᵀ: the roles change, and both factors are stored the other way around.
      result = [
        Self.transposed(result[1], columns: rank),
        Self.transposed(result[0], columns: result[0].count / rank),
      ]
    }
    return result
  }

  private static func transposed(_ values: ContiguousArray<Float>, columns: Int) -> ContiguousArray<
    Float
  > {
    let rows = values.count / columns
    var result = ContiguousArray<Float>(repeating: 0, count: values.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
    }
    return result
  }

  private func addProduct(
    _ range: Range<Int>, _ width: Int, _ factors: [ContiguousArray<Float>],
    to output: inout MutableSpan<Float>
  ) {
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / width
      let first = position % width
      let count = min(width - first, range.upperBound - position)
      let start = position - range.lowerBound
      var target = output._mutatingExtracting(start..<start + count)
      factors[0].withUnsafeBufferPointer { down in
        for k in 0..<rank {
          let begin = k * width + first
          let slice = UnsafeBufferPointer(rebasing: down[begin..<begin + count])
          Kernels.add(slice.span, times: scale * factors[1][row * rank + k], to: &target)
        }
      }
      position += count
    }
  }

  // Whole rows are needed for their norms, whatever part of them is asked for.
  private func readStretched(
    _ range: Range<Int>, _ width: Int, _ factors: [ContiguousArray<Float>],
    into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    var largest: UInt32 = 0
    var row = ContiguousArray<Float>(repeating: 0, count: width)
    var position = range.lowerBound
    while position < range.upperBound {
      let index = position / width
      let whole = index * width..<(index + 1) * width
      var span = row.mutableSpan
      _ = try weight.read(whole, into: &span, window: window)
      addProduct(whole, width, factors, to: &span)
      var squares = 0.0
      Kernels.addDot(span.span, span.span, to: &squares)
      let norm = Float(squares.squareRoot())
      let factor = norm == 0 ? 0 : factors[2][index] / norm
      let end = min(whole.upperBound, range.upperBound)
      while position < end {
        let value = row[position - whole.lowerBound] * factor
        output[position - range.lowerBound] = value
        largest = max(largest, value.magnitude.bitPattern)
        position += 1
      }
    }
    return largest
  }
}
