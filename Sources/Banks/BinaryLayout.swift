internal import TinctureJSON
public import TinctureTensors

/// How a vector is stored as a sum of a few sign vectors with scales.
///
/// v ≈ Σ αᵢ βᵢ with βᵢ ∈ {−1, 1} and α of its own for each group. Part `codes` has the signs of an element as
/// the bits of a code (`LevelTable`), part `scales` the α of each group in order. Experimental.
public struct BinaryLayout: Sendable, Hashable {
  /// The types of scales.
  public enum Scales: Sendable, Hashable {
    /// Numbers of 16 bits.
    case bf16
    /// So many powers of two for each.
    case shifts(terms: Int, ShiftCode)

    /// How many powers of two a scale is made of; zero for numbers.
    public var terms: Int { if case .shifts(let terms, _) = self { terms } else { 0 } }
  }

  /// How many sign vectors there are.
  public let planes: Int
  /// Over how many elements a set of scales extends.
  public let grouping: CodeGrouping
  /// How scales are stored.
  public let scales: Scales

  /// The largest scale; sums of four are finite.
  static let largestScale: Float = 0x1p122

  /// How many scales a tensor has.
  func scaleCount(_ shape: Shape) -> Int { grouping.count(in: shape) * planes }

  /// The parts, as a record lists them.
  func parts(_ shape: Shape) -> [(suffix: String, dtypes: [DType], shape: Shape)] {
    let codes = Shape(vector: PackedCodes.byteCount(shape.elementCount, bits: planes))
    let count = scaleCount(shape)
    return switch scales {
    case .bf16: [("scales", [.bf16], Shape(vector: count)), ("codes", [.u8], codes)]
    case .shifts(let terms, _):
      [
        (
          "scales", [.u8],
          Shape(vector: PackedCodes.byteCount(count * terms, bits: ShiftCode.bits))
        ), ("codes", [.u8], codes),
      ]
    }
  }
}

extension BinaryLayout {
  /// The members of a record.
  func write(to object: inout JSONObject) {
    object["bits"] = .integer(planes)
    object["group"] = grouping.json
    object["terms"] = .integer(scales.terms)
    if case .shifts(_, let code) = scales { object["exponent"] = .integer(code.exponent) }
  }

  /// Reads the members of a record.
  ///
  /// - Throws: `checkpoint` when one is missing or out of bounds.
  init(_ json: JSONValue) throws(TinctureError) {
    guard let planes = json["bits"]?.intValue, LevelTable.widths.contains(planes) else {
      throw BankManifest.fault("has binary codes whose bits are not from 1 to 4")
    }
    let scales: Scales
    switch json["terms"]?.intValue {
    case 0: scales = .bf16
    case .some(let terms) where ShiftCode.terms.contains(terms):
      guard let exponent = json["exponent"]?.intValue, ShiftCode.exponents.contains(exponent) else {
        throw BankManifest.fault("has scales with an exponent that is not from -149 to 120")
      }
      scales = .shifts(terms: terms, ShiftCode(exponent: exponent))
    default: throw BankManifest.fault("has scales whose terms are not from 0 to 3")
    }
    self.init(planes: planes, grouping: try CodeGrouping(json["group"]), scales: scales)
  }
}
