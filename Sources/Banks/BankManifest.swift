public import TinctureJSON
public import TinctureTensors

/// What a bank says about itself: its base, its experts, and how every vector is stored.
public struct BankManifest: Sendable, Hashable {
  /// The version of the format that this library writes, and the latest one that it reads.
  public static let version = 1
  /// The key of the manifest in the container's metadata.
  public static let metadataKey = "tincture.bank"
  /// The key of the manifest's SHA-256 in the container's metadata.
  public static let digestKey = "tincture.bank.sha256"

  /// The base that the experts were tuned from.
  public struct Base: Sendable, Hashable {
    /// Where the base was when the bank was made, as it was written.
    public var location: String
    /// SHA-256 over names, types, shapes and all elements.
    public var digest: String
    /// SHA-256 over names, types, shapes and samples of the elements, which opening a bank checks.
    public var quickDigest: String

    /// The location of a base in whose directory the bank lies.
    public static let beside = "."

    /// Describes a base.
    public init(location: String, digest: String, quickDigest: String) {
      self.location = location
      self.digest = digest
      self.quickDigest = quickDigest
    }
  }

  /// An expert.
  public struct Expert: Sendable, Hashable {
    /// The name by which recipes take it.
    public var name: String
    /// Where it was when it was stored, as it was written.
    public var source: String
    /// How it is stored.
    public var codec: BankCodec
    /// Describes an expert.
    public init(name: String, source: String, codec: BankCodec) {
      self.name = name
      self.source = source
      self.codec = codec
    }
  }

  /// The base.
  public var base: Base
  /// The experts in the order in which they were stored.
  public var experts: [Expert]
  /// The records by tensor and owner; a tensor without a record equals that of the base.
  public var records: [String: [VectorOwner: VectorRecord]] = [:]
  /// SHA-256 of every part by its name.
  public var digests: [String: String] = [:]

  /// Creates a manifest.
  public init(base: Base, experts: [Expert]) {
    self.base = base
    self.experts = experts
  }

  /// An expert by name.
  public subscript(expert name: String) -> Expert? { experts.first { $0.name == name } }

  /// Whether a name may be an expert's: letters, digits, and `._-` inside.
  public static func isValidName(_ name: String) -> Bool {
    let scalars = name.unicodeScalars
    guard let first = scalars.first, scalars.count <= 200 else { return false }
    func isPlain(_ scalar: Unicode.Scalar) -> Bool {
      ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
    }
    return isPlain(first) && scalars.allSatisfy { isPlain($0) || "._-".unicodeScalars.contains($0) }
  }
}

extension BankManifest {
  /// The manifest as JSON; tensors, owners and digests are sorted by name.
  public var json: JSONValue {
    let base = JSONObject([
      ("location", .string(self.base.location)), ("sha256", .string(self.base.digest)),
      ("quick_sha256", .string(self.base.quickDigest)),
    ])
    var tensors = JSONObject()
    for (name, owners) in records.sorted(by: { $0.key < $1.key }) {
      var object = JSONObject()
      for (owner, record) in owners.sorted(by: { $0.key < $1.key }) {
        object[owner.key] = record.json
      }
      tensors[name] = .object(object)
    }
    var digests = JSONObject()
    for (name, digest) in self.digests.sorted(by: { $0.key < $1.key }) {
      digests[name] = .string(digest)
    }
    return .object(
      JSONObject([
        ("version", .integer(Self.version)), ("base", .object(base)),
        ("experts", .array(experts.map(\.json))), ("tensors", .object(tensors)),
        ("sha256", .object(digests)),
      ]))
  }

  /// Reads a manifest.
  ///
  /// - Parameter json: The document.
  /// - Throws: `checkpoint` when it is of a later version, incomplete or contradictory.
  public init(_ json: JSONValue) throws(TinctureError) {
    guard let version = json["version"]?.intValue else { throw Self.fault("has no version") }
    guard version <= Self.version, version > 0 else {
      throw TinctureError(
        .checkpoint,
        "The bank has version \(version), this program reads up to \(Self.version); use a newer one."
      )
    }
    guard let base = json["base"], let location = base["location"]?.stringValue,
      let digest = base["sha256"]?.stringValue, let quick = base["quick_sha256"]?.stringValue,
      Self.isDigest(digest), Self.isDigest(quick)
    else { throw Self.fault("does not describe the base") }
    guard let experts = json["experts"]?.arrayValue, let tensors = json["tensors"]?.objectValue,
      let digests = json["sha256"]?.objectValue
    else { throw Self.fault("lists no experts, no tensors or no digests") }
    self.init(
      base: Base(location: location, digest: digest, quickDigest: quick),
      experts: try experts.map { (json) throws(TinctureError) in try Expert(json) })
    var names: Set<String> = []
    for expert in self.experts where !names.insert(expert.name).inserted {
      throw Self.fault("has two experts named \"\(expert.name)\"")
    }
    for (tensor, owners) in tensors.members {
      var records: [VectorOwner: VectorRecord] = [:]
      for (key, value) in owners.objectValue?.members ?? [] {
        guard let owner = VectorOwner(key: key) else {
          throw Self.fault("has a record of \"\(key)\", who is nobody", tensor: tensor)
        }
        if case .expert(let name) = owner, !names.contains(name) {
          throw Self.fault(
            "has a record of the expert \"\(name)\", who is not listed", tensor: tensor)
        }
        do throws(TinctureError) {
          records[owner] = try VectorRecord(value, isShared: owner == .shared)
        } catch { throw error.located(tensor: tensor) }
      }
      for record in records.values where record.needsShared {
        guard let shared = records[.shared], shared.shape == record.shape else {
          throw Self.fault(
            "refers to a shared vector that is missing or of another shape", tensor: tensor)
        }
        if case .mask = shared.content {
          throw Self.fault("masks a shared vector that is a mask itself", tensor: tensor)
        }
      }
      self.records[tensor] = records
    }
    for (name, value) in digests.members {
      guard let text = value.stringValue, Self.isDigest(text) else {
        throw Self.fault("has no digest of \"\(name)\"")
      }
      self.digests[name] = text
    }
  }

  /// SHA-256 of a manifest's text, as 64 hexadecimal digits.
  public static func digest(of text: String) -> String { PartDigest.of(Array(text.utf8)) }

  private static func isDigest(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  static func fault(_ what: String, tensor: String? = nil) -> TinctureError {
    TinctureError(
      .checkpoint, "The bank's description \(what); the file is damaged.", at: .init(tensor: tensor)
    )
  }
}

extension BankManifest.Expert {
  fileprivate var json: JSONValue {
    .object(
      JSONObject([
        ("name", .string(name)), ("source", .string(source)), ("codec", codec.json),
      ]))
  }

  fileprivate init(_ json: JSONValue) throws(TinctureError) {
    guard let name = json["name"]?.stringValue, BankManifest.isValidName(name),
      let source = json["source"]?.stringValue, let codec = json["codec"]
    else { throw BankManifest.fault("has an expert without a usable name, source or codec") }
    self.init(name: name, source: source, codec: try BankCodec(codec))
  }
}

extension VectorOwner {
  var key: String {
    switch self {
    case .shared: "shared"
    case .expert(let name): "expert/" + name
    }
  }

  init?(key: String) {
    if key == "shared" {
      self = .shared
    } else if key.hasPrefix("expert/") {
      self = .expert(String(key.dropFirst(7)))
    } else {
      return nil
    }
  }
}
