internal import SystemPackage
internal import TinctureCheckpoints
package import TinctureEvaluation
package import TinctureMerging
package import TinctureNetworks
package import TinctureTensors
package import TinctureTorch

/// What is to be learned from: the steps of a merge beside the tasks of a suite.
package struct LearningProblem: Sendable {
  /// The suite with a task for each model, in the order of the models.
  package private(set) var suite: EvaluationSuite
  /// The network under the names of the models.
  package let network: any Network
  /// A step for each tensor that the network needs and that is merged.
  package private(set) var steps: [MergeStep]
  /// The tasks of the suite for which there is no model.
  package let otherTasks: [EvaluationTask]
  /// The readers of the tensors that the network needs and that are merely copied.
  package let constants: [String: any TensorReader]
  /// What the recipe says about the data.
  package let data: LearningData
  /// Where networks run.
  package let device: TorchDevice
  /// How matrices are multiplied.
  package let precision: ComputePrecision
  private let options: MergeOptions

  /// Brings the models of a merge together with the suite of its recipe.
  ///
  /// - Parameters:
  ///   - steps: The steps that merge.
  ///   - copies: The steps that copy.
  ///   - options: What applies to the merge, with the data.
  /// - Throws: `recipe` when the suite's tasks do not fit the models, `checkpoint` when the models do not fit
  ///   the suite's network, and what is wrong with the suite.
  package init(
    steps: [MergeStep], copies: [MergeStep], options: MergeOptions
  ) throws(TinctureError) {
    guard let data = options.data else {
      throw TinctureError(.recipe, "The recipe has no 'data' to learn from.")
    }
    self.data = data
    self.options = options
    device = try TorchDevice(parsing: options.machine.device)
    precision = options.machine.usesHalfPrecision ? .bf16 : .full
    var whole: [String: MergeStep] = [:]
    for step in steps where whole[step.name] == nil {
      guard step.inputRounding == nil else {
        throw TinctureError(
          .recipe,
          "Learning computes in single precision; name the type of the output by 'out_dtype' in place of"
            + " 'dtype'.", at: .init(file: data.source.name))
      }
      whole[step.name] = step.with(index: step.index, elements: 0..<step.shape.elementCount)
    }
    var copied: [String: any TensorReader] = [:]
    for step in copies {
      if case .copy(let reader, _) = step.action { copied[step.name] = reader }
    }
    var suite = try data.openSuite()
    // Where tensors are missing from some models, the tensors that most have tell the models.
    let count = steps.map(\.models.count).max() ?? 0
    let models = steps.first { $0.models.count == count }?.models ?? []
    let tasks = try data.matched(suite, models.map(\.place))
    otherTasks = suite.tasks.filter { task in !tasks.contains { $0.name == task.name } }
    suite.tasks = tasks
    var shapes = whole.mapValues(\.shape.extents)
    for (name, reader) in copied { shapes[name] = reader.shape.extents }
    network = try suite.network.fitted(to: shapes)
    try network.check(shapes)
    suite.network = network
    self.suite = suite
    self.steps = network.parameterShapes.compactMap { whole[$0.name] }
    let needed = Set(network.parameterShapes.map(\.name))
    constants = copied.filter { needed.contains($0.key) }
    for step in self.steps {
      guard step.models.count == suite.tasks.count, step.base != nil else {
        throw TinctureError(
          .checkpoint,
          "The network needs this tensor, but only \(step.models.count) of the \(suite.tasks.count)"
            + " models and the base have it.", at: .init(tensor: step.name))
      }
    }
  }

  /// Opens the tasks.
  ///
  /// - Parameter needsLabels: Whether it must be known what is true.
  /// - Returns: The tasks in the order of the models.
  /// - Throws: What is wrong with data and heads.
  package func tasks(needsLabels: Bool) throws(TinctureError) -> [LearningTask] {
    var tasks: [LearningTask] = []
    for task in suite.tasks {
      tasks.append(
        try LearningTask(
          task, of: suite, network, on: device, limit: data.limit?.value, needsLabels: needsLabels))
    }
    return tasks
  }

  /// Opens a task of the suite for which there is no model.
  ///
  /// - Parameters:
  ///   - name: The task.
  ///   - needsLabels: Whether it must be known what is true.
  /// - Returns: The task.
  /// - Throws: `recipe` that lists the tasks there are, and what is wrong with data and head.
  package func otherTask(
    _ name: String, needsLabels: Bool
  ) throws(TinctureError) -> LearningTask {
    guard let task = otherTasks.first(where: { $0.name == name }) else {
      let known = otherTasks.map(\.name).joined(separator: ", ")
      throw data.source.error(
        at: data.position,
        "The suite has no task '\(name)' without a model"
          + (known.isEmpty ? "; all its tasks have one." : "; there are \(known)."))
    }
    return try LearningTask(
      task, of: suite, network, on: device, limit: data.limit?.value, needsLabels: needsLabels)
  }

  /// The same with some of the models and their tasks.
  ///
  /// - Parameter tasks: The positions of the tasks.
  /// - Returns: A problem in which they are numbered from 0.
  package func selecting(_ tasks: [Int]) -> LearningProblem {
    var other = self
    other.suite.tasks = tasks.map { suite.tasks[$0] }
    other.steps = steps.map { step in
      MergeStep(
        index: step.index, name: step.name, shape: step.shape, dtype: step.dtype,
        base: step.base, models: tasks.map { step.models[$0] },
        modelIndices: tasks.map { step.modelIndices[$0] }, parameters: step.parameters,
        layer: step.layer, depth: step.depth, output: step.output)
    }
    return other
  }

  /// The base and the task vectors.
  ///
  /// - Parameters:
  ///   - memoryLimit: Bytes up to which task vectors are kept in memory.
  ///   - workers: How many tensors are worked on at a time.
  ///   - change: What is done to task vectors first.
  /// - Returns: The base and the task vectors.
  /// - Throws: What reading throws.
  package func vectors(
    memoryLimit: Int, workers: Int, change: (any TaskVectorChange)? = nil
  ) throws(TinctureError) -> TaskVectorSet {
    try TaskVectorSet(
      steps, memoryLimit: memoryLimit, nonFinite: options.nonFinite, workers: workers,
      change: change)
  }

  /// The tensors that are merely copied, on the device.
  package func constantTensors() throws(TinctureError) -> [String: TorchTensor] {
    try tensors(of: constants)
  }

  /// The parameters of a model.
  ///
  /// - Parameter readers: Its tensors by the network's names.
  /// - Returns: The tensors on the device, in single precision.
  /// - Throws: What reading throws.
  package func parameters(
    _ readers: [String: any TensorReader]
  ) throws(TinctureError) -> Parameters { Parameters(try tensors(of: readers)) }

  /// Tensors on the device.
  func tensors(
    of readers: [String: any TensorReader]
  ) throws(TinctureError) -> [String: TorchTensor] {
    var tensors: [String: TorchTensor] = [:]
    let window = ReadWindow(byteCount: 1 << 20)
    for (name, reader) in readers {
      let memory = try FloatMemory(count: reader.shape.elementCount) {
        (span) throws(TinctureError) in
        _ = try reader.read(0..<span.count, into: &span, window: window)
      }
      tensors[name] = try memory.tensor(reader.shape.extents, on: device)
    }
    return tensors
  }

  /// The tensors of the expert of a task by their names.
  package func expert(_ task: Int) -> [String: any TensorReader] {
    var readers = constants
    for step in steps { readers[step.name] = step.models[task] }
    return readers
  }

  /// The tensors of the base by their names.
  package var base: [String: any TensorReader] {
    var readers = constants
    for step in steps { readers[step.name] = step.base }
    return readers
  }

  /// What measures models on the suite, with outputs kept by content.
  package func evaluator(_ interruption: Interruption) -> Evaluator {
    var evaluator = Evaluator(suite)
    (evaluator.device, evaluator.precision) = (device, precision)
    evaluator.exampleLimit = data.limit?.value
    evaluator.interruption = interruption
    evaluator.cache = OutputCache.userFolder.map { OutputCache(folder: $0) }
    return evaluator
  }
}
