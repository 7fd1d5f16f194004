public import TinctureTensors

/// What a step before or after a method is called, where it comes from and what can be set.
public struct FilterInfo: Sendable {
  /// The name in recipes.
  public let name: String
  /// Other names that recipes may use.
  public let aliases: [String]
  /// One sentence on what the step does.
  public let summary: String
  /// The formula in plain text.
  public let formula: String
  /// The paper or page that describes the step.
  public let source: String
  /// Its address, where there is one.
  public let link: String?
  /// Whether the step draws random numbers.
  public let isRandom: Bool
  /// What can be set.
  public let parameters: [ParameterDeclaration]

  /// Creates the description of a step.
  public init(
    name: String, aliases: [String] = [], summary: String, formula: String, source: String,
    link: String? = nil, isRandom: Bool = false, parameters: [any DeclaresParameter] = []
  ) {
    self.name = name
    self.aliases = aliases
    self.summary = summary
    self.formula = formula
    self.source = source
    self.link = link
    self.isRandom = isRandom
    self.parameters = parameters.map(\.declaration)
  }

  /// Whether a recipe means this step by a name; upper and lower case and hyphens do not matter.
  func isNamed(_ name: String) -> Bool {
    let wanted = name.lowercased().replacing("-", with: "_")
    return self.name == wanted || aliases.contains(wanted)
  }
}

/// What a recipe can put before or after a method, in the same pass over the models.
///
/// A filter is one file and one line in its registry, as a method is.
public protocol MergeFilter: Sendable {
  /// The description of the step.
  var info: FilterInfo { get }

  /// Whether elements are treated one by one, so that tensors may be cut into ranges.
  func isElementwise(_ parameters: ResolvedParameters) -> Bool

  /// Says what is wrong with a combination of parameter values.
  ///
  /// - Parameter parameters: The values, each within its own bounds.
  /// - Returns: A sentence without its full stop, or nil when nothing is wrong.
  func objection(to parameters: ResolvedParameters) -> String?

  /// The working memory of one step beyond blocks and windows.
  ///
  /// - Parameters:
  ///   - parameters: The values of the filter.
  ///   - scope: The sizes of the step and its share of memory.
  /// - Returns: How many vectors of a block's length, and how many further bytes.
  func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope) -> WorkingMemory

  /// Makes sure that the libraries are there which the filter computes with.
  ///
  /// - Throws: `missingFacility` with how to get what is missing.
  func requireFacilities() throws(TinctureError)

  /// Finds out what is wrong with a whole plan, before any tensor is read.
  ///
  /// - Parameter plan: The plan, complete.
  /// - Throws: What does not suit the filter.
  func check(_ plan: MergePlan) throws(TinctureError)

  /// What the filter costs beyond the one pass, for whoever looks at a plan.
  ///
  /// - Parameter parameters: The values of the filter.
  /// - Returns: A sentence without subject and full stop, such as "reads each tensor once more", or nil.
  func cost(_ parameters: ResolvedParameters) -> String?
}

extension MergeFilter {
  /// Tensors may be cut.
  public func isElementwise(_ parameters: ResolvedParameters) -> Bool { true }
  /// Any combination is acceptable.
  public func objection(to parameters: ResolvedParameters) -> String? { nil }
  /// No working memory.
  public func workingMemory(_ parameters: ResolvedParameters, _ scope: WorkingScope)
    -> WorkingMemory
  { WorkingMemory() }
  /// None besides the library itself.
  public func requireFacilities() throws(TinctureError) {}
  /// Nothing.
  public func check(_ plan: MergePlan) throws(TinctureError) {}
  /// Nothing.
  public func cost(_ parameters: ResolvedParameters) -> String? { nil }
}

/// A filter that changes task vectors before a method sees them.
public protocol TaskVectorFilter: MergeFilter {
  /// Finds out what has to be known about the whole model.
  ///
  /// - Parameter session: Passes over all steps; their task vectors come out of the filters before this one,
  ///   and their parameters are those of the filter.
  /// - Returns: The filter with what was found; by default the filter itself.
  /// - Throws: What reading throws.
  func prepared(_ session: MergeSession) async throws(TinctureError) -> any TaskVectorFilter

  /// Finds out what has to be known about one tensor.
  ///
  /// - Parameter inputs: The tensor; its task vectors come out of the filters before this one, and its
  ///   parameters are those of the filter.
  /// - Returns: What is done in a pass over the tensor; every pass begins with a copy.
  /// - Throws: What reading throws.
  func settled(_ inputs: MergeInputs) throws(TinctureError) -> any TaskVectorPass
}

