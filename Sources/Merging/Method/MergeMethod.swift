public import TinctureCheckpoints
public import TinctureTensors

/// A way to merge models: the extension point of the library.
///
/// A method says at most three things. `info` says what it is called and what can be set. `prepare`, when
/// something must be known about the whole model first, finds it out by passes over all steps and returns
/// it as a small `State`. `merge` makes one tensor, by any number of passes over the blocks of its inputs
/// and one last pass that produces the output.
///
/// Which hook to choose:
///
/// - every output element depends only on the elements at its position → `ElementwiseMergeMethod`;
/// - a norm, an angle, an order statistic of the tensor is needed first → `merge` with `scan`, then
///   `produce`;
/// - a number over the whole model is needed first → `prepare` with `session.tally`.
///
/// A method is one file and one line in the registry.
public protocol MergeMethod: Sendable {
  /// What `prepare` learns about the whole model.
  associatedtype State: Sendable = Void

  /// The description of the method.
  var info: MethodInfo { get }

  /// Whether a step may be cut into ranges of elements that are merged independently.
  func isElementwise(_ parameters: ResolvedParameters) -> Bool

  /// Says what is wrong with a combination of parameter values, before any data is read.
  ///
  /// - Parameters:
  ///   - parameters: The values, each within its own bounds.
  ///   - modelCount: How many models the step has, the base not counted.
  /// - Returns: A sentence without its full stop, or nil when nothing is wrong.
  func objection(to parameters: ResolvedParameters, modelCount: Int) -> String?

  /// The working memory of one step beyond blocks and windows.
  ///
  /// - Parameters:
  ///   - parameters: The values of the step.
  ///   - scope: The sizes of the step and its share of memory.
  /// - Returns: How many vectors of a block's length, and how many further bytes.
  func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory

  /// What decides about the result besides models and parameters, such as the contents of a file.
  ///
  /// An interrupted merge is continued only when it is the same.
  ///
  /// - Parameter parameters: The values of the first step.
  /// - Returns: Bytes that differ when the result would.
  func externalState(_ parameters: ResolvedParameters) -> [UInt8]

  /// Makes sure that the libraries are there which the method computes with, while it is planned.
  ///
  /// - Throws: `missingFacility` with how to get what is missing.
  func requireFacilities() throws(TinctureError)

  /// Finds out what is wrong with a whole plan, before any tensor is read.
  ///
  /// - Parameter plan: The plan, complete.
  /// - Throws: What does not suit the method.
  func check(_ plan: MergePlan) throws(TinctureError)

  /// What `prepare` would do and take, for whoever looks at a plan.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - memoryLimit: Bytes of working memory for the whole merge.
  /// - Returns: A text without its full stop, or nil when there is nothing to say.
  func preparation(_ plan: MergePlan, memoryLimit: Int) -> String?

  /// Finds out what has to be known about the whole model.
  ///
  /// - Parameter session: Passes over all steps.
  /// - Returns: The findings; small, since they are kept during the whole merge.
  /// - Throws: `TinctureError` when an input cannot be read or does not suit the method.
  func prepare(_ session: MergeSession) async throws(TinctureError) -> State

  /// Makes one tensor.
  ///
  /// - Parameters:
  ///   - inputs: The tensors of all models, the parameters, and the output.
  ///   - state: What `prepare` found.
  /// - Throws: `TinctureError` when an input cannot be read or does not suit the method.
  func merge(_ inputs: MergeInputs, state: State) throws(TinctureError)

  /// Files that are written beside the tensors because of what `prepare` found.
  ///
  /// - Parameter state: What `prepare` found.
  /// - Returns: The files, with paths within the output.
  /// - Throws: `TinctureError` when one cannot be made.
  func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar]

  /// Writes further files, large ones too, when all tensors are written.
  ///
  /// A method that does so says `makesParts`, so that the output is a directory. It is called anew when a merge
  /// is resumed.
  ///
  /// - Parameters:
  ///   - output: The tensors that were written and their directory.
  ///   - session: The steps of the plan.
  ///   - state: What `prepare` found.
  /// - Throws: `TinctureError` when reading or writing fails.
  func complete(_ output: MergedOutput, _ session: MergeSession, state: State)
    async throws(TinctureError)

  /// The memory that ``complete(_:_:state:)`` takes, which begins when all steps are done.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - workers: How many steps are carried out at a time.
  ///   - limit: Bytes of working memory for the whole merge.
  /// - Returns: Bytes; 0 when it takes no more than steps do.
  func completionMemory(_ plan: MergePlan, workers: Int, limit: Int) -> Int

  /// Says which tensors are written besides the one that a step is named after.
  ///
  /// A method that says some writes all their elements in `merge`, by `inputs.write(extra:_:)`.
  ///
  /// - Parameter scope: The tensor and what is around it.
  /// - Returns: Tensors with names that no other has.
  func extraOutputs(_ scope: OutputScope) -> [OutputLayout.Tensor]

  /// Says how a later merge takes one more model into the result.
  ///
  /// - Parameters:
  ///   - state: What `prepare` found.
  ///   - parameters: The values of the first step; those with one value for each model hold for all steps.
  ///   - modelCount: How many models were merged, the base not counted.
  /// - Returns: The settings of the later merge, or nil where it would need the earlier models.
  func continuation(_ state: State, _ parameters: ResolvedParameters, modelCount: Int)
    -> MergeContinuation?
}

