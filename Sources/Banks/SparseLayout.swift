internal import TinctureJSON
public import TinctureTensors

/// How a vector is stored of which only some elements are kept.
///
/// The tensor is cut into blocks. Part `blocks` says for each block how many values and how many bytes of
/// part `index` come before its own; `index` has the places of the kept elements (`PlaceCode`); `values`
/// has their values, in order.
public struct SparseLayout: Sendable, Hashable {
  /// The types of values.
  public enum Values: Sendable, Hashable {
    /// Packed affine codes, all of one range.
    case codes(AffineQuantizer)
    /// Numbers of 16 bits.
    case bf16
    /// Numbers of 32 bits.
    case f32

    /// The bits of a value.
    public var bits: Int {
      switch self {
      case .codes(let quantizer): quantizer.bits
      case .bf16: 16
      case .f32: 32
      }
    }
  }

  /// How many elements are kept; at least one.
  public let kept: Int
  /// The elements of a block, a power of two.
  public let blockLength: Int
  /// The bytes of part `index`.
  public let indexSize: Int
  /// How values are stored.
  public let values: Values

  /// The lengths that blocks may have.
  static let blockLengths = 1 << 12...PlaceCode.largestLength
  /// The most elements of a vector that is stored in this form.
  static let largestCount = 1 << 32

  /// The number of blocks of a tensor.
  func blockCount(_ shape: Shape) -> Int { (shape.elementCount + blockLength - 1) / blockLength }

  /// The parts, as a record lists them.
  func parts(_ shape: Shape) -> [(suffix: String, dtypes: [DType], shape: Shape)] {
    let stored: (dtype: DType, count: Int) =
      switch values {
      case .codes(let quantizer):
        (.u8, PackedCodes.byteCount(kept, bits: quantizer.bits))
      case .bf16: (.bf16, kept)
      case .f32: (.f32, kept)
      }
    return [
      ("blocks", [.u32], Shape(vector: 2 * blockCount(shape))),
      ("index", [.u8], Shape(vector: indexSize)),
      ("values", [stored.dtype], Shape(vector: stored.count)),
    ]
  }
}

extension SparseLayout {
  /// The members of a record.
  func write(to object: inout JSONObject) {
    object["kept"] = .integer(kept)
    object["block"] = .integer(blockLength)
    object["index_bytes"] = .integer(indexSize)
    object["bits"] = .integer(values.bits)
    if case .codes(let quantizer) = values {
      object["scale"] = .number(String(quantizer.scale))
      object["zero"] = .number(String(quantizer.zero))
    }
  }

  /// Reads the members of a record.
  ///
  /// - Throws: `checkpoint` when one is missing or out of bounds.
  init(_ json: JSONValue, _ shape: Shape) throws(TinctureError) {
    let count = shape.elementCount
    guard count <= Self.largestCount, let kept = json["kept"]?.intValue, kept > 0, kept <= count
    else {
      throw BankManifest.fault("keeps a number of elements that a vector does not have")
    }
    guard let length = json["block"]?.intValue, Self.blockLengths.contains(length),
      length & (length - 1) == 0
    else { throw BankManifest.fault("has blocks of no known length") }
    guard let size = json["index_bytes"]?.intValue, size > 0, size <= Self.largestCount else {
      throw BankManifest.fault("has an index of no known size")
    }
    let values: Values
    switch json["bits"]?.intValue {
    case 16: values = .bf16
    case 32: values = .f32
    case .some(let bits) where PackedCodes.widths.contains(bits):
      guard let scale = json["scale"]?.doubleValue.map({ Float($0) }),
        let zero = json["zero"]?.doubleValue.map({ Float($0) }), scale > 0,
        case let quantizer = AffineQuantizer(bits: bits, scale: scale, zero: zero),
        quantizer.isBounded
      else { throw BankManifest.fault("has values whose range is not finite") }
      values = .codes(quantizer)
    default: throw BankManifest.fault("has values whose bits are not from 1 to 8, 16 or 32")
    }
    self.init(kept: kept, blockLength: length, indexSize: size, values: values)
  }
}
