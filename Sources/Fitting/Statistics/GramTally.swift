internal import Synchronization
internal import TinctureNetworks
internal import TinctureTensors
internal import TinctureTorch

/// Sums what enters the layers of a network over its forward passes.
///
/// Of a linear layer Xᵀ X and the sum of the rows, of a convolution the same over the patches under its window, of the factors of a
/// normalisation x̂². Products are in single precision, sums over batches in double precision. Layers with
/// one and the same input share a sum. Rows of padding do not count.
final class GramTally: Sendable {
  /// The mean over the rows that a layer saw.
  struct Mean {
    let weight: String
    let isInputMajor: Bool
    let rows: Int
    let values: TorchTensor
    /// The mean of the rows themselves, of a linear layer.
    let input: TorchTensor?
  }

  private struct Sum {
    var values: TorchTensor
    var inputs: TorchTensor?
    var rows: Int
  }

  private struct State {
    var sums: [String: Sum] = [:]
    /// The layer whose sum is a layer's own, by weight, and whether the weight is stored [in, out].
    var layers: [String: (source: String, isInputMajor: Bool)] = [:]
    var last: (input: TorchTensor, source: String)?
    var mask: TorchTensor?
  }

  private let state = Mutex(State())
  private let counts: @Sendable (LayerInput) -> Bool

  /// Begins with nothing.
  ///
  /// - Parameter counts: Which layers count; all by default.
  init(_ counts: @escaping @Sendable (LayerInput) -> Bool = { _ in true }) {
    self.counts = counts
  }

  /// Begins a batch.
  ///
  /// - Parameter mask: Which tokens are no padding, [N, tokens]; nil when all are.
  /// - Throws: `engine` when LibTorch fails.
  func begin(_ mask: TorchTensor?) throws(TinctureError) {
    let mask = try mask?.converted(to: .f32)
    state.withLock { state in
      state.mask = mask
      state.last = nil
    }
  }

  /// Adds what enters a layer.
  func observe(_ layer: LayerInput) throws(TinctureError) {
    guard counts(layer) else { return }
    try state.withLock { (state) throws(TinctureError) in
      try ComputePrecision.full.scope { () throws(TinctureError) in try Self.add(layer, to: &state)
      }
    }
  }

  private static func add(_ layer: LayerInput, to state: inout State) throws(TinctureError) {
    var isInputMajor = false
    var source = layer.weight
    if case .linear(let transposed) = layer.layer {
      isInputMajor = transposed
      if let last = state.last, last.input.isSame(as: layer.input) { source = last.source }
      state.last = (layer.input, source)
    }
    state.layers[layer.weight] = (source, isInputMajor)
    guard source == layer.weight else { return }
    let (rows, count) = try rows(of: layer, state.mask)
    let found: TorchTensor
    switch layer.layer {
    case .linear, .convolution: found = try rows.transposed(0, 1).matmul(rows)
    case .layerNorm, .rmsNorm: found = try (rows * rows).sum(along: 0)
    }
    // Double precision is not there on every device.
    func wide(_ sum: TorchTensor) throws(TinctureError) -> TorchTensor {
      try sum.moved(to: .cpu).converted(to: .f64)
    }
    var sum = Sum(values: try wide(found), rows: count)
    if case .linear = layer.layer { sum.inputs = try wide(rows.sum(along: 0)) }
    if let known = state.sums[source] {
      sum.values = try known.values + sum.values
      sum.rows += known.rows
      if let inputs = sum.inputs, let others = known.inputs { sum.inputs = try others + inputs }
    }
    state.sums[source] = sum
  }

  /// What a layer multiplies by its weight as rows, with zeros for padding, and how many are none.
  private static func rows(
    of layer: LayerInput, _ mask: TorchTensor?
  ) throws(TinctureError) -> (TorchTensor, Int) {
    var x = try layer.input.detached().converted(to: .f32)
    let width = x.shape.last ?? 1
    switch layer.layer {
    case .linear: break
    case .convolution(let kernel, let stride, let padding):
      x = try x.patches(kernel, stride: stride, padding: padding).transposed(1, 2)
    case .layerNorm(let epsilon):
      x = try x.layerNorm(weight: .ones([width], on: x.device), epsilon: epsilon)
    case .rmsNorm(let epsilon):
      x = try x.rmsNorm(weight: .ones([width], on: x.device), epsilon: epsilon)
    }
    let shape = x.shape
    var count = shape.dropLast().reduce(1, *)
    if let mask = try mask.flatMap({ (mask) throws(TinctureError) in try fitted(mask, to: shape) })
    {
      let trailing = Array(repeating: 1, count: shape.count - 2)
      x = try x * mask.reshaped(mask.shape + trailing)
      let each = shape.dropFirst(2).dropLast().reduce(1, *)
      count = Int(try mask.sum().item(as: Float.self)) * each
    }
    return (try x.reshaped([-1, shape.last ?? 1]), count)
  }

  /// The mask for an input of all tokens, or of those whose next token is scored; nil for inputs of none.
  private static func fitted(
    _ mask: TorchTensor, to shape: [Int]
  ) throws(TinctureError) -> TorchTensor? {
    let length = mask.shape[1]
    guard shape.count >= 3, shape[0] == mask.shape[0] else { return nil }
    if shape[1] == length { return mask }
    guard shape[1] == length - 1 else { return nil }
    return try mask.slice(0..<length - 1, along: 1) * mask.slice(1..<length, along: 1)
  }

  /// The means so far, in the order of the weights' names.
  func means() throws(TinctureError) -> [Mean] {
    try state.withLock { (state) throws(TinctureError) in
      var means: [Mean] = []
      for (weight, layer) in state.layers.sorted(by: { $0.key < $1.key }) {
        guard let sum = state.sums[layer.source], sum.rows > 0 else { continue }
        means.append(
          Mean(
            weight: weight, isInputMajor: layer.isInputMajor, rows: sum.rows,
            values: try (sum.values / Double(sum.rows)).converted(to: .f32),
            input: try sum.inputs.map { (inputs) throws(TinctureError) in
              try (inputs / Double(sum.rows)).converted(to: .f32)
            }))
      }
      return means
    }
  }
}
