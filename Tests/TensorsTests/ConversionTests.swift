import Testing
import TinctureTensors

/// A small binary floating format, described by its definition and not by bit tricks.
struct SmallFormat: Sendable, CustomStringConvertible {
  let dtype: DType
  let mantissa: Int
  let bias: Int
  /// The code of the largest finite number.
  let topCode: Int
  /// The code of what lies beyond: infinity, or NaN.
  let overflowCode: Int

  var description: String { dtype.rawValue }
  var width: Int { dtype == .f8e4m3 || dtype == .f8e5m2 ? 8 : 16 }

  static let all = [
    SmallFormat(dtype: .bf16, mantissa: 7, bias: 127, topCode: 0x7f7f, overflowCode: 0x7f80),
    SmallFormat(dtype: .f16, mantissa: 10, bias: 15, topCode: 0x7bff, overflowCode: 0x7c00),
    SmallFormat(dtype: .f8e4m3, mantissa: 3, bias: 7, topCode: 0x7e, overflowCode: 0x7f),
    SmallFormat(dtype: .f8e5m2, mantissa: 2, bias: 15, topCode: 0x7b, overflowCode: 0x7c),
  ]

  /// The value of a code without its sign, as if the exponents went on for ever.
  func value(_ code: Int) -> Double {
    let exponent = code >> mantissa
    let fraction = Double(code & ((1 << mantissa) - 1)) / Double(1 << mantissa)
    if exponent == 0 { return fraction * Self.power(1 - bias) }
    return (1 + fraction) * Self.power(exponent - bias)
  }

  static func power(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// The code of the nearest value, the even one of two; found by bisection among the values.
  func nearest(_ x: Float) -> Int {
    let sign = x.sign == .minus ? 1 << (width - 1) : 0
    let size = Double(x.magnitude)
    guard size.isFinite else { return sign | overflowCode }
    var (low, high) = (0, topCode + 1)
    guard size < value(high) else { return sign | overflowCode }
    while high - low > 1 {
      let middle = (low + high) / 2
      if value(middle) <= size { low = middle } else { high = middle }
    }
    let (below, above) = (size - value(low), value(high) - size)
    let code = below < above || (below == above && low % 2 == 0) ? low : high
    return sign | (code > topCode ? overflowCode : code)
  }

  func widen(_ codes: [Int]) -> (values: Floats, largest: UInt32) {
    var values = Floats(repeating: -7, count: codes.count)
    var largest: UInt32 = 0
    let bytes = codes.flatMap { code in
      (0..<width / 8).map { UInt8(truncatingIfNeeded: code >> (8 * $0)) }
    }
    bytes.withUnsafeBytes { bytes in
      var span = values.mutableSpan
      largest = Kernels.widen(bytes, as: dtype, into: &span)
    }
    return (values, largest)
  }

  func narrow(_ values: Floats) -> [Int] {
    var bytes = [UInt8](repeating: 0xee, count: values.count * width / 8)
    bytes.withUnsafeMutableBytes { Kernels.narrow(values.span, as: dtype, into: $0) }
    return (0..<values.count).map { index in
      width == 8 ? Int(bytes[index]) : Int(bytes[2 * index]) | Int(bytes[2 * index + 1]) << 8
    }
  }
}

@Suite("Conversions between storage types and floats")
struct ConversionTests {
  @Test("Every code widens to the value its definition gives", arguments: SmallFormat.all)
  func widening(format: SmallFormat) {
    let count = 1 << format.width
    let codes = Array(0..<count)
    let (values, largest) = format.widen(codes)
    var wrong: [String] = []
    for code in codes {
      let size = code & (count / 2 - 1)
      let negative = code >= count / 2
      let value = values[code]
      let isRight: Bool
      if size <= format.topCode {
        let expected = Float(format.value(size))
        isRight = value.bitPattern == (negative ? -expected : expected).bitPattern
      } else if size == format.overflowCode, format.dtype != .f8e4m3 {
        isRight = value == (negative ? -Float.infinity : Float.infinity)
      } else {
        isRight = value.isNaN
      }
      if !isRight, wrong.count < 5 { wrong.append("\(code): \(value)") }
    }
    #expect(wrong.isEmpty)
    #expect(largest > 0x7f80_0000, "the largest magnitude is a NaN")
  }

