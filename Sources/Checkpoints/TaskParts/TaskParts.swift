public import SystemPackage
internal import TinctureJSON
public import TinctureSafetensors
public import TinctureTensors

/// What a merged model has for each of its tasks beside the tensors that all share: tinted layers, heads,
/// corrections of features.
///
/// The parts stand in ``fileName`` in the model's directory, an ordinary safetensors file. Its metadata says
/// which tensor has which role for which task.
public struct TaskParts: Sendable {
  /// The name of the file in a model's directory.
  public static let fileName = "task_parts.safetensors"
  /// The key of the description in the file's metadata.
  public static let metadataKey = "tincture.task_parts"
  /// The version of the description that is written, and the latest one that is read.
  public static let version = 1

  /// The parts of one task.
  public struct Task: Sendable {
    /// The task.
    public let name: String
    /// The tensors by role: `head.weight`, `parameter:NAME` in place of a tensor of the model, and others.
    public let tensors: [String: StoredTensor]
    /// Under which names a plain checkpoint holds roles that are no tensors of the model.
    public let plainNames: [String: String]

    /// The tensors that stand in place of the model's, by the model's names.
    public var replacements: [(name: String, tensor: StoredTensor)] {
      tensors.filter { $0.key.hasPrefix(TaskParts.parameterPrefix) }
        .map { (String($0.key.dropFirst(TaskParts.parameterPrefix.count)), $0.value) }
        .sorted { $0.0 < $1.0 }
    }
  }

  /// What roles begin with that replace a tensor of the model.
  public static let parameterPrefix = "parameter:"

  /// The file.
  public let file: SafetensorsFile
  /// The method that made the parts.
  public let method: String
  /// The tasks, in the order in which they were written.
  public let tasks: [Task]

  /// The path of the parts of a model's directory, when there are any.
  public static func path(in directory: FilePath) -> FilePath? {
    let path = directory.appending(fileName)
    return FileKind(of: path) == .file ? path : nil
  }

  /// The parts of a task.
  ///
  /// - Parameter name: The task.
  /// - Returns: Its tensors.
  /// - Throws: `missingInput` that lists the tasks there are.
  public func task(_ name: String) throws(TinctureError) -> Task {
    if let task = tasks.first(where: { $0.name == name }) { return task }
    throw TinctureError(
      .missingInput,
      "There is no part for the task '\(name)'; there are parts for"
        + " \(tasks.map(\.name).joined(separator: ", ")).", at: .init(file: file.file.path.string))
  }

  /// The parts of one task alone.
  ///
  /// - Parameter name: The task.
  /// - Returns: The parts; nil when the task has none.
  public func only(_ name: String) -> TaskParts? {
    tasks.first { $0.name == name }.map { TaskParts(file: file, method: method, tasks: [$0]) }
  }

  private init(file: SafetensorsFile, method: String, tasks: [Task]) {
    self.file = file
    self.method = method
    self.tasks = tasks
  }

  /// Opens a file of parts.
  ///
  /// - Parameter path: The file.
  /// - Throws: `missingInput` when it is not there, `checkpoint` when it or its description is malformed.
  /// - Complexity: Reads the header only.
  public init(opening path: FilePath) throws(TinctureError) {
    let file = try SafetensorsFile(opening: path)
    func fault(_ what: String) -> TinctureError {
      TinctureError(
        .checkpoint, "The description of the parts of tasks \(what).", at: .init(file: path.string))
    }
    guard let text = file.header.metadata.first(where: { $0.key == Self.metadataKey })?.value else {
      throw fault("is missing from the metadata")
    }
    let json: JSONValue
    do throws(TinctureError) { json = try JSONValue(parsing: text) } catch {
      throw fault("is no JSON: \(error.message)")
    }
    guard let version = json["version"]?.intValue, version > 0 else {
      throw fault("has no version")
    }
    guard version <= Self.version else {
      throw fault("has version \(version), this program reads up to \(Self.version)")
    }
    guard let method = json["method"]?.stringValue, let items = json["tasks"]?.arrayValue else {
      throw fault("names no method or no tasks")
    }
    let stored = Dictionary(
      file.header.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var tasks: [Task] = []
    for item in items {
      guard let name = item["name"]?.stringValue, !name.isEmpty,
        let roles = item["tensors"]?.objectValue
      else { throw fault("has a task without a name or without tensors") }
      guard !tasks.contains(where: { $0.name == name }) else {
        throw fault("has two tasks '\(name)'")
      }
      var tensors: [String: StoredTensor] = [:]
      for (role, value) in roles.members {
        guard let key = value.stringValue, let tensor = stored[key] else {
          throw fault("gives the role '\(role)' of '\(name)' to a tensor that is not there")
        }
        tensors[role] = tensor
      }
      var plain: [String: String] = [:]
      for (role, value) in item["names"]?.objectValue?.members ?? [] {
        guard let own = value.stringValue, tensors[role] != nil else {
          throw fault("names a role of '\(name)' that it does not have")
        }
        plain[role] = own
      }
      tasks.append(Task(name: name, tensors: tensors, plainNames: plain))
    }
    self.file = file
    self.method = method
    self.tasks = tasks
  }
}
