/// The type of a tensor's elements, with every type that the safetensors format knows.
///
/// Arithmetic exists for the floating types of at least eight bits; all others are copied as they are.
public enum DType: String, Sendable, Hashable, CaseIterable {
  /// Truth values, one byte each.
  case bool = "BOOL"
  /// Four-bit floats, two to a byte.
  case f4 = "F4"
  /// Six-bit floats with two exponent bits.
  case f6e2m3 = "F6_E2M3"
  /// Six-bit floats with three exponent bits.
  case f6e3m2 = "F6_E3M2"
  /// Unsigned 8-bit integers.
  case u8 = "U8"
  /// Signed 8-bit integers.
  case i8 = "I8"
  /// Eight-bit floats with five exponent bits.
  case f8e5m2 = "F8_E5M2"
  /// Eight-bit floats with four exponent bits, without infinities.
  case f8e4m3 = "F8_E4M3"
  /// Eight-bit powers of two.
  case f8e8m0 = "F8_E8M0"
  /// Eight-bit floats with four exponent bits and no negative zero.
  case f8e4m3fnuz = "F8_E4M3FNUZ"
  /// Eight-bit floats with five exponent bits and no negative zero.
  case f8e5m2fnuz = "F8_E5M2FNUZ"
  /// Signed 16-bit integers.
  case i16 = "I16"
  /// Unsigned 16-bit integers.
  case u16 = "U16"
  /// IEEE half precision.
  case f16 = "F16"
  /// The upper half of single precision.
  case bf16 = "BF16"
  /// Signed 32-bit integers.
  case i32 = "I32"
  /// Unsigned 32-bit integers.
  case u32 = "U32"
  /// IEEE single precision.
  case f32 = "F32"
  /// Complex numbers of two single-precision parts.
  case c64 = "C64"
  /// IEEE double precision.
  case f64 = "F64"
  /// Signed 64-bit integers.
  case i64 = "I64"
  /// Unsigned 64-bit integers.
  case u64 = "U64"

  /// The width of one element in bits.
  public var bitWidth: Int {
    switch self {
    case .f4: 4
    case .f6e2m3, .f6e3m2: 6
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// The width of one element in bytes, or nil for types that share bytes.
  public var byteWidth: Int? { bitWidth % 8 == 0 ? bitWidth / 8 : nil }

  /// Whether elements can be widened to `Float`, merged and rounded back.
  public var isArithmetic: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .f8e4m3, .f8e5m2: true
    default: false
    }
  }

  /// The name that PyTorch, recipes and `config.json` use, where there is one.
  public var torchName: String? {
    switch self {
    case .bool: "bool"
    case .u8: "uint8"
    case .i8: "int8"
    case .i16: "int16"
    case .u16: "uint16"
    case .i32: "int32"
    case .u32: "uint32"
    case .i64: "int64"
    case .u64: "uint64"
    case .f16: "float16"
    case .bf16: "bfloat16"
    case .f32: "float32"
    case .f64: "float64"
    case .f8e4m3: "float8_e4m3fn"
    case .f8e5m2: "float8_e5m2"
    case .f8e8m0: "float8_e8m0fnu"
    case .f8e4m3fnuz: "float8_e4m3fnuz"
    case .f8e5m2fnuz: "float8_e5m2fnuz"
    case .c64: "complex64"
    case .f4, .f6e2m3, .f6e3m2: nil
    }
  }

  /// Finds the type that a recipe or a configuration names: `bfloat16`, `torch.float16`, `F32`.
  public init?(recipeName: String) {
    let name = recipeName.hasPrefix("torch.") ? String(recipeName.dropFirst(6)) : recipeName
    let aliases = [
      "half": DType.f16, "fp16": .f16, "bf16": .bf16, "float": .f32, "fp32": .f32, "double": .f64,
      "fp64": .f64, "f16": .f16, "f32": .f32, "f64": .f64, "float8_e4m3": .f8e4m3,
      "long": .i64, "int": .i32, "short": .i16,
    ]
    if let match = DType(rawValue: name.uppercased()) {
      self = match
    } else if let match = DType.allCases.first(where: { $0.torchName == name }) {
      self = match
    } else if let match = aliases[name.lowercased()] {
      self = match
    } else {
      return nil
    }
  }

  /// Whether every value of this type is exactly a value of `other`.
  public func isExactlyRepresentable(in other: DType) -> Bool {
    switch (self, other) {
    case let (a, b) where a == b: true
    case (.f8e4m3, .f16), (.f8e4m3, .bf16), (.f8e5m2, .f16), (.f8e5m2, .bf16): true
    case (.f16, .f32), (.bf16, .f32), (.f8e4m3, .f32), (.f8e5m2, .f32): true
    case (_, .f64): isArithmetic
    default: false
    }
  }
}
