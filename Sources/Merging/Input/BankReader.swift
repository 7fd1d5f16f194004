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
  /// Two blocks, their codes, and those of the base.
  public var workingBytes: Int {
    let block = max(1 << 16, shape.rowLength)
    return min(block, shape.elementCount) * 12 + vector.workingBytes
      + (base?.workingBytes ?? 0)
  }

  /// Reads elements as floats.
  public func read(
    _ range: Range<Int>, into output: inout MutableSpan<Float>, window: ReadWindow
  ) throws(TinctureError) -> UInt32 {
    do throws(TinctureError) {
      guard let base, vector.record.role != .weights else {
        try vector.decode(range, into: &output)
        return round(&output)
      }
      var difference = ContiguousArray<Float>(repeating: 0, count: range.count)
      var span = difference.mutableSpan
      if let shared, vector.record.role == .offset {
        try shared.decode(range, into: &span)
        try vector.add(range, times: 1, to: &span)
      } else {
        try vector.decode(range, into: &span)
      }
      _ = try base.read(range, into: &output, window: window)
      Kernels.add(span.span, to: &output)
      return round(&output)
    } catch { throw error.located(model: model, tensor: tensor) }
  }

  /// Rounds to the type of the tensor; returns the largest magnitude.
  private func round(_ output: inout MutableSpan<Float>) -> UInt32 {
    guard dtype != .f32, dtype != .f64, let width = dtype.byteWidth else {
      return Kernels.largestMagnitude(output.span)
    }
    var bytes = [UInt8](repeating: 0, count: output.count * width)
    return bytes.withUnsafeMutableBytes {
      Kernels.narrow(output.span, as: dtype, into: $0)
      return Kernels.widen(UnsafeRawBufferPointer($0), as: dtype, into: &output)
    }
  }
}
