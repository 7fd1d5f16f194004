import Foundation
import Testing

/// A tensor small enough to be held as floats, with a codec of its own for its elements.
struct TinyTensor: Equatable {
  enum Element: String, CaseIterable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case i64 = "I64"

    var byteCount: Int {
      switch self {
      case .f32: 4
      case .f16, .bf16: 2
      case .i64: 8
      }
    }

    /// How far the nearest value of the type may be away, relative to the value.
    var precision: Float {
      switch self {
      case .f32: 0x1p-23
      case .f16: 0x1p-11
      case .bf16: 0x1p-8
      case .i64: 0
      }
    }
  }

  var element: Element
  var shape: [Int]
  var values: [Float]

  init(_ element: Element, _ shape: [Int], _ values: [Float]) {
    self.element = element
    self.shape = shape
    self.values = values.map { Self.rounded($0, to: element) }
  }

  init(_ element: Element, _ shape: [Int], bytes: Data) {
    self.element = element
    self.shape = shape
    let codes = stride(from: bytes.startIndex, to: bytes.endIndex, by: element.byteCount).map {
      bytes[$0..<$0 + element.byteCount].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    values = codes.map { Self.decode($0, element) }
  }

  var bytes: Data {
    var data = Data()
    for value in values {
      let code = Self.encode(value, element)
      for byte in 0..<element.byteCount {
        data.append(UInt8(truncatingIfNeeded: code >> (8 * byte)))
      }
    }
    return data
  }

  /// The nearest value that the type has.
  static func rounded(_ value: Float, to element: Element) -> Float {
    decode(encode(value, element), element)
  }

  private static func encode(_ value: Float, _ element: Element) -> UInt64 {
    let bits = value.bitPattern
    switch element {
    case .f32: return UInt64(bits)
    case .bf16:
      guard !value.isNaN else { return 0x7fc0 }
      return UInt64((bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    case .f16:
      // Normal numbers, zero and what is not finite; tests need no others.
      guard value.isFinite else { return value.isNaN ? 0x7e00 : value > 0 ? 0x7c00 : 0xfc00 }
      guard value.magnitude >= 0x1p-14 else { return 0 }
      let sign = UInt64(bits >> 31) << 15
      let magnitude = (bits & 0x7fff_ffff) &- (112 << 23)
      return sign | UInt64((magnitude &+ 0xfff &+ (magnitude >> 13 & 1)) >> 13)
    case .i64: return UInt64(bitPattern: Int64(value))
    }
  }

  private static func decode(_ code: UInt64, _ element: Element) -> Float {
    switch element {
    case .f32: return Float(bitPattern: UInt32(code))
    case .bf16: return Float(bitPattern: UInt32(code) << 16)
    case .f16:
      let exponent = Int(code >> 10 & 0x1f)
      let fraction = Float(code & 0x3ff) / 1024
      let sign: Float = code >> 15 == 1 ? -1 : 1
      if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
      let magnitude =
        exponent == 0
        ? fraction * 0x1p-14
        : (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
      return sign * magnitude
    case .i64: return Float(Int64(bitPattern: code))
    }
  }
}

/// Expects a tensor to hold values, each rounded once to the tensor's type.
func expect(
  _ tensor: TinyTensor?, _ name: String, equals expected: [Float],
  at place: SourceLocation = #_sourceLocation
) {
  guard let tensor, tensor.values.count == expected.count else {
    Issue.record("\(name) is missing or has another size", sourceLocation: place)
    return
  }
  for (index, (value, wanted)) in zip(tensor.values, expected).enumerated() {
    // Sums of floats in another order differ by a little.
    let allowed = wanted.magnitude * tensor.element.precision + 2e-6
    guard (value - wanted).magnitude <= allowed else {
      Issue.record(
        "\(name)[\(index)] is \(value), not \(wanted)", sourceLocation: place)
      return
    }
  }
}
