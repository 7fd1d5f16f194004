public import SystemPackage
internal import TinctureJSON
internal import TinctureSafetensors
public import TinctureTensors

extension Mixture {
  /// Opens a mixture.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it is not there, `checkpoint` when it or its description is malformed.
  /// - Complexity: Reads the header only.
  public init(opening path: FilePath) throws(TinctureError) {
    let file = try SafetensorsFile(opening: path)
    let reader = MixtureDescription(file)
    guard let text = file.header.metadata.first(where: { $0.key == Self.metadataKey })?.value else {
      throw reader.fault("is missing from the metadata")
    }
    let json: JSONValue
    do throws(TinctureError) { json = try JSONValue(parsing: text) } catch {
      throw reader.fault("is no JSON: \(error.message)")
    }
    guard let version = json["version"]?.intValue, version > 0 else {
      throw reader.fault("has no version")
    }
    guard version <= Self.version else {
      throw reader.fault("has version \(version), this program reads up to \(Self.version)")
    }
    guard let method = json["method"]?.stringValue,
      let routing = json["routing"]?.stringValue.flatMap(Routing.init(rawValue:))
    else { throw reader.fault("names no method or no kind of routing that is known") }
    var experts: [Expert] = []
    for item in json["experts"]?.arrayValue ?? [] {
      let expert = try reader.expert(item)
      guard !experts.contains(where: { $0.name == expert.name }) else {
        throw reader.fault("has two experts '\(expert.name)'")
      }
      experts.append(expert)
    }
    var routers: [Router] = []
    for item in json["routers"]?.arrayValue ?? [] { routers.append(try reader.router(item)) }
    guard !experts.isEmpty, !routers.isEmpty else {
      throw reader.fault("has no experts or routers")
    }
    if routing == .features, routers.count != 1 || !routers[0].modules.isEmpty {
      throw reader.fault("has more than one router of features")
    }
    let named = routers.flatMap(\.modules)
    if routing == .perceptrons, routers.contains(where: \.modules.isEmpty) {
      throw reader.fault("has a router of no perceptron")
    }
    guard Set(named).count == named.count else {
      throw reader.fault("has two routers of one perceptron")
    }
    var settings: [String: String] = [:]
    for (name, value) in json["settings"]?.objectValue?.members ?? [] {
      settings[name] = value.stringValue
    }
    let means = try json["means"]?.stringValue.map(reader.tensor)
    self.init(
      file: file, method: method, routing: routing, experts: experts, routers: routers,
      settings: settings, means: means)
    if let means {
      let wanted = [experts.count, modules.count, experts.count]
      guard means.shape.extents == wanted, means.dtype == .f32 else {
        throw reader.fault("has means of the shape \(means.shape) in place of \(wanted) in F32")
      }
    }
  }
}

/// Reads the description of a mixture against the tensors of its file.
private struct MixtureDescription {
  private let path: FilePath
  private let stored: [String: StoredTensor]

  init(_ file: SafetensorsFile) {
    path = file.file.path
    stored = Dictionary(
      file.header.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func fault(_ what: String) -> TinctureError {
    TinctureError(
      .checkpoint, "The description of the mixture \(what).", at: .init(file: path.string))
  }

  func tensor(_ key: String) throws(TinctureError) -> StoredTensor {
    guard let tensor = stored[key] else {
      throw fault("names the tensor '\(key)', which is not there")
    }
    return tensor
  }

  func expert(_ item: JSONValue) throws(TinctureError) -> Mixture.Expert {
    guard let name = item["name"]?.stringValue, !name.isEmpty,
      let members = item["vectors"]?.objectValue?.members
    else { throw fault("has an expert without a name or without vectors") }
    var vectors: [String: Mixture.Vector] = [:]
    for (own, value) in members { vectors[own] = try vector(value, "'\(name)' for '\(own)'") }
    return Mixture.Expert(name: name, vectors: vectors)
  }

  private func vector(
    _ item: JSONValue, _ what: String
  ) throws(TinctureError) -> Mixture.Vector {
    let extents = item["shape"]?.arrayValue?.compactMap(\.intValue) ?? [-1]
    guard let shape = Shape(extents) else { throw fault("gives no shape to the vector of \(what)") }
    func part(_ role: String) throws(TinctureError) -> StoredTensor {
      guard let key = item[role]?.stringValue else {
        throw fault("gives no '\(role)' to the vector of \(what)")
      }
      return try tensor(key)
    }
    func misfit(_ parts: StoredTensor...) -> TinctureError {
      let shapes = parts.map { "\($0.dtype.rawValue) \($0.shape)" }.joined(separator: " and ")
      return fault("makes a vector of \(what), of the shape \(shape), from \(shapes)")
    }
    switch item["form"]?.stringValue {
    case "dense":
      let tensor = try part("dense")
      guard tensor.shape == shape, tensor.dtype.isArithmetic else { throw misfit(tensor) }
      return Mixture.Vector(shape: shape, form: .dense(tensor))
    case "low_rank":
      let (left, right) = (try part("left"), try part("right"))
      guard shape.rank == 2, left.shape.rank == 2, right.shape.rank == 2,
        left.shape.extents[0] == extents[0], right.shape.extents[1] == extents[1],
        left.shape.extents[1] == right.shape.extents[0], left.dtype.isArithmetic,
        right.dtype.isArithmetic
      else { throw misfit(left, right) }
      return Mixture.Vector(shape: shape, form: .lowRank(left: left, right: right))
    case "sparse":
      let (mask, values) = (try part("mask"), try part("values"))
      guard mask.dtype == .u8, mask.shape.extents == [(shape.elementCount + 7) / 8],
        values.shape.rank == 1, values.dtype.isArithmetic
      else { throw misfit(mask, values) }
      return Mixture.Vector(shape: shape, form: .sparse(mask: mask, values: values))
    default: throw fault("stores the vector of \(what) in a form that is not known")
    }
  }

  func router(_ item: JSONValue) throws(TinctureError) -> Mixture.Router {
    guard let members = item["tensors"]?.objectValue?.members, !members.isEmpty else {
      throw fault("has a router without tensors")
    }
    var tensors: [String: StoredTensor] = [:]
    for (role, value) in members {
      guard let key = value.stringValue else {
        throw fault("has a router with a part that is no text")
      }
      tensors[role] = try tensor(key)
    }
    let modules = item["modules"]?.arrayValue?.compactMap(\.stringValue) ?? []
    return Mixture.Router(modules: modules, tensors: tensors)
  }
}
