internal import SystemPackage
public import TinctureSafetensors
public import TinctureTensors

/// A tensor of one model, readable as floats in any range.
///
/// The second place, after methods, where new cases are added: a stored tensor, a base with a low-rank
/// adapter, rows gathered by vocabulary.
public protocol TensorReader: Sendable {
  /// The type of the elements as stored.
  var dtype: DType { get }
  /// The extents.
  var shape: Shape { get }
  /// Where the tensor comes from, for messages.
  var place: TinctureError.Place { get }
  /// The file range that holds exactly this tensor in row-major order, when there is one.
  var storedRange: (file: InputFile, offset: Int)? { get }
  /// Memory that reading needs for as long as the step lasts, in bytes.
  var workingBytes: Int { get }

  /// Reads elements as floats.
  ///
  /// - Parameters:
  ///   - range: The elements in row-major order.
  ///   - output: Receives the values; as many as the range has.
  ///   - window: The reader's buffer, reused from call to call.
  /// - Returns: The bit pattern of the largest magnitude.
  /// - Throws: `io` when reading fails.
  func read(_ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow)
    throws(TinctureError) -> UInt32

  /// The tensor that reading begins with, when elements are the sum of it and of something else.
  var foundation: (any TensorReader)? { get }

  /// Reads elements as floats, with those of the foundation at hand.
  ///
  /// The default does not need them.
  ///
  /// - Parameters:
  ///   - range: The elements in row-major order.
  ///   - foundation: The foundation's elements of the same range.
  ///   - output: Receives the values; as many as the range has.
  ///   - window: The reader's buffer, reused from call to call.
  /// - Returns: The bit pattern of the largest magnitude.
  /// - Throws: `io` when reading fails.
  func read(
    _ range: Range<Int>, onto foundation: Span<Float>, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32

  /// Reads elements as floats and subtracts others: a task vector.
  ///
  /// The default reads and then subtracts.
  ///
  /// - Parameters:
  ///   - range: The elements in row-major order.
  ///   - base: What is subtracted; as many as the range has.
  ///   - output: Receives the differences.
  ///   - window: The reader's buffer, reused from call to call.
  /// - Returns: The bit pattern of the largest magnitude before the subtraction.
  /// - Throws: `io` when reading fails.
  func readDifference(
    _ range: Range<Int>, from base: Span<Float>, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32
}

extension TensorReader {
  /// None.
  public var foundation: (any TensorReader)? { nil }

  /// Reads.
  public func read(
    _ range: Range<Int>, onto foundation: Span<Float>, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    try read(range, into: &output, window: window)
  }

  /// Whether reading begins with the elements of another tensor: the same bytes of the same file.
  func isBuilt(on other: any TensorReader) -> Bool {
    guard let foundation, let own = foundation.storedRange, let its = other.storedRange else {
      return false
    }
    return own.file === its.file && own.offset == its.offset
      && foundation.dtype == other.dtype && foundation.shape == other.shape
  }

  /// Reads and then subtracts.
  public func readDifference(
    _ range: Range<Int>, from base: Span<Float>, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    let largest = try read(range, into: &output, window: window)
    Kernels.subtract(base, from: &output)
    return largest
  }
}

/// A tensor that lies in a file.
public struct StoredTensorReader: TensorReader {
  /// The tensor and its place.
  public let tensor: StoredTensor
  /// The file.
  public let file: InputFile
  /// The model, as the recipe names it.
  public let model: String

  /// Creates a reader.
  public init(_ tensor: StoredTensor, in file: InputFile, model: String) {
    self.tensor = tensor
    self.file = file
    self.model = model
  }

  /// The type of the elements.
  public var dtype: DType { tensor.dtype }
  /// The extents.
  public var shape: Shape { tensor.shape }
  /// The file, the model and the tensor.
  public var place: TinctureError.Place {
    .init(file: file.path.string, model: model, tensor: tensor.name)
  }
  /// The file range, when the elements lie in row-major order.
  public var storedRange: (file: InputFile, offset: Int)? {
    tensor.strides == nil ? (file, tensor.byteOffset) : nil
  }
  /// None in row-major order; else all the bytes that the tensor spans, since rows are gathered.
  public var workingBytes: Int {
    tensor.strides.map { spannedElements($0) * (tensor.dtype.byteWidth ?? 0) } ?? 0
  }

  private func spannedElements(_ strides: [Int]) -> Int {
    zip(tensor.shape.extents, strides).reduce(1) { $0 + max(0, $1.0 - 1) * $1.1 }
  }

  /// Reads elements as floats.
  public func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    guard let width = tensor.dtype.byteWidth, tensor.dtype.isArithmetic else {
      throw TinctureError(
        .internalError, "\(tensor.dtype.rawValue) elements cannot be merged.", at: place)
    }
    do throws(TinctureError) {
      guard let strides = tensor.strides else {
        return Kernels.widen(
          try stored(range, width, window), as: tensor.dtype, into: &output)
      }
      return try readStrided(range, strides, width, into: &output, window: window)
    } catch {
      throw error.located(file: file.path.string, model: model, tensor: tensor.name)
    }
  }

  /// Reads elements as floats and subtracts others.
  public func readDifference(
    _ range: Range<Int>, from base: Span<Float>, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    guard let width = tensor.dtype.byteWidth, tensor.dtype.isArithmetic, tensor.strides == nil
    else {
      let largest = try read(range, into: &output, window: window)
      Kernels.subtract(base, from: &output)
      return largest
    }
    do throws(TinctureError) {
      return Kernels.difference(
        try stored(range, width, window), as: tensor.dtype, from: base, into: &output)
    } catch {
      throw error.located(file: file.path.string, model: model, tensor: tensor.name)
    }
  }

  private func stored(_ range: Range<Int>, _ width: Int, _ window: ReadWindow)
    throws(TinctureError) -> UnsafeRawBufferPointer
  {
    try window.bytes(
      of: file, at: tensor.byteOffset + range.lowerBound * width, count: range.count * width,
      end: tensor.byteOffset + tensor.byteCount)
  }

  // Rows of a transposed or sliced tensor: gathers element by element from the spanned bytes.
  private func readStrided(
    _ range: Range<Int>, _ strides: [Int], _ width: Int, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    let span = spannedElements(strides)
    let bytes = try window.bytes(
      of: file, at: tensor.byteOffset, count: span * width, end: tensor.byteOffset + span * width)
    var gathered = [UInt8](repeating: 0, count: range.count * width)
    var target = 0
    for index in range {
      var rest = index
      var offset = 0
      for axis in stride(from: strides.count - 1, through: 0, by: -1) {
        let (quotient, remainder) = rest.quotientAndRemainder(
          dividingBy: tensor.shape.extents[axis])
        offset += remainder * strides[axis]
        rest = quotient
      }
      for byte in 0..<width { gathered[target + byte] = bytes[offset * width + byte] }
      target += width
    }
    return gathered.withUnsafeBytes { Kernels.widen($0, as: tensor.dtype, into: &output) }
  }
}
