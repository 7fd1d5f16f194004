public import SystemPackage
internal import TinctureSafetensors
public import TinctureTensors

extension TaskParts {
  /// The model of one task as a checkpoint of its own: the shared tensors, the task's in place of some of
  /// them, and its heads under their plain names.
  ///
  /// - Parameters:
  ///   - directory: The model's directory.
  ///   - name: The task.
  /// - Returns: The checkpoint; tensors stay where they are.
  /// - Throws: `missingInput` when the directory has no parts or none for this task, `checkpoint` when a part
  ///   does not fit the model or can only be used by a program that knows what it is.
  public static func checkpoint(
    _ directory: FilePath, task name: String
  ) throws(TinctureError) -> Checkpoint {
    guard let path = path(in: directory) else {
      throw TinctureError(
        .missingInput,
        "The model has no parts for single tasks (\(fileName)), so there is no '\(name)' in it.",
        at: .init(file: directory.string))
    }
    let parts = try TaskParts(opening: path)
    let task = try parts.task(name)
    let shared = try Checkpoint.open(directory)
    var entries: [Checkpoint.Entry] = []
    func add(_ tensor: StoredTensor, as name: String) {
      let renamed = StoredTensor(
        name: name, dtype: tensor.dtype, shape: tensor.shape, byteOffset: tensor.byteOffset)
      entries.append(Checkpoint.Entry(tensor: renamed, file: parts.file.file))
    }
    for (own, tensor) in task.replacements {
      guard let stored = shared[own]?.tensor, stored.shape == tensor.shape else {
        throw TinctureError(
          .checkpoint,
          "The task '\(name)' has a tensor \(tensor.shape) of its own where the model has"
            + " \(shared[own].map { "\($0.tensor.shape)" } ?? "none").",
          at: .init(file: path.string, tensor: own))
      }
      add(tensor, as: own)
    }
    for (role, plain) in task.plainNames.sorted(by: { $0.key < $1.key }) {
      if let tensor = task.tensors[role] { add(tensor, as: plain) }
    }
    return try Checkpoint(path: directory, base: shared, removing: [], replacing: entries)
  }
}
