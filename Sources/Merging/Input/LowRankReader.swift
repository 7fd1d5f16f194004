public import TinctureSafetensors
public import TinctureTensors

/// A stored weight with a low-rank adapter folded in while it is read: W + s B A, row by row.
///
/// Nothing is written anywhere: the factors stay in the worker's window for the length of a step. With a
/// magnitude vector (DoRA) each row is stretched to its magnitude, or each column of a weight that is stored
/// transposed, which takes a pass over the weight of its own. A weight that fits only the other way around is
/// taken for one that is not transposed, or is. Source: Hu et al., arXiv:2106.09685; Liu et al.,
/// arXiv:2402.09353.
public struct LowRankReader: TensorReader {
  let weight: any TensorReader
  private let down: StoredTensorReader
  private let up: StoredTensorReader
  let magnitude: StoredTensorReader?
  let scale: Float
  private let isTransposed: Bool
  let rank: Int

  /// Creates a reader.
  ///
  /// - Parameters:
  ///   - weight: The base weight, `out × in…`, or `in × out` when transposed.
  ///   - down: The factor A, `rank × in…`.
  ///   - up: The factor B, `out × rank…`.
  ///   - magnitude: One length for each row of B A, for DoRA.
  ///   - scale: What the product is multiplied by.
  ///   - isTransposed: Whether the weight is stored as `in × out`, where both would fit.
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
    rank = down.shape.extents.first ?? 0
    let inputs = rank == 0 ? 0 : down.shape.elementCount / rank
    let outputs = rank == 0 ? 0 : up.shape.elementCount / rank
    let rows = weight.shape.extents.first ?? 0
    let columns = rows == 0 ? 0 : weight.shape.elementCount / rows
    let fits = rows == outputs && columns == inputs
    let fitsTransposed = rows == inputs && columns == outputs
    guard rank > 0, up.shape.extents.count > 1, up.shape.extents[1] == rank, fits || fitsTransposed
    else {
      throw TinctureError(
        .checkpoint,
        "The adapter's factors \(up.shape) and \(down.shape) do not fit the weight \(weight.shape).",
        at: down.place)
    }
    self.isTransposed = isTransposed ? fitsTransposed : !fits
    if let magnitude, magnitude.shape.elementCount != outputs {
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
  /// What the weight takes, both factors as floats, and a row.
  public var workingBytes: Int {
    weight.workingBytes + (down.shape.elementCount + up.shape.elementCount + columns * 4) * 4
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
    let before: UInt32
    if magnitude != nil, !isTransposed {
      before = try readStretched(range, width, factors, into: &output, window: window)
    } else {
      before = try weight.read(range, into: &output, window: window)
      addProduct(range, width, factors, to: &output)
      if magnitude != nil { stretchColumns(range, width, factors[2], &output) }
    }
    var largest: UInt32 = 0
    for index in 0..<output.count {
      largest = max(largest, output[index].magnitude.bitPattern)
    }
    guard largest < limit || before >= 0x7f80_0000 else {
      throw TinctureError(
        .checkpoint,
        "With the adapter the weight has an element beyond the range of \(dtype.rawValue).",
        at: weight.place)
    }
    return largest
  }

  /// The magnitude from which on the type of the weight has only infinity, as a bit pattern.
  private var limit: UInt32 {
    switch dtype {
    case .f16: Float(65520).bitPattern
    case .bf16: 0x7f7f_8000
    default: 0x7f80_0000
    }
  }

  // A, B (or, for transposed weights, their transposes) and what stretches rows or columns, as floats.
  func factors() throws(TinctureError) -> [ContiguousArray<Float>] {
    var result = [try down.wholly(), try up.wholly()]
    if isTransposed {
      // (B A)ᵀ = Aᵀ Bᵀ: the roles change, and both factors are stored the other way around.
      result = [
        Self.transposed(result[1], columns: rank),
        Self.transposed(result[0], columns: result[0].count / rank),
      ]
    }
    guard let magnitude else { return result }
    var lengths = try magnitude.wholly()
    if isTransposed {
      let norms = try columnNorms(result)
      for index in lengths.indices {
        lengths[index] = norms[index] == 0 ? 0 : Float(Double(lengths[index]) / norms[index])
      }
    }
    return result + [lengths]
  }

  private func columnNorms(_ factors: [ContiguousArray<Float>]) throws(TinctureError) -> [Double] {
    let width = max(1, columns)
    var squares = [Double](repeating: 0, count: width)
    var row = ContiguousArray<Float>(repeating: 0, count: width)
    let window = ReadWindow(byteCount: 1 << 20)
    for index in 0..<shape.elementCount / width {
      let range = index * width..<(index + 1) * width
      var span = row.mutableSpan
      _ = try weight.read(range, into: &span, window: window)
      addProduct(range, width, factors, to: &span)
      for column in 0..<width { squares[column] += Double(row[column]) * Double(row[column]) }
    }
    return squares.map { $0.squareRoot() }
  }

  private func stretchColumns(
    _ range: Range<Int>, _ width: Int, _ stretches: ContiguousArray<Float>,
    _ output: inout MutableSpan<Float>
  ) {
    for index in range { output[index - range.lowerBound] *= stretches[index % width] }
  }

  private static func transposed(_ values: ContiguousArray<Float>, columns: Int) -> ContiguousArray<
    Float
  > {
    let rows = values.count / max(1, columns)
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

  // Whole rows are needed for their norms, whatever part of them is asked for. Returns the largest
  // magnitude of the weight itself.
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
      largest = max(largest, try weight.read(whole, into: &span, window: window))
      addProduct(whole, width, factors, to: &span)
      var squares = 0.0
      Kernels.addDot(span.span, span.span, to: &squares)
      let norm = Float(squares.squareRoot())
      let factor = norm == 0 ? 0 : factors[2][index] / norm
      let end = min(whole.upperBound, range.upperBound)
      while position < end {
        output[position - range.lowerBound] = row[position - whole.lowerBound] * factor
        position += 1
      }
    }
    return largest
  }
}
