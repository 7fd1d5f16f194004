internal import TinctureCheckpoints
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureSafetensors
public import TinctureTensors

/// Changes of low rank that were learnt, to be written as an adapter of PEFT.
///
/// A directory with `adapter_model.safetensors` (`base_model.model.MODULE.lora_A.weight`, `….lora_B.weight`) and
/// `adapter_config.json`. The scale α / r goes into B, so that α is the rank in the file.
public struct LearnedAdapter: Sendable {
  /// The change s · up · down of one layer.
  public struct Change: Sendable {
    /// The module, whose weight it is for.
    public let module: String
    /// The extents of a row of `down`: `[in]`, or `[channels, height, width]` for a convolution.
    public let inputs: [Int]
    /// The rows of `up`.
    public let outputs: Int
    /// The rank.
    public let rank: Int
    /// A, rank by inputs.
    public let down: [Float]
    /// B, outputs by rank.
    public let up: [Float]
    /// What the product is multiplied by, α / r.
    public let scale: Double

    /// Takes a change.
    public init(
      module: String, inputs: [Int], outputs: Int, rank: Int, down: [Float], up: [Float],
      scale: Double
    ) {
      precondition(
        down.count == rank * inputs.reduce(1, *) && up.count == outputs * rank,
        "The factors do not have the extents of the layer.")
      self.module = module
      self.inputs = inputs
      self.outputs = outputs
      self.rank = rank
      self.down = down
      self.up = up
      self.scale = scale
    }
  }

  /// A tensor that takes the place of the base's.
  public struct Whole: Sendable {
    /// The full name.
    public let name: String
    /// The extents.
    public let extents: [Int]
    /// The elements in row-major order.
    public let values: [Float]

    /// Takes a tensor.
    public init(name: String, extents: [Int], values: [Float]) {
      self.name = name
      self.extents = extents
      self.values = values
    }
  }

  /// The changes, of layers that differ.
  public var changes: [Change] = []
  /// Tensors that are stored whole.
  public var wholes: [Whole] = []
  /// The model that the adapter is for, as PEFT shall find it.
  public var baseModel: String?
  /// The type of the factors.
  public var dtype: DType

  /// Creates an adapter without changes.
  ///
  /// - Parameters:
  ///   - baseModel: The model that the adapter is for.
  ///   - dtype: The type of the factors.
  public init(baseModel: String? = nil, dtype: DType = .f32) {
    self.baseModel = baseModel
    self.dtype = dtype
  }

  /// Writes the adapter.
  ///
  /// - Parameter job: Where it goes.
  /// - Throws: `usage` without a change, `cannotCreate` for an output that is there, `checkpoint` for a factor that does
  ///   not fit the type, and what writing throws; the output is then not there.
  public func write(_ job: AdapterJob) async throws(TinctureError) {
    guard !changes.isEmpty else {
      throw TinctureError(.usage, "An adapter needs a layer that it changes.")
    }
    try job.checkOutput(.peft)
    var outline = AdapterOutline(
      style: .peft, dtype: dtype,
      items: changes.map {
        .init(
          layer: AdapterLayer($0.module, inputs: $0.inputs, outputs: $0.outputs), rank: $0.rank)
      })
    outline.baseModel = baseModel
    outline.wholes = wholes.compactMap { whole in
      Shape(whole.extents).map {
        .init(
          name: whole.name,
          reader: MemoryReader(
            elements: ContiguousArray(whole.values), shape: $0, place: .init(tensor: whole.name)))
      }
    }
    let items = outline.items
    let bytes = changes.map { 16 * ($0.down.count + $0.up.count) }.max() ?? 0
    let (changes, dtype) = (changes, dtype)
    _ = try await job.write(outline, bytes: bytes) {
      (number) throws(TinctureError) -> (LayerNumbers, Int) in
      let (change, layer) = (changes[number], items[number].layer)
      let pair = FactorPair(
        down: Matrix(
          rows: change.rank, columns: layer.inputCount, change.down.map { Double($0) }),
        up: Matrix(rows: change.outputs, columns: change.rank, change.up.map { Double($0) }),
        scale: change.scale)
      return (try LayerNumbers(pair, as: dtype, layer), change.rank)
    }
  }
}