/// What the working memory of a step may depend on.
public struct WorkingScope: Sendable, Hashable {
  /// How many models the step has, the base not counted.
  public let modelCount: Int
  /// The extents of the tensor.
  public let shape: Shape
  /// The length of the tensor's rows.
  public let rowLength: Int
  /// The number of elements of the step.
  public let elementCount: Int
  /// The number of vectors along the first axis: elements over the first extent.
  public let columnCount: Int
  /// Bytes that the step should not exceed where it has a choice.
  public let share: Int
  /// The extents of the statistics of each model; nil where the tensor has none.
  public let statisticsShape: Shape?
  /// The ranks of all models' adapters together; nil where a model is no adapter of the base.
  public let adapterRanks: Int?
  /// Whether the step is carried out for a second time, by the method's slower route.
  public let isFallback: Bool

  /// Creates a scope.
  public init(
    modelCount: Int, shape: Shape, elementCount: Int, share: Int, statisticsShape: Shape? = nil,
    adapterRanks: Int? = nil, isFallback: Bool = false
  ) {
    self.modelCount = modelCount
    self.shape = shape
    self.adapterRanks = adapterRanks
    self.isFallback = isFallback
    rowLength = shape.rowLength
    columnCount = shape.elementCount / max(1, shape.extents.first ?? 1)
    self.elementCount = elementCount
    self.share = share
    self.statisticsShape = statisticsShape
  }
}

/// Working memory that a method declares beforehand.
public struct WorkingMemory: Sendable, Hashable {
  /// Vectors of a block's length.
  public var vectors: Int
  /// Further bytes.
  public var bytes: Int
  /// Whether blocks hold whole rows.
  public var wholeRows: Bool
  /// Whether such blocks have a size that depends on the rows alone.
  var fixesBlocks = false

  /// Creates a declaration.
  public init(vectors: Int = 0, bytes: Int = 0, wholeRows: Bool = false) {
    self.vectors = vectors
    self.bytes = bytes
    self.wholeRows = wholeRows
  }
}

extension MergeMethod {
  /// Steps are not cut.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { false }
  /// Any combination is acceptable.
  public func objection(to parameters: ResolvedParameters, modelCount: Int) -> String? { nil }
  /// Nothing to say.
  public func preparation(_ plan: MergePlan, memoryLimit: Int) -> String? { nil }
  /// Nothing.
  public func check(_ plan: MergePlan) throws(TinctureError) {}
  /// None.
  public func sidecars(_ state: State) throws(TinctureError) -> [MergePlan.Sidecar] { [] }
  /// None besides the library itself.
  public func requireFacilities() throws(TinctureError) {}
  /// Nothing.
  public func externalState(_ parameters: ResolvedParameters) -> [UInt8] { [] }
  /// No more than steps take.
  public func completionMemory(_ plan: MergePlan, workers: Int, limit: Int) -> Int { 0 }
  /// No working memory.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory() }
}

extension MergeMethod where State == Void {
  /// Nothing has to be known.
  public func prepare(_ session: MergeSession) async throws(TinctureError) {}
}

/// A method whose output elements depend only on the input elements at the same position.
public protocol ElementwiseMergeMethod: MergeMethod {
  /// Whether blocks hold the models or their task vectors.
  var form: InputForm { get }

  /// Merges one block.
  ///
  /// - Parameters:
  ///   - block: The elements of all inputs at the same positions.
  ///   - inputs: The parameters.
  ///   - state: What `prepare` found.
  ///   - output: Receives the merged elements; holds zeros before.
  func merge(
    _ block: inout ElementBlock, _ inputs: MergeInputs, state: State,
    into output: inout MutableSpan<Float>)
}

extension ElementwiseMergeMethod {
  /// Steps may be cut anywhere.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }

  /// Merges block by block.
  public func merge(_ inputs: MergeInputs, state: State) throws(TinctureError) {
    try inputs.produce(form) { (block, output) throws(TinctureError) in
      merge(&block, inputs, state: state, into: &output)
    }
  }
}

/// How blocks present the models.
public enum InputForm: Sendable, Hashable {
  /// The elements of the models.
  case values
  /// The differences to the base.
  case taskVectors
}