  @Test("Every code survives widening and narrowing", arguments: SmallFormat.all)
  func roundTrip(format: SmallFormat) {
    let count = 1 << format.width
    let finite = (0..<count).filter { $0 & (count / 2 - 1) <= format.topCode }
    #expect(format.narrow(format.widen(finite).values) == finite)
    let others = (0..<count).filter { $0 & (count / 2 - 1) > format.topCode }
    let again = format.widen(format.narrow(format.widen(others).values)).values
    #expect(again.differences(from: format.widen(others).values).isEmpty)
  }

  @Test("Values, midpoints and their neighbours round to nearest even", arguments: SmallFormat.all)
  func rounding(format: SmallFormat) {
    var values = Floats()
    let step = format.dtype == .bf16 ? 7 : 1
    for code in stride(from: 0, through: format.topCode, by: step) {
      let (low, high) = (format.value(code), format.value(code + 1))
      let middle = Float((low + high) / 2)
      for value in [Float(low), middle, middle.nextUp, middle.nextDown, Float(low).nextUp] {
        values.append(value)
        values.append(-value)
      }
    }
    values += Adversarial.floats(20_000, seed: 1).filter { !$0.isNaN }
    values += [.infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, -0.0]
    let codes = format.narrow(values)
    var wrong: [String] = []
    for (value, code) in zip(values, codes) where format.nearest(value) != code && wrong.count < 5 {
      wrong.append("\(value) gave \(code), nearest is \(format.nearest(value))")
    }
    #expect(wrong.isEmpty)
  }

  @Test("NaN of any payload and sign stays NaN", arguments: SmallFormat.all)
  func nanStays(format: SmallFormat) {
    let payloads: [UInt32] = [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff, 0x7fc0_0000]
    let codes = format.narrow(Floats(payloads.map { Float(bitPattern: $0) }))
    #expect(format.widen(codes).values.allSatisfy { $0.isNaN })
  }

  @Test(
    "The result does not depend on the length or on what stands beside", arguments: SmallFormat.all)
  func lengths(format: SmallFormat) {
    let values = Adversarial.floats(4097, seed: 2)
    let codes = format.narrow(values)
    let widened = format.widen(codes).values
    for length in Adversarial.lengths {
      #expect(format.narrow(Floats(values[..<length])) == Array(codes[..<length]))
      let part = format.widen(Array(codes[..<length]))
      #expect(part.values.differences(from: Floats(widened[..<length])).isEmpty)
      let largest = part.values.map { $0.magnitude.bitPattern }.max() ?? 0
      #expect(part.largest == largest)
    }
  }

  @Test("Single precision is copied, double precision is rounded once")
  func widerTypes() {
    let values = Adversarial.floats(4097, seed: 3)
    var copied = [Float](repeating: 0, count: values.count)
    copied.withUnsafeMutableBytes { Kernels.narrow(values.span, as: .f32, into: $0) }
    #expect(copied.map(\.bitPattern) == values.map(\.bitPattern))
    var doubles = [Double](repeating: 0, count: values.count)
    doubles.withUnsafeMutableBytes { Kernels.narrow(values.span, as: .f64, into: $0) }
    #expect(zip(doubles, values).allSatisfy { sameBits($0, Double($1)) })
    let random = CounterRandom(seed: 9, tensor: "f64", purpose: "tests")
    doubles = (0..<4097).map { Double(bitPattern: random.bits(at: $0)) } + [1e300, -1e-300, 1e-46]
    var widened = Floats(repeating: 0, count: doubles.count)
    doubles.withUnsafeBytes { bytes in
      var span = widened.mutableSpan
      _ = Kernels.widen(bytes, as: .f64, into: &span)
    }
    #expect(widened.differences(from: Floats(doubles.map { Float($0) })).isEmpty)
  }
}
