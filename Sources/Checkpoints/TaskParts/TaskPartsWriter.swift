internal import TinctureJSON
internal import TinctureSafetensors
public import TinctureTensors

/// Collects the parts of tasks and puts them into a file.
public struct TaskPartsWriter: Sendable {
  private struct Entry {
    let task: String
    let role: String
    let name: String
    let plainName: String?
    let dtype: DType
    let shape: Shape
    let bytes: [UInt8]
  }

  private let method: String
  private var entries: [Entry] = []

  /// Begins without parts.
  ///
  /// - Parameter method: The method that makes them.
  public init(method: String) { self.method = method }

  /// Whether nothing was added.
  public var isEmpty: Bool { entries.isEmpty }

  /// Adds a tensor.
  ///
  /// - Parameters:
  ///   - task: The task.
  ///   - role: What the tensor is; a role is added once for each task.
  ///   - plainName: Its name in a plain checkpoint of the task, for roles that are no tensors of the model.
  ///   - dtype: The type of the elements.
  ///   - shape: The extents.
  ///   - bytes: The elements, little-endian, the last axis running fastest.
  public mutating func add(
    _ task: String, role: String, plainName: String? = nil, dtype: DType, shape: Shape,
    bytes: [UInt8]
  ) {
    entries.append(
      Entry(
        task: task, role: role, name: "\(task)/\(role)", plainName: plainName, dtype: dtype,
        shape: shape, bytes: bytes))
  }

  /// The file.
  ///
  /// - Returns: The bytes of ``TaskParts/fileName``; the same for the same parts.
  public func encoded() -> [UInt8] {
    var order: [String] = []
    for entry in entries where !order.contains(entry.task) { order.append(entry.task) }
    let tasks = order.map { task in
      let own = entries.filter { $0.task == task }
      return Self.Description(
        task: task, tensors: own.map { ($0.role, $0.name) },
        plainNames: own.compactMap { entry in entry.plainName.map { (entry.role, $0) } })
    }
    let description = Self.metadata(method: method, tasks)
    let header = SafetensorsHeader.encode(
      tensors: entries.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [("format", "pt"), (TaskParts.metadataKey, description)])
    return header + entries.flatMap(\.bytes)
  }

  /// What the metadata says about one task.
  public struct Description: Sendable {
    let task: String
    let tensors: [(role: String, name: String)]
    let plainNames: [(role: String, name: String)]

    /// Describes a task.
    ///
    /// - Parameters:
    ///   - task: The task.
    ///   - tensors: The tensors of the file by role; several tasks may have the same tensor.
    ///   - plainNames: The names of roles in a plain checkpoint of the task.
    public init(
      task: String, tensors: [(role: String, name: String)],
      plainNames: [(role: String, name: String)] = []
    ) {
      self.task = task
      self.tensors = tensors
      self.plainNames = plainNames
    }
  }

  /// The text under ``TaskParts/metadataKey``, for files that are written in another way.
  public static func metadata(method: String, _ tasks: [Description]) -> String {
    func object(_ pairs: [(role: String, name: String)]) -> JSONValue {
      .object(JSONObject(pairs.map { ($0.role, .string($0.name)) }))
    }
    let items = tasks.map { task in
      JSONValue.object(
        JSONObject([
          ("name", .string(task.task)), ("tensors", object(task.tensors)),
          ("names", object(task.plainNames)),
        ]))
    }
    return JSONValue.object(
      JSONObject([
        ("version", .integer(TaskParts.version)), ("method", .string(method)),
        ("tasks", .array(items)),
      ])
    ).text(indentation: nil)
  }
}
