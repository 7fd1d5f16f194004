public import SystemPackage
public import TinctureBanks
internal import TinctureCheckpoints
internal import TinctureSafetensors
public import TinctureTensors

/// The output of a merge before it is put in its place: all tensors are written, small files are not.
public struct MergedOutput: Sendable {
  /// The directory of the files; what a method puts there becomes part of the output.
  public let directory: FilePath
  private let layout: OutputLayout
  private let tensors: [String: MergeStep]

  init(directory: FilePath, plan: MergePlan) {
    self.directory = directory
    layout = plan.layout
    tensors = Dictionary(
      plan.steps.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// A reader of a tensor as it was written; nil when there is none of this name.
  ///
  /// - Throws: `missingInput` when the file cannot be opened.
  public func reader(_ name: String) throws(TinctureError) -> (any TensorReader)? {
    guard let step = tensors[name] else { return nil }
    let file = try InputFile(opening: directory.appending(layout.files[step.output.file].name))
    let tensor = StoredTensor(
      name: name, dtype: step.dtype, shape: step.shape, byteOffset: step.output.offset)
    return StoredTensorReader(tensor, in: file, model: "the merged model")
  }

  /// Writes the bank that makes single tasks out of the merged model.
  ///
  /// - Parameters:
  ///   - masks: The codec and the tasks.
  ///   - models: The positions of the tasks' models in the recipe.
  ///   - session: The merge.
  /// - Throws: What reading and writing throw.
  /// - Complexity: One pass over the base, the models and the output.
  public func write(_ masks: TaskMasks, of models: [Int], _ session: MergeSession)
    async throws(TinctureError)
  {
    var masks = masks
    // Masks and the shared vector of a tensor are kept until it is written.
    let largest = session.steps.map(\.shape.elementCount).max() ?? 0
    let bytes = 4 * largest + masks.tasks.count * (largest / 8) + 1
    masks.workers = max(1, min(session.workers, session.memoryLimit / bytes))
    let interruption = session.interruption
    masks.check = { () throws(TinctureError) in try interruption.check() }
    var steps: [String: MergeStep] = [:]
    for step in session.steps { steps[step.name] = step }
    let found = steps
    try await masks.create(
      directory.appending(TaskMasks.fileName), merged: self, tensors: found.keys.sorted()
    ) { (name) throws(TinctureError) in
      guard let step = found[name], let base = step.base, step.dtype.isArithmetic else {
        return nil
      }
      // Models that lack the tensor have the base's.
      let readers = models.map { model in
        step.modelIndices.firstIndex(of: model).map { step.models[$0] } ?? base
      }
      return TaskMasks.Tensor(base: ReaderSource(base), tasks: readers.map { ReaderSource($0) })
    }
  }
}

extension MergedOutput: BankModel {
  /// The directory.
  public var location: String { directory.string }
  /// The files with tensors.
  public var files: [FilePath] { layout.files.map { directory.appending($0.name) } }
  /// The names of the tensors.
  public var names: [String] { tensors.keys.sorted() }

  /// The tensor of a name.
  public func source(_ name: String) throws(TinctureError) -> (any WeightSource)? {
    try reader(name).map { ReaderSource($0) }
  }
}

extension MergeMethod {
  /// Nothing.
  public func complete(_ output: MergedOutput, _ session: MergeSession, state: State)
    async throws(TinctureError)
  {}
}
