public import TinctureCheckpoints
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureSafetensors
public import TinctureTensors

/// A LoRA adapter whose factors can be read layer by layer.
///
/// ```swift
/// let adapter = try Adapter(opening: "cars-lora")
/// for layer in adapter.layers { print(layer.name, adapter.rank(of: layer)) }
/// ```
public struct Adapter: Sendable {
  /// The name in messages: the path as it was given.
  public let name: String
  /// What the files say.
  public let source: LowRankAdapter
  /// The layers in the order of the file.
  public let layers: [AdapterLayer]
  private let changes: [AdapterLayer: LowRankAdapter.Change]

  /// Opens an adapter: a directory of PEFT, or a file in the style of diffusers or kohya.
  ///
  /// - Parameters:
  ///   - path: The directory, the file, or a name in the hub's cache.
  ///   - locator: Finds it.
  /// - Throws: `missingInput` when it is not there, `checkpoint` when it is no LoRA adapter.
  public init(opening path: String, locator: ModelLocator = ModelLocator()) throws(TinctureError) {
    let place = try locator.locate(path, revision: nil)
    let source: LowRankAdapter
    do throws(TinctureError) {
      source = try LowRankAdapter(Checkpoint.openAdapter(place.path))
    } catch { throw error.located(model: path) }
    try self.init(source, name: path)
  }

  /// Wraps an adapter that was read.
  init(_ source: LowRankAdapter, name: String) throws(TinctureError) {
    self.name = name
    self.source = source
    var layers: [AdapterLayer] = []
    var changes: [AdapterLayer: LowRankAdapter.Change] = [:]
    for (_, change) in source.changes {
      let layer = AdapterLayer(change)
      layers.append(layer)
      changes[layer] = change
    }
    guard !layers.isEmpty else {
      throw TinctureError(.checkpoint, "The adapter changes no layer.", at: .init(model: name))
    }
    self.layers = layers
    self.changes = changes
  }

  /// Whether the adapter changes a layer.
  public func has(_ layer: AdapterLayer) -> Bool { changes[layer] != nil }

  /// The rank of a layer; 0 where there is none.
  public func rank(of layer: AdapterLayer) -> Int { changes[layer]?.rank ?? 0 }

  /// The first layer whose rows have lengths of their own (DoRA); nil for plain LoRA.
  var stretched: AdapterLayer? { layers.first { changes[$0]?.magnitude != nil } }

  /// The type of the factors; the widest where they differ.
  var dtype: DType {
    let types = source.changes.flatMap { [$0.change.down.tensor.dtype, $0.change.up.tensor.dtype] }
    return DType.widest(types)
  }

  func magnitude(of layer: AdapterLayer) -> Checkpoint.Entry? { changes[layer]?.magnitude }

  func hasBias(_ layer: AdapterLayer) -> Bool { changes[layer]?.bias != nil }

  /// The factors of a layer.
  ///
  /// - Throws: `checkpoint` for an element that is not finite, `io` when reading fails.
  func factors(of layer: AdapterLayer) throws(TinctureError) -> FactorPair? {
    guard let change = changes[layer] else { return nil }
    return FactorPair(
      down: Matrix<Double>(
        rows: change.rank, columns: change.inputs, try values(change.down).map(Double.init)),
      up: Matrix<Double>(
        rows: change.outputs, columns: change.rank, try values(change.up).map(Double.init)),
      scale: change.scale)
  }

  /// What the layer's bias grows by, the scale included.
  func bias(of layer: AdapterLayer) throws(TinctureError) -> [Double]? {
    guard let change = changes[layer], let bias = change.bias else { return nil }
    return try values(bias).map { change.scale * Double($0) }
  }

  private func values(_ entry: Checkpoint.Entry) throws(TinctureError) -> ContiguousArray<Float> {
    try StoredTensorReader(entry.tensor, in: entry.file, model: name).wholly()
  }
}

extension DType {
  /// The type that holds the numbers of all types: the only one, or else single precision.
  static func widest(_ types: [DType]) -> DType {
    guard let first = types.first, types.allSatisfy({ $0 == first }) else { return .f32 }
    return first == .f64 ? .f32 : first
  }
}
