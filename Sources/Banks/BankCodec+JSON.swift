internal import TinctureJSON
internal import TinctureTensors

extension BankCodec {
  /// The codec with the settings that it has.
  var json: JSONValue {
    var object = JSONObject([("kind", .string(kind.rawValue))])
    switch kind {
    case .raw: break
    case .emr:
      // Banks of earlier versions know means only and say nothing.
      if rescaling != .means { object["rescale"] = .string(rescaling.rawValue) }
    case .tall: object["mask_threshold"] = .number(String(maskThreshold))
    case .svd:
      object["bits"] = .integer(bits)
      switch rank {
      case .share(let share): object["share"] = .number(String(share))
      case .count(let count): object["count"] = .integer(count)
      case nil: break
      }
    case .sparse:
      object["bits"] = .integer(bits)
      object["density"] = .number(String(density))
      object["outliers"] = .number(String(outliers))
    case .binary:
      object["bits"] = .integer(bits)
      object["group"] = grouping.json
      object["scale_terms"] = .integer(scaleTerms)
      object["rounds"] = .integer(rounds)
    case .affine, .tvq, .rtvq:
      object["bits"] = .integer(bits)
      object["group"] = grouping.json
      object["clip"] = .bool(clips)
      if varies { object["varies"] = .bool(true) }
      if kind == .rtvq {
        object["base_bits"] = .integer(baseBits)
        object["error_correction"] = .bool(correctsErrors)
      }
    }
    return .object(object)
  }

  /// Reads a codec.
  ///
  /// - Throws: `checkpoint` when it is unknown or a setting is out of bounds.
  init(_ json: JSONValue) throws(TinctureError) {
    guard let name = json["kind"]?.stringValue else {
      throw BankManifest.fault("has an expert without a codec")
    }
    guard let kind = Kind(rawValue: name) else {
      throw TinctureError(
        .checkpoint,
        "The bank has an expert of codec \"\(name)\", which this program does not know.")
    }
    self.init(kind)
    switch kind {
    case .raw: break
    case .emr:
      guard let value = json["rescale"] else { break }
      guard let known = value.stringValue.flatMap(Rescaling.init) else {
        throw Self.fault("rescale")
      }
      rescaling = known
    case .tall:
      guard let value = json["mask_threshold"]?.doubleValue, value >= 0, value.isFinite else {
        throw Self.fault("mask_threshold")
      }
      maskThreshold = value
    case .svd:
      guard let bits = json["bits"]?.intValue, bits == 16 || bits == 32 else {
        throw Self.fault("bits")
      }
      self.bits = bits
      if let count = json["count"]?.intValue, count > 0 {
        rank = .count(count)
      } else if let share = json["share"]?.doubleValue, share > 0, share <= 1 {
        rank = .share(share)
      } else {
        throw Self.fault("share")
      }
    case .sparse:
      guard let bits = json["bits"]?.intValue, Self.sparseWidths.contains(bits) else {
        throw Self.fault("bits")
      }
      self.bits = bits
      guard let density = json["density"]?.doubleValue,
        let outliers = json["outliers"]?.doubleValue,
        Self.isBand(density: density, outliers: outliers)
      else { throw Self.fault("density") }
      self.density = density
      self.outliers = outliers
    case .binary:
      bits = try Self.number(json, "bits", in: LevelTable.widths)
      grouping = try CodeGrouping(json["group"])
      scaleTerms = try Self.number(json, "scale_terms", in: Self.scaleTermCounts)
      rounds = try Self.number(json, "rounds", in: Self.roundCounts)
    case .affine, .tvq, .rtvq:
      bits = try Self.number(json, "bits", in: PackedCodes.widths)
      grouping = try CodeGrouping(json["group"])
      guard let clips = json["clip"]?.boolValue else { throw Self.fault("clip") }
      self.clips = clips
      varies = json["varies"]?.boolValue ?? false
      guard kind == .rtvq else { break }
      baseBits = try Self.number(json, "base_bits", in: PackedCodes.widths)
      guard let corrects = json["error_correction"]?.boolValue else {
        throw Self.fault("error_correction")
      }
      correctsErrors = corrects
    }
  }

  private static func number(_ json: JSONValue, _ key: String, in range: ClosedRange<Int>)
    throws(TinctureError) -> Int
  {
    guard let number = json[key]?.intValue, range.contains(number) else { throw fault(key) }
    return number
  }

  private static func fault(_ key: String) -> TinctureError {
    BankManifest.fault("has a codec without a usable \"\(key)\"")
  }
}

extension CodeGrouping {
  /// `"tensor"`, `"row"` or a number of elements.
  var json: JSONValue {
    switch self {
    case .tensor: .string("tensor")
    case .row: .string("row")
    case .run(let length): .integer(length)
    }
  }

  /// Reads a grouping.
  ///
  /// - Throws: `checkpoint` when it is none.
  init(_ json: JSONValue?) throws(TinctureError) {
    switch json {
    case .string("tensor"): self = .tensor
    case .string("row"): self = .row
    case .number(let text):
      guard let length = Int(text), (1...1 << 30).contains(length) else { fallthrough }
      self = .run(length)
    default: throw BankManifest.fault("has codes with groups of no known length")
    }
  }
}
