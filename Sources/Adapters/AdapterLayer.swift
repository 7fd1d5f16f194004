internal import TinctureCheckpoints
internal import TinctureSafetensors
internal import TinctureTensors

/// A layer that an adapter changes: its name and the extents of its factors, whatever the rank.
public struct AdapterLayer: Sendable, Hashable {
  /// The module without prefixes; with underscores for dots in kohya's style.
  public let module: String
  /// The part of a pipeline that has the module; nil in PEFT's style.
  public let component: String?
  /// Whether the module is an embedding, whose table is `vocabulary × width`.
  public let isEmbedding: Bool
  /// The extents of A after the rank: `[in]`, or `[in, height, width]` for a convolution.
  public let inputs: [Int]
  /// The number of rows of B.
  public let outputs: Int

  /// Describes a layer.
  ///
  /// - Parameters:
  ///   - module: The module.
  ///   - component: The part of a pipeline.
  ///   - isEmbedding: Whether the module is an embedding.
  ///   - inputs: The extents of A after the rank.
  ///   - outputs: The number of rows of B.
  public init(
    _ module: String, component: String? = nil, isEmbedding: Bool = false, inputs: [Int],
    outputs: Int
  ) {
    self.module = module
    self.component = component
    self.isEmbedding = isEmbedding
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The layer of a stored change.
  init(_ change: LowRankAdapter.Change) {
    self.init(
      change.module, component: change.component, isEmbedding: change.isEmbedding,
      inputs: Array(change.down.tensor.shape.extents.dropFirst()), outputs: change.outputs)
  }

  /// The name in reports.
  public var name: String { component.map { $0 + "." + module } ?? module }
  /// The number of columns of the change.
  public var inputCount: Int { inputs.reduce(1, *) }
  /// The largest rank that the change can have.
  public var fullRank: Int { min(outputs, inputCount) }
  /// The number of elements that one more rank takes.
  public var elementsPerRank: Int { outputs + inputCount }

  /// The extents of A.
  func downShape(_ rank: Int) -> Shape {
    Shape([rank] + inputs) ?? Shape(rows: rank, columns: inputCount)
  }

  /// The extents of B: a matrix, or for a convolution one with kernels of a single place.
  func upShape(_ rank: Int) -> Shape {
    let ones = [Int](repeating: 1, count: inputs.count - 1)
    return Shape([outputs, rank] + ones) ?? Shape(rows: outputs, columns: rank)
  }
}
