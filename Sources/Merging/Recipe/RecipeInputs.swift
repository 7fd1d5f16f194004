/// What is merged: whole models, slices of layers, or the modules of a composite model.
public enum RecipeInputs: Sendable, Hashable {
  /// Whole models.
  case models([ModelEntry])
  /// Slices of layers, stacked in order.
  case slices([SliceEntry])
  /// Modules, such as a text decoder and a vision tower, each with inputs of its own.
  case modules([ModuleEntry])
}

/// A model of a recipe.
public struct ModelEntry: Sendable, Hashable {
  /// The model.
  public var reference: ModelReference
  /// The parameters that hold for this model.
  public var parameters: ParameterTable
  /// The file with the model's statistics.
  public var statistics: Located<String>?
  /// Where the model is named.
  public var position: SourcePosition

  /// Names a model with its parameters.
  public init(
    reference: ModelReference, parameters: ParameterTable = ParameterTable(),
    statistics: Located<String>? = nil, position: SourcePosition
  ) {
    self.reference = reference
    self.parameters = parameters
    self.statistics = statistics
    self.position = position
  }
}

/// Layers of one model that go into a slice.
public struct SliceSource: Sendable, Hashable {
  /// The model.
  public var reference: ModelReference
  /// The layers of the model.
  public var layers: Range<Int>
  /// The parameters that hold for these layers of this model.
  public var parameters: ParameterTable
  /// The file with the model's statistics.
  public var statistics: Located<String>?
  /// Where the model is named.
  public var position: SourcePosition
  /// Where the layers are named.
  public var layersPosition: SourcePosition

  /// Takes layers from a model.
  public init(
    reference: ModelReference, layers: Range<Int>, parameters: ParameterTable = ParameterTable(),
    statistics: Located<String>? = nil, position: SourcePosition, layersPosition: SourcePosition
  ) {
    self.reference = reference
    self.layers = layers
    self.parameters = parameters
    self.statistics = statistics
    self.position = position
    self.layersPosition = layersPosition
  }
}

/// Consecutive layers of the output, merged from as many layers of each source.
public struct SliceEntry: Sendable, Hashable {
  /// The sources, of which none is longer than another.
  public var sources: [SliceSource]
  /// The base in place of the recipe's.
  public var base: ModelEntry?
  /// The factor on what the layers add to the residual stream.
  public var residualWeight: Located<Double>?
  /// The parameters that hold for this slice.
  public var parameters: ParameterTable
  /// Where the slice begins.
  public var position: SourcePosition

  /// Creates a slice.
  public init(
    sources: [SliceSource], base: ModelEntry? = nil, residualWeight: Located<Double>? = nil,
    parameters: ParameterTable = ParameterTable(), position: SourcePosition
  ) {
    self.sources = sources
    self.base = base
    self.residualWeight = residualWeight
    self.parameters = parameters
    self.position = position
  }

  /// The number of layers of the output that this slice makes.
  public var layerCount: Int { sources.first?.layers.count ?? 0 }
}

/// A module of a composite model.
public struct ModuleEntry: Sendable, Hashable {
  /// The name of the module, such as `text_decoder`.
  public var name: String
  /// What is merged into it; never modules again.
  public var inputs: RecipeInputs
  /// The parameters that hold for this module.
  public var parameters: ParameterTable
  /// Where the name stands.
  public var position: SourcePosition

  /// Creates a module.
  public init(
    name: String, inputs: RecipeInputs, parameters: ParameterTable = ParameterTable(),
    position: SourcePosition
  ) {
    self.name = name
    self.inputs = inputs
    self.parameters = parameters
    self.position = position
  }
}
