internal import SystemPackage
public import TinctureSafetensors
public import TinctureTensors

/// One stored vector of a bank, decoded range by range.
public struct BankVector: Sendable {
  /// How it is stored.
  public let record: VectorRecord
  let bank: ExpertBank
  let tensor: String
  let owner: VectorOwner
  private let parts: [(suffix: String, stored: StoredTensor)]
  /// The quantiser of the first group, once it was read.
  let firstQuantizer = Remembered<AffineQuantizer>()

  init(_ record: VectorRecord, tensor: String, owner: VectorOwner, bank: ExpertBank) {
    self.record = record
    self.tensor = tensor
    self.owner = owner
    self.bank = bank
    // Looked up once: blocks are many.
    parts = record.parts.compactMap { part in
      bank.parts[owner.partName(tensor, part.suffix)].map { (part.suffix, $0) }
    }
  }

  /// The container.
  public var file: InputFile { bank.file }

  /// A part by the suffix of its name.
  ///
  /// - Throws: `internalError` when it is not there, which opening the bank rules out.
  func part(_ suffix: String) throws(TinctureError) -> StoredTensor {
    guard let part = parts.first(where: { $0.suffix == suffix }) else {
      throw TinctureError(
        .internalError, "A checked bank lacks a part.",
        at: .init(tensor: owner.partName(tensor, suffix)))
    }
    return part.stored
  }

  /// The bytes of memory that decoding takes besides the output and the bytes of the range.
  public var workingBytes: Int {
    // At a time 2¹⁶ elements are decoded.
    let block = 1 << 16
    switch record.content {
    case .lowRank(let rank):
      let columns = record.shape.extents[1]
      return rank * (columns + block / max(1, columns) + 2) * 8
    case .sparse(let layout):
      // The places in one block of the index, then places and values of the range.
      return 4 * min(layout.blockLength, record.shape.elementCount) + 16 * min(layout.kept, block)
    case .binary(let layout):
      let groups = layout.grouping.count(in: record.shape)
      let length = layout.grouping.length(in: record.shape)
      return min(groups, block / max(1, length) + 2)
        * (MemoryLayout<LevelTable>.stride + 24 * layout.planes)
    default: return 0
    }
  }

  /// The place of the elements in the container, when they are stored as they are.
  public var elements: StoredTensor? {
    guard record.content == .elements else { return nil }
    return parts.first?.stored
  }

  /// Decodes elements.
  ///
  /// - Parameters:
  ///   - range: The elements in row-major order.
  ///   - output: Receives the numbers; as many as the range has.
  /// - Throws: `io` when reading fails, `checkpoint` when a scale is not usable.
  /// - Complexity: O(n); memory for the bytes of the range.
  public func decode(_ range: Range<Int>, into output: inout MutableSpan<Float>)
    throws(TinctureError)
  {
    precondition(range.count == output.count, "The range and the output differ in length.")
    do throws(TinctureError) {
      switch record.content {
      case .absent: throw TinctureError(.internalError, "An absent tensor has no elements.")
      case .constant(let value): for index in 0..<output.count { output[index] = value }
      case .elements:
        let part = try part("elements")
        let width = part.dtype.byteWidth ?? 1
        let bytes = try bank.file.bytes(
          at: part.byteOffset + range.lowerBound * width, count: range.count * width)
        bytes.withUnsafeBytes { _ = Kernels.widen($0, as: part.dtype, into: &output) }
      case .mask(let scale): try decodeMask(range, scale, &output)
      case .lowRank(let rank):
        if !range.isEmpty { try factors(range, rank: rank).decode(range, into: &output) }
      case .sparse(let layout): try decodeSparse(range, layout, &output)
      case .binary(let layout): try decodeBinary(range, layout, &output)
      case .affine(let bits, let grouping):
        let slice = try codes(range, bits, grouping)
        slice.forEachGroup { quantizer, bytes, start, place in
          var target = output._mutatingExtracting(place)
          quantizer.decode(bytes, from: start, into: &target)
        }
      }
    } catch { throw error.located(file: bank.file.path.string, tensor: tensor) }
  }

  private func decodeMask(
    _ range: Range<Int>, _ scale: Float, _ output: inout MutableSpan<Float>
  ) throws(TinctureError) {
    guard !range.isEmpty else { return }
    guard let shared = bank.vector(tensor, of: .shared) else {
      throw TinctureError(.internalError, "A checked bank lacks a shared vector.")
    }
    try shared.decode(range, into: &output)
    let part = try part("mask")
    let first = range.lowerBound / 8
    let bytes = try bank.file.bytes(
      at: part.byteOffset + first, count: (range.upperBound + 7) / 8 - first)
    if range.lowerBound % 8 == 0 {
      bytes.withUnsafeBufferPointer {
        Kernels.keep(&output, where: Span(_unsafeElements: $0), scale: scale)
      }
      return
    }
    for index in 0..<output.count {
      let bit = range.lowerBound % 8 + index
      let isSet = bytes[bit / 8] >> (bit % 8) & 1 == 1
      output[index] = isSet ? scale * output[index] : 0
    }
  }

  /// y += a v over a range of elements, from the codes where there are codes.
  ///
  /// The same bits as decoding and adding.
  public func add(_ range: Range<Int>, times a: Float, to y: inout MutableSpan<Float>)
    throws(TinctureError)
  {
    precondition(range.count == y.count, "The range and the sum differ in length.")
    do throws(TinctureError) {
      switch record.content {
      case .affine(let bits, let grouping):
        try codes(range, bits, grouping).forEachGroup { quantizer, bytes, start, place in
          var target = y._mutatingExtracting(place)
          quantizer.add(bytes, from: start, times: a, to: &target)
        }
      case .binary(let layout): try addBinary(range, times: a, layout, to: &y)
      default:
        var values = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = values.mutableSpan
        try decode(range, into: &span)
        Kernels.add(values.span, times: a, to: &y)
      }
    } catch { throw error.located(file: bank.file.path.string, tensor: tensor) }
  }

  /// ⟨g, v⟩ over a range of elements, from the codes where there are codes.
  ///
  /// - Parameters:
  ///   - g: The other factor.
  ///   - range: The elements of the vector.
  /// - Returns: The product, accumulated in double precision.
  /// - Throws: `io` when reading fails, `checkpoint` when a scale is not usable.
  public func dot(_ g: Span<Float>, over range: Range<Int>) throws(TinctureError) -> Double {
    precondition(range.count == g.count, "The range and the factor differ in length.")
    do throws(TinctureError) {
      switch record.content {
      case .affine(let bits, let grouping): return try dotAffine(g, over: range, bits, grouping)
      case .sparse(let layout): return try dotSparse(g, over: range, layout)
      case .binary(let layout): return try dotBinary(g, over: range, layout)
      default:
        var values = ContiguousArray<Float>(repeating: 0, count: range.count)
        var span = values.mutableSpan
        try decode(range, into: &span)
        var product = 0.0
        Kernels.addDot(g, values.span, to: &product)
        return product
      }
    } catch { throw error.located(file: bank.file.path.string, tensor: tensor) }
  }

  private func dotAffine(
    _ g: Span<Float>, over range: Range<Int>, _ bits: Int, _ grouping: CodeGrouping
  ) throws(TinctureError) -> Double {
    var product = 0.0
    let slice = try codes(range, bits, grouping)
    slice.forEachGroup { quantizer, bytes, start, place in
      let factor = g.extracting(place)
      var sum = 0.0
      Kernels.addSum(factor, to: &sum)
      product += quantizer.dot(factor, sum: sum, bytes, from: start)
    }
    return product
  }
}
