public import TinctureCheckpoints
public import TinctureTensors

/// One piece of work: a tensor, or a range of its elements, with everything needed to make it.
public struct MergeStep: Sendable {
  /// What is done.
  public enum Action: Sendable {
    /// The method merges the models.
    case merge
    /// One tensor is taken as it is, for the reason given.
    case copy(any TensorReader, reason: String)
  }

  /// The position of the step in the plan.
  public let index: Int
  /// The name of the output tensor.
  public let name: String
  /// The extents of the output tensor.
  public let shape: Shape
  /// The type that is written.
  public let dtype: DType
  /// What is done.
  public let action: Action
  /// The base's tensor, where the method uses a base.
  public let base: (any TensorReader)?
  /// The models' tensors, in the order of the recipe.
  public let models: [any TensorReader]
  /// The positions of these models in the recipe, which key random numbers.
  public let modelIndices: [Int]
  /// The statistics of the models, in their order; empty where the tensor has none.
  public let statistics: [StatisticsInput]
  /// The values of the method's parameters.
  public let parameters: ResolvedParameters
  /// The layer the tensor belongs to, where it belongs to one.
  public let layer: Int?
  /// The position of the layer in its stack, from 0 to 1; 0 outside of stacks and for an only layer.
  public let depth: Double
  /// The type that inputs are rounded to first, where the recipe asks for one that is narrower.
  public let inputRounding: DType?
  /// The elements that this step makes.
  public let elements: Range<Int>
  /// Where the whole tensor begins in the output.
  public let output: OutputLayout.Place
  /// What the method writes besides.
  public let extras: [ExtraOutput]

  /// Creates a step.
  public init(
    index: Int, name: String, shape: Shape, dtype: DType, action: Action = .merge,
    base: (any TensorReader)?, models: [any TensorReader], modelIndices: [Int],
    statistics: [StatisticsInput] = [], parameters: ResolvedParameters, layer: Int? = nil,
    depth: Double = 0, inputRounding: DType? = nil, elements: Range<Int>? = nil,
    output: OutputLayout.Place, extras: [ExtraOutput] = []
  ) {
    self.index = index
    self.name = name
    self.shape = shape
    self.dtype = dtype
    self.action = action
    self.base = base
    self.models = models
    self.modelIndices = modelIndices
    self.statistics = statistics
    self.parameters = parameters
    self.layer = layer
    self.depth = depth
    self.inputRounding = inputRounding
    self.elements = elements ?? 0..<shape.elementCount
    self.output = output
    self.extras = extras
  }

  /// The same step with another position, another range or another place in the output.
  public func with(
    index: Int, elements: Range<Int>? = nil, output: OutputLayout.Place? = nil
  ) -> MergeStep {
    MergeStep(
      index: index, name: name, shape: shape, dtype: dtype, action: action, base: base,
      models: models, modelIndices: modelIndices, statistics: statistics, parameters: parameters,
      layer: layer, depth: depth, inputRounding: inputRounding, elements: elements ?? self.elements,
      output: output ?? self.output, extras: extras)
  }

  /// Bytes that are read once, from all inputs.
  public var inputBytes: Int {
    func bytes(_ reader: any TensorReader) -> Int { elements.count * reader.dtype.bitWidth / 8 }
    switch action {
    case .copy(let reader, _): return bytes(reader)
    case .merge:
      return models.reduce(base.map(bytes) ?? 0) { $0 + bytes($1) } + statisticsBytes
    }
  }

  /// Bytes of statistics that are read once.
  private var statisticsBytes: Int {
    statistics.reduce(0) { sum, input in
      let reader = input.reader
      let count = reader.shape == shape ? elements.count : reader.shape.elementCount
      return sum + count * reader.dtype.bitWidth / 8
    }
  }

  /// Bytes that are written.
  public var outputBytes: Int {
    extras.reduce(elements.count * dtype.bitWidth / 8) { sum, extra in
      sum + extra.tensor.shape.elementCount * extra.tensor.dtype.bitWidth / 8
    }
  }
}