extension TaskVectorFilter {
  /// Nothing has to be known.
  public func prepared(_ session: MergeSession) async throws(TinctureError)
    -> any TaskVectorFilter
  { self }
}

/// A pass of a filter over the task vectors of one tensor, block by block and in order.
public protocol TaskVectorPass {
  /// Whether blocks must hold all models, since what happens to one depends on the others.
  var seesAllModels: Bool { get }
  /// Whether blocks may come in any order and from anywhere in the tensor.
  var isElementwise: Bool { get }

  /// Changes the task vectors of a block in place.
  ///
  /// - Parameters:
  ///   - block: The task vectors.
  ///   - models: Which models of the step the block holds.
  ///   - inputs: The worker's memory.
  mutating func apply(to block: inout ElementBlock, models: Range<Int>, _ inputs: MergeInputs)
}

extension TaskVectorPass {
  /// Models are treated one by one.
  public var seesAllModels: Bool { false }
  /// Blocks may come in any order.
  public var isElementwise: Bool { true }
}

/// A filter that changes the merged task vector, θ − θ₀, before it is written.
public protocol MergedVectorFilter: MergeFilter {
  /// Whether the filter works on a whole tensor at a time, by `merge`; others work by `settled`.
  var takesWholeTensors: Bool { get }

  /// Whether the norms over the whole model must be known.
  func needsNorms(_ parameters: ResolvedParameters) -> Bool

  /// Finds out what has to be known about one tensor.
  ///
  /// - Parameters:
  ///   - inputs: The tensor; its parameters are those of the filter.
  ///   - norms: The norms over the whole model, where they are needed.
  /// - Returns: What is done in the pass over the tensor; nil to leave it as it is.
  /// - Throws: What reading throws.
  func settled(_ inputs: MergeInputs, _ norms: MergedNorms?) throws(TinctureError)
    -> (any MergedVectorPass)?

  /// Makes one tensor out of the merged one.
  ///
  /// - Parameter inputs: The tensor; its first model is the merged one, the others are the step's models as
  ///   they are, without the filters before the method, and its parameters are those of the filter.
  /// - Throws: What reading throws.
  func merge(_ inputs: MergeInputs) throws(TinctureError)
}

extension MergedVectorFilter {
  /// Works block by block.
  public var takesWholeTensors: Bool { false }
  /// Norms are not needed.
  public func needsNorms(_ parameters: ResolvedParameters) -> Bool { false }
  /// Leaves the tensor as it is.
  public func settled(_ inputs: MergeInputs, _ norms: MergedNorms?) throws(TinctureError)
    -> (any MergedVectorPass)?
  { nil }
  /// Fails: the filter works block by block.
  public func merge(_ inputs: MergeInputs) throws(TinctureError) {
    throw TinctureError(.internalError, "\(info.name) works block by block.")
  }
}

/// A pass of a filter over the merged task vector of one tensor, block by block and in order.
public protocol MergedVectorPass {
  /// Changes the elements of a block in place.
  ///
  /// - Parameters:
  ///   - vector: The merged task vector's elements.
  ///   - start: The position of the first one in the tensor.
  mutating func apply(to vector: inout MutableSpan<Float>, from start: Int)
}

/// How long the merged task vector is beside the sum of the models' own.
public struct MergedNorms: Sendable, Hashable {
  /// ‖Σᵢ τᵢ‖ over all tensors that are merged, of the task vectors as they are in the models.
  public let sum: Double
  /// ‖θ − θ₀‖ over the same tensors, before the filter.
  public let merged: Double

  /// Creates a pair of norms.
  public init(sum: Double, merged: Double) {
    self.sum = sum
    self.merged = merged
  }
}

/// The steps that recipes can put before and after methods.
public struct FilterCatalog: Sendable {
  /// What can stand under `preprocess`.
  public let preprocess: [any TaskVectorFilter]
  /// What can stand under `postprocess`.
  public let postprocess: [any MergedVectorFilter]

  /// Creates a catalog; an empty one knows no steps.
  public init(
    preprocess: [any TaskVectorFilter] = [], postprocess: [any MergedVectorFilter] = []
  ) {
    self.preprocess = preprocess
    self.postprocess = postprocess
  }
}
