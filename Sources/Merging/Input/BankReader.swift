internal import SystemPackage
public import TinctureBanks
public import TinctureSafetensors
public import TinctureTensors

/// A tensor of an expert of a bank, put together while it is read: the base's elements plus what the
/// codes stand for, rounded to the expert's type.
///
/// Gives the same numbers as reading the extracted expert; nothing is ever inflated as a whole.
public struct BankReader: TensorReader {
  private let base: (any TensorReader)?
  private let vector: BankVector
  private let shared: BankVector?
  private let model: String
  private let tensor: String
  let digest: String

  /// Creates a reader.
  ///
  /// - Parameters:
  ///   - vector: The expert's vector.
  ///   - shared: The vector that all experts share, where this one is an offset from it.
  ///   - base: The base's tensor, unless the vector holds the weights themselves.
  ///   - digest: What identifies the contents of the bank.
  ///   - model: The model, as the recipe names it.
  ///   - tensor: The name of the tensor.
  public init(
    _ vector: BankVector, shared: BankVector?, base: (any TensorReader)?, digest: String,
    model: String, tensor: String
  ) {
    self.vector = vector
    self.shared = shared
    self.base = base
    self.digest = digest
    self.model = model
    self.tensor = tensor
  }

  /// The type of the expert's tensor.
  public var dtype: DType { vector.record.dtype }
  /// The extents.
  public var shape: Shape { vector.record.shape }
  /// The bank, the expert and the tensor.
  public var place: TinctureError.Place {
    .init(file: vector.file.path.string, model: model, tensor: tensor)
  }
  /// Where the elements lie in the bank, when they are stored as they are.
  public var storedRange: (file: InputFile, offset: Int)? {
    vector.elements.map { (vector.file, $0.byteOffset) }
  }
  /// Two blocks and their codes, and what the base needs.
  public var workingBytes: Int {
    let block = max(1 << 16, shape.rowLength)
    return min(block, shape.elementCount) * 12 + vector.workingBytes
      + (base?.workingBytes ?? 0)
  }

  /// The base's tensor, unless the bank holds the weights themselves.
  public var foundation: (any TensorReader)? { vector.record.role == .weights ? nil : base }

  /// Reads elements as floats.
  public func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    do throws(TinctureError) {
      try decode(range, into: &output)
      if let foundation {
        var values = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = values.mutableSpan
        _ = try foundation.read(range, into: &span, window: window)
        Kernels.add(span.span, to: &output)
      }
      return round(&output)
    } catch { throw error.located(model: model, tensor: tensor) }
  }

  /// Reads elements as floats, with those of the base at hand.
  public func read(
    _ range: Range<Int>, onto foundation: Span<Float>, into output: inout MutableSpan<Float>,
    window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    do throws(TinctureError) {
      try decode(range, into: &output)
      if self.foundation != nil { Kernels.add(foundation, to: &output) }
      return round(&output)
    } catch { throw error.located(model: model, tensor: tensor) }
  }

  /// What is added to the base, or the weights themselves.
  private func decode(_ range: Range<Int>, into output: inout MutableSpan<Float>)
    throws(TinctureError)
  {
    if let shared, vector.record.role == .offset {
      try shared.decode(range, into: &output)
      try vector.add(range, times: 1, to: &output)
    } else {
      try vector.decode(range, into: &output)
    }
  }

  /// Rounds to the type of the tensor; returns the largest magnitude.
  private func round(_ output: inout MutableSpan<Float>) -> UInt32 {
    guard dtype != .f32, dtype != .f64, let width = dtype.byteWidth else {
      return Kernels.largestMagnitude(output.span)
    }
    // In pieces that stay in the nearest cache.
    let piece = 4096
    return withUnsafeTemporaryAllocation(byteCount: piece * width, alignment: 16) { bytes in
      var largest: UInt32 = 0
      for start in stride(from: 0, to: output.count, by: piece) {
        let count = min(piece, output.count - start)
        var part = output._mutatingExtracting(start..<start + count)
        let used = UnsafeMutableRawBufferPointer(rebasing: bytes[..<(count * width)])
        Kernels.narrow(part.span, as: dtype, into: used)
        largest = max(
          largest, Kernels.widen(UnsafeRawBufferPointer(used), as: dtype, into: &part))
      }
      return largest
    }
  }
}
