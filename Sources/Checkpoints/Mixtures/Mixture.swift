public import SystemPackage
public import TinctureSafetensors
public import TinctureTensors

/// What a merged model mixes into its tensors for every input: the vectors of experts, and the routers that say how
/// much of each.
///
/// θ(x) = θ + Σₜ aₜ(x) vₜ with the model's own tensors θ. It stands in ``fileName`` in the model's directory,
/// an ordinary safetensors file whose metadata says which tensor has which role.
public struct Mixture: Sendable {
  /// The name of the file in a model's directory.
  public static let fileName = "mixture.safetensors"
  /// The key of the description in the file's metadata.
  public static let metadataKey = "tincture.mixture"
  /// The version of the description that is written, and the latest one that is read.
  public static let version = 1
  /// What follows the name of a task in a reference to the model that its inputs have on average.
  public static let meanSuffix = ":mean"

  /// What routers look at.
  public enum Routing: String, Sendable, CaseIterable {
    /// One router looks at the features that the model itself gives, and all vectors are mixed alike.
    case features
    /// The perceptron of each block has a router, which looks at the perceptron's tokens.
    case perceptrons
  }

  /// How the vector of an expert for one tensor is stored.
  public enum Form: Sendable, Hashable {
    /// Every element.
    case dense(StoredTensor)
    /// Two factors, [m, r] and [r, n].
    case lowRank(left: StoredTensor, right: StoredTensor)
    /// A bit for each element, the first lowest, and the values of those whose bit is set.
    case sparse(mask: StoredTensor, values: StoredTensor)
  }

  /// The vector of an expert for one tensor.
  public struct Vector: Sendable, Hashable {
    /// The extents of the tensor.
    public let shape: Shape
    /// How it is stored.
    public let form: Form
  }

  /// What is mixed in for one task.
  public struct Expert: Sendable {
    /// The task.
    public let name: String
    /// The vectors by the names of the model's tensors.
    public let vectors: [String: Vector]
  }

  /// A router.
  public struct Router: Sendable {
    /// The modules whose tensors it mixes; empty for the whole model.
    public let modules: [String]
    /// Its tensors by role.
    public let tensors: [String: StoredTensor]
  }

  /// The file.
  public let file: SafetensorsFile
  /// The method that made the mixture.
  public let method: String
  /// What routers look at.
  public let routing: Routing
  /// The experts, in the order of what routers give.
  public let experts: [Expert]
  /// The routers.
  public let routers: [Router]
  /// What else is said about the routers, such as the function between their layers.
  public let settings: [String: String]
  /// What the inputs of each task were mixed with on average: [tasks, modules, experts].
  public let means: StoredTensor?

  /// The modules in the order of the routers; one without a name for the whole model.
  public var modules: [String] { routers.flatMap { $0.modules.isEmpty ? [""] : $0.modules } }

  /// The path of the mixture of a model's directory, when there is one.
  public static func path(in directory: FilePath) -> FilePath? {
    let path = directory.appending(fileName)
    return FileKind(of: path) == .file ? path : nil
  }

  /// The number of an expert.
  ///
  /// - Parameter name: The task.
  /// - Returns: Its place among the experts.
  /// - Throws: `missingInput` that lists the tasks there are.
  public func index(of name: String) throws(TinctureError) -> Int {
    if let index = experts.firstIndex(where: { $0.name == name }) { return index }
    throw TinctureError(
      .missingInput,
      "The mixture has no expert for the task '\(name)'; it has"
        + " \(experts.map(\.name).joined(separator: ", ")).",
      at: .init(file: file.file.path.string))
  }

  init(
    file: SafetensorsFile, method: String, routing: Routing, experts: [Expert], routers: [Router],
    settings: [String: String], means: StoredTensor?
  ) {
    (self.file, self.method, self.routing) = (file, method, routing)
    (self.experts, self.routers, self.settings, self.means) = (experts, routers, settings, means)
  }
}

extension Mixture.Vector {
  /// The bytes of what is stored.
  public var byteCount: Int {
    switch form {
    case .dense(let tensor): tensor.byteCount
    case .lowRank(let left, let right): left.byteCount + right.byteCount
    case .sparse(let mask, let values): mask.byteCount + values.byteCount
    }
  }
}
