public import TinctureTensors

/// Arrays of numbers of one type and one shape, one for each example, last axis fastest.
public struct NumberBlock: Sendable, Hashable {
  /// The type of the numbers.
  public let dtype: DType
  /// The extents of one example.
  public let extents: [Int]
  /// The number of examples.
  public let count: Int
  /// The numbers as stored, lowest byte first.
  public let bytes: [UInt8]

  /// Creates a block.
  ///
  /// - Parameters:
  ///   - dtype: The type of the numbers, of whole bytes.
  ///   - extents: The extents of one example.
  ///   - count: The number of examples.
  ///   - bytes: The numbers, lowest byte first.
  public init(dtype: DType, extents: [Int], count: Int, bytes: [UInt8]) {
    let size = extents.reduce(dtype.byteWidth ?? 0, *)
    precondition(
      dtype.byteWidth != nil && bytes.count == size * count,
      "\(count) arrays of \(extents) \(dtype.rawValue) do not have \(bytes.count) bytes.")
    self.dtype = dtype
    self.extents = extents
    self.count = count
    self.bytes = bytes
  }

  /// Puts blocks of one type and shape together.
  init(joining blocks: [NumberBlock], dtype: DType, extents: [Int]) {
    self.init(
      dtype: dtype, extents: extents, count: blocks.reduce(0) { $0 + $1.count },
      bytes: blocks.count == 1 ? blocks[0].bytes : blocks.flatMap(\.bytes))
  }

  /// The number of numbers in one example.
  public var exampleSize: Int { extents.reduce(1, *) }

  /// The number of numbers in all examples.
  public var elementCount: Int { count * exampleSize }

  /// The numbers, rounded to the nearest `Float`; truth values are 0 and 1.
  ///
  /// - Complexity: O(n).
  public func floats() -> [Float] {
    switch dtype {
    case .u8: bytes.map { Float($0) }
    case .f32, .f16, .bf16, .f64, .f8e4m3, .f8e5m2: widened()
    case .i8, .i16, .u16, .i32, .u32, .i64, .u64, .bool: doubles(as: Float.self)
    default: []
    }
  }

  /// The numbers, rounded to the nearest `Double`; truth values are 0 and 1.
  ///
  /// - Complexity: O(n).
  public func doubles() -> [Double] {
    switch dtype {
    case .f64: values(UInt64.self) { Double(bitPattern: $0) }
    case .f32, .f16, .bf16, .f8e4m3, .f8e5m2: widened().map { Double($0) }
    default: doubles(as: Double.self)
    }
  }

  /// The numbers as integers, or nil when one is not whole or does not fit.
  ///
  /// - Complexity: O(n).
  public func integers() -> [Int]? {
    switch dtype {
    case .u8, .bool: bytes.map { Int($0) }
    case .i8: values(UInt8.self) { Int(Int8(bitPattern: $0)) }
    case .u16: values(UInt16.self) { Int($0) }
    case .i16: values(UInt16.self) { Int(Int16(bitPattern: $0)) }
    case .u32: values(UInt32.self) { Int($0) }
    case .i32: values(UInt32.self) { Int(Int32(bitPattern: $0)) }
    case .i64: values(UInt64.self) { Int(Int64(bitPattern: $0)) }
    case .u64: Self.all(values(UInt64.self) { Int(exactly: $0) })
    case .f64, .f32, .f16, .bf16: Self.all(doubles().map { Int(exactly: $0) })
    default: nil
    }
  }

  private static func all(_ values: [Int?]) -> [Int]? {
    values.contains { $0 == nil } ? nil : values.compactMap(\.self)
  }

  private func doubles<Result: BinaryFloatingPoint>(as type: Result.Type) -> [Result] {
    if dtype == .u64 { return values(UInt64.self) { Result($0) } }
    return (integers() ?? []).map { Result($0) }
  }

  private func widened() -> [Float] {
    let total = elementCount
    return [Float](unsafeUninitializedCapacity: total) { buffer, initialized in
      buffer.initialize(repeating: 0)
      var span = buffer.mutableSpan
      bytes.withUnsafeBytes { _ = Kernels.widen($0, as: dtype, into: &span) }
      initialized = total
    }
  }

  private func values<Word: FixedWidthInteger, Result>(
    _ word: Word.Type, _ value: (Word) -> Result
  ) -> [Result] {
    bytes.withUnsafeBytes { raw in
      (0..<elementCount).map {
        value(
          Word(
            littleEndian: raw.loadUnaligned(
              fromByteOffset: $0 * MemoryLayout<Word>.size, as: Word.self)
          ))
      }
    }
  }
}
