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
  ///   - arrangement: What the tasks have of a tensor; nil for masks of all.
  /// - Throws: What reading and writing throw.
  /// - Complexity: One pass over the base, the models and the output; models are what the steps before the
  ///   method leave of them.
  public func write(
    _ masks: TaskMasks, of models: [Int], _ session: MergeSession,
    arrangement: (@Sendable (String) -> TaskMasks.Layout)? = nil
  ) async throws(TinctureError) {
    var masks = masks
    let room = session.isArranged ? session.arrangedRoom() : nil
    let workers = room?.workers ?? session.workers
    let ahead = Self.tensorsAhead(
      session.steps, workers: workers, limit: room?.limit ?? session.memoryLimit,
      keepsTensors: arrangement != nil
    ).count
    masks.ahead = ahead
    masks.workers = max(1, min(workers, ahead))
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
      if session.isArranged {
        let sources = ArrangedTensor(try session.inputs(of: step))
          .sources(models.map { step.modelIndices.firstIndex(of: $0) })
        return TaskMasks.Tensor(
          base: sources.base, tasks: sources.models,
          layout: arrangement?(name) ?? TaskMasks.Layout())
      }
      let readers = models.map { model in
        step.modelIndices.firstIndex(of: model).map { step.models[$0] } ?? base
      }
      return TaskMasks.Tensor(
        base: ReaderSource(base), tasks: readers.map { ReaderSource($0) },
        layout: arrangement?(name) ?? TaskMasks.Layout())
    }
  }

  /// The memory that writing this bank takes.
  ///
  /// - Parameters:
  ///   - steps: The steps that merge.
  ///   - workers: How many tensors are encoded at a time.
  ///   - limit: Bytes that should not be exceeded; the largest tensor must be held all the same.
  ///   - keepsTensors: Whether tasks may have tensors of their own.
  /// - Returns: Bytes for the tensors that are encoded and not yet written, and for blocks and windows.
  public static func maskMemory(
    _ steps: [MergeStep], workers: Int, limit: Int, keepsTensors: Bool = false
  ) -> Int {
    let ahead = tensorsAhead(steps, workers: workers, limit: limit, keepsTensors: keepsTensors)
    // Each worker has a window and a block of every model, and of the base, the merged tensor and the vector.
    let inputs = 3 + (steps.map(\.models.count).max() ?? 0)
    let blocks = min(workers, max(1, ahead.count)) * inputs * ((1 << 17) + (1 << 16))
    return ahead.reduce(0, +) + blocks
  }

  /// The bytes of as many of the largest tensors as may be encoded and not yet written.
  private static func tensorsAhead(
    _ steps: [MergeStep], workers: Int, limit: Int, keepsTensors: Bool
  ) -> [Int] {
    var largest: [String: Int] = [:]
    for step in steps {
      // Single precision for what leads back to the base, and a bit for each task, or tensors of their own.
      let (count, models) = (step.shape.elementCount, step.models.count)
      let own = step.dtype.byteWidth.map { $0 * models * count } ?? 0
      largest[step.name] = max(4 * count + models * (count / 8 + 1), keepsTensors ? own : 0)
    }
    var (ahead, total) = ([Int](), 0)
    for bytes in largest.values.sorted(by: >).prefix(2 * workers) {
      guard ahead.isEmpty || total + bytes <= limit else { break }
      ahead.append(bytes)
      total += bytes
    }
    return ahead
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
