internal import TinctureJSON
internal import TinctureTensors

extension VectorRecord {
  /// The record as JSON.
  var json: JSONValue {
    var object = JSONObject([
      ("role", .string(role.rawValue)), ("dtype", .string(dtype.rawValue)),
      ("shape", .array(shape.extents.map { .integer($0) })),
    ])
    if squaredNorm > 0 {
      object["squared_error"] = .number(String(squaredError))
      object["squared_norm"] = .number(String(squaredNorm))
    }
    switch content {
    case .elements: object["kind"] = .string("elements")
    case .absent: object["kind"] = .string("absent")
    case .constant(let value):
      object["kind"] = .string("constant")
      object["value"] = .number(String(value))
    case .mask(let scale):
      object["kind"] = .string("mask")
      object["scale"] = .number(String(scale))
    case .lowRank(let rank):
      object["kind"] = .string("low_rank")
      object["rank"] = .integer(rank)
    case .sparse(let layout):
      object["kind"] = .string("sparse")
      layout.write(to: &object)
    case .binary(let layout):
      object["kind"] = .string("binary")
      layout.write(to: &object)
    case .affine(let bits, let grouping):
      object["kind"] = .string("affine")
      object["bits"] = .integer(bits)
      object["group"] = grouping.json
    }
    return .object(object)
  }

  /// More elements than any file holds, few enough to count their bits.
  private static let largestCount = 1 << 48

  /// Reads a record.
  ///
  /// - Throws: `checkpoint` when it is of an unknown kind or out of bounds.
  init(_ json: JSONValue, isShared: Bool) throws(TinctureError) {
    guard let role = json["role"]?.stringValue.flatMap(VectorRole.init(rawValue:)),
      let dtype = json["dtype"]?.stringValue.flatMap(DType.init(rawValue:)),
      let extents = json["shape"]?.arrayValue?.map({ $0.intValue ?? -1 }),
      let shape = Shape(extents), let kind = json["kind"]?.stringValue
    else { throw BankManifest.fault("has a record without role, type, shape or kind") }
    guard (role == .shared) == isShared else {
      throw BankManifest.fault("gives a vector the role of another")
    }
    guard shape.elementCount <= Self.largestCount else {
      throw BankManifest.fault("has a vector of \(shape.elementCount) elements")
    }
    let content: Content
    switch kind {
    case "elements": content = .elements
    case "absent": content = .absent
    case "constant":
      guard let value = json["value"]?.doubleValue.map({ Float($0) }), value.isFinite else {
        throw BankManifest.fault("has a constant that is no finite number")
      }
      content = .constant(value)
    case "mask":
      guard let scale = json["scale"]?.doubleValue.map({ Float($0) }), scale.isFinite else {
        throw BankManifest.fault("has a mask whose scale is no finite number")
      }
      content = .mask(scale: scale)
    case "sparse": content = .sparse(try SparseLayout(json, shape))
    case "binary": content = .binary(try BinaryLayout(json))
    case "affine":
      guard let bits = json["bits"]?.intValue, PackedCodes.widths.contains(bits) else {
        throw BankManifest.fault("has codes whose bits are not from 1 to 8")
      }
      content = .affine(bits: bits, try CodeGrouping(json["group"]))
    case "low_rank":
      guard let rank = json["rank"]?.intValue, rank > 0, shape.rank == 2,
        rank <= shape.extents[0], rank <= shape.extents[1]
      else { throw BankManifest.fault("has factors of a rank that their matrix cannot have") }
      content = .lowRank(rank)
    default:
      throw TinctureError(
        .checkpoint, "The bank stores vectors as \"\(kind)\", which this program does not know.")
    }
    guard dtype.isArithmetic || content == .elements || content == .absent else {
      throw BankManifest.fault("codes \(dtype.rawValue) elements")
    }
    self.init(content, role: role, shape: shape, dtype: dtype)
    squaredError = json["squared_error"]?.doubleValue ?? 0
    squaredNorm = json["squared_norm"]?.doubleValue ?? 0
  }
}
