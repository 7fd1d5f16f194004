internal import TinctureJSON
internal import TinctureSafetensors
public import TinctureTensors

/// Collects routers and the vectors of experts and puts them into a file.
public struct MixtureWriter: Sendable {
  private struct Entry {
    let name: String
    let dtype: DType
    let shape: Shape
    let bytes: [UInt8]
  }

  private let method: String
  private let routing: Mixture.Routing
  private let tasks: [String]
  private var entries: [Entry] = []
  private var vectors: [[(String, JSONValue)]]
  private var routers: [JSONValue] = []
  private var means: String?
  /// What else is said about the routers.
  public var settings: [String: String] = [:]

  /// Begins without vectors and routers.
  ///
  /// - Parameters:
  ///   - method: The method that makes the mixture.
  ///   - routing: What routers look at.
  ///   - tasks: The experts, in the order of what routers give.
  public init(method: String, routing: Mixture.Routing, tasks: [String]) {
    self.method = method
    self.routing = routing
    self.tasks = tasks
    vectors = tasks.map { _ in [] }
  }

  /// Adds what an expert has for a tensor.
  ///
  /// - Parameters:
  ///   - vector: The elements as they are packed.
  ///   - expert: The number of the expert.
  ///   - tensor: The name of the model's tensor.
  public mutating func add(_ vector: PackedVector, of expert: Int, for tensor: String) {
    let stem = "experts/\(tasks[expert])/\(tensor)"
    var members: [(String, JSONValue)] = [
      ("shape", .array(vector.shape.extents.map { .integer($0) })),
      ("form", .string(vector.form)),
    ]
    for part in vector.parts {
      let name = vector.parts.count == 1 ? stem : "\(stem)/\(part.role)"
      entries.append(Entry(name: name, dtype: part.dtype, shape: part.shape, bytes: part.bytes))
      members.append((part.role, .string(name)))
    }
    vectors[expert].append((tensor, .object(JSONObject(members))))
  }

  /// Adds a router.
  ///
  /// - Parameters:
  ///   - modules: The modules whose tensors it mixes; empty for the whole model.
  ///   - tensors: Its tensors by role, in single precision.
  public mutating func addRouter(
    _ modules: [String], _ tensors: [(role: String, shape: Shape, values: [Float])]
  ) {
    let stem = "routers/\(routers.count)"
    var roles: [(String, JSONValue)] = []
    for tensor in tensors {
      let name = "\(stem)/\(tensor.role)"
      entries.append(
        Entry(name: name, dtype: .f32, shape: tensor.shape, bytes: Self.bytes(tensor.values)))
      roles.append((tensor.role, .string(name)))
    }
    routers.append(
      .object(
        JSONObject([
          ("modules", .array(modules.map { .string($0) })), ("tensors", .object(JSONObject(roles))),
        ])))
  }

  /// Says what the inputs of each task are mixed with on average.
  ///
  /// - Parameters:
  ///   - weights: For each task and module a factor for each expert.
  ///   - moduleCount: How many modules there are.
  public mutating func setMeans(_ weights: [Float], moduleCount: Int) {
    let shape = Shape([tasks.count, moduleCount, tasks.count])
    guard let shape, shape.elementCount == weights.count else {
      preconditionFailure("\(weights.count) means are not as many as tasks, modules and experts.")
    }
    entries.append(Entry(name: "means", dtype: .f32, shape: shape, bytes: Self.bytes(weights)))
    means = "means"
  }

  private static func bytes(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  /// The file.
  ///
  /// - Returns: The bytes of ``Mixture/fileName``; the same for the same contents.
  public func encoded() -> [UInt8] {
    let experts = zip(tasks, vectors).map { task, own in
      JSONValue.object(
        JSONObject([("name", .string(task)), ("vectors", .object(JSONObject(own)))]))
    }
    let said = settings.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
    var members: [(String, JSONValue)] = [
      ("version", .integer(Mixture.version)), ("method", .string(method)),
      ("routing", .string(routing.rawValue)), ("settings", .object(JSONObject(said))),
      ("experts", .array(experts)), ("routers", .array(routers)),
    ]
    if let means { members.append(("means", .string(means))) }
    let header = SafetensorsHeader.encode(
      tensors: entries.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [
        ("format", "pt"),
        (Mixture.metadataKey, JSONValue.object(JSONObject(members)).text(indentation: nil)),
      ])
    var bytes = header
    bytes.reserveCapacity(header.count + entries.reduce(0) { $0 + $1.bytes.count })
    for entry in entries { bytes += entry.bytes }
    return bytes
  }
}

/// The vector of an expert for one tensor as it is stored.
public struct PackedVector: Sendable {
  struct Part: Sendable {
    let role: String
    let dtype: DType
    let shape: Shape
    let bytes: [UInt8]
  }

  let form: String
  let shape: Shape
  let parts: [Part]

  /// Every element.
  public static func dense(_ values: Span<Float>, shape: Shape, dtype: DType) -> PackedVector {
    PackedVector(
      form: "dense", shape: shape,
      parts: [Part(role: "dense", dtype: dtype, shape: shape, bytes: narrowed(values, dtype))])
  }

  /// The elements that are not zero.
  public static func sparse(_ values: Span<Float>, shape: Shape, dtype: DType) -> PackedVector {
    var mask = [UInt8](repeating: 0, count: (values.count + 7) / 8)
    var kept: [Float] = []
    for index in 0..<values.count where values[index] != 0 {
      mask[index / 8] |= 1 << UInt8(index % 8)
      kept.append(values[index])
    }
    return PackedVector(
      form: "sparse", shape: shape,
      parts: [
        Part(role: "mask", dtype: .u8, shape: Shape(vector: mask.count), bytes: mask),
        Part(
          role: "values", dtype: dtype, shape: Shape(vector: kept.count),
          bytes: narrowed(kept.span, dtype)),
      ])
  }

  /// Two factors.
  public static func lowRank(
    left: Span<Float>, right: Span<Float>, rank: Int, shape: Shape, dtype: DType
  ) -> PackedVector {
    let (rows, columns) = (shape.extents[0], shape.extents[1])
    return PackedVector(
      form: "low_rank", shape: shape,
      parts: [
        Part(
          role: "left", dtype: dtype, shape: Shape(rows: rows, columns: rank),
          bytes: narrowed(left, dtype)),
        Part(
          role: "right", dtype: dtype, shape: Shape(rows: rank, columns: columns),
          bytes: narrowed(right, dtype)),
      ])
  }

  private static func narrowed(_ values: Span<Float>, _ dtype: DType) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: values.count * (dtype.byteWidth ?? 0))
    bytes.withUnsafeMutableBytes { Kernels.narrow(values, as: dtype, into: $0) }
    return bytes
  }
}
