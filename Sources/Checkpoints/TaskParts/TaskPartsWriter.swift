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
      let plain = own.compactMap { entry in
        entry.plainName.map { (entry.role, JSONValue.string($0)) }
      }
      return JSONValue.object(
        JSONObject([
          ("name", .string(task)),
          ("tensors", .object(JSONObject(own.map { ($0.role, .string($0.name)) }))),
          ("names", .object(JSONObject(plain))),
        ]))
    }
    let description = JSONValue.object(
      JSONObject([
        ("version", .integer(TaskParts.version)), ("method", .string(method)),
        ("tasks", .array(tasks)),
      ]))
    let header = SafetensorsHeader.encode(
      tensors: entries.map { ($0.name, $0.dtype, $0.shape) },
      metadata: [("format", "pt"), (TaskParts.metadataKey, description.text(indentation: nil))])
    return header + entries.flatMap(\.bytes)
  }
}
