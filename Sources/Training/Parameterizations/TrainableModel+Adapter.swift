public import TinctureAdapters
internal import TinctureNetworks
public import TinctureTensors
internal import TinctureTorch

extension TrainableModel {
  /// The changes of layers with adaptors, for PEFT.
  ///
  /// A form other than that of matrices is brought to it: what stands before the last factor is one convolution.
  ///
  /// - Parameters:
  ///   - names: Full names of dense tensors that are stored whole beside them, such as a trained head's.
  ///   - baseModel: The model that the adapter is for, as PEFT shall find it.
  ///   - dtype: The type of the factors.
  /// - Returns: The adapter, which can be written.
  /// - Throws: `usage` when no layer has an adaptor, or one's weight is not called `MODULE.weight`; `checkpoint` for a
  ///   missing tensor, `engine` when LibTorch fails.
  public func learnedAdapter(
    storing names: Set<String> = [], baseModel: String? = nil, dtype: DType = .f32
  ) throws(TinctureError) -> LearnedAdapter {
    let all = Parameters(trained.merging(fixed) { own, _ in own })
    var adapter = LearnedAdapter(baseModel: baseModel, dtype: dtype)
    for (name, layer) in layers.sorted(by: { $0.key < $1.key }) {
      guard let layer = layer as? AdaptorLayer else { continue }
      guard name.hasSuffix(".weight") else {
        throw TinctureError(
          .usage, "PEFT changes weights of modules, which are called MODULE.weight.",
          at: .init(tensor: name))
      }
      let (down, up) = try withoutGradients { () throws(TinctureError) in
        try layer.matrices(all)
      }
      adapter.changes.append(
        LearnedAdapter.Change(
          module: String(name.dropLast(".weight".count)),
          inputs: Array(layer.dense.extents.dropFirst()), outputs: layer.dense.extents[0],
          rank: up.shape[1], down: try down.detached().array(as: Float.self),
          up: try up.detached().array(as: Float.self), scale: layer.scale))
    }
    guard !adapter.changes.isEmpty else {
      throw TinctureError(.usage, "No layer has an adaptor; there is nothing to write for PEFT.")
    }
    for name in names.sorted() {
      let tensor = try all(name).detached()
      adapter.wholes.append(
        LearnedAdapter.Whole(
          name: name, extents: tensor.shape, values: try tensor.array(as: Float.self)))
    }
    return adapter
  }
}

extension AdaptorLayer {
  /// The factors as two: all but the last together, and the last.
  fileprivate func matrices(
    _ tensors: Parameters
  ) throws(TinctureError) -> (down: TorchTensor, up: TorchTensor) {
    var factors = try factors(tensors)
    guard factors.count > 2, let up = factors.popLast() else { return (factors[0], factors[1]) }
    // The product with the unit matrix in the place of the last factor.
    let count = up.shape[1]
    var unit = [Float](repeating: 0, count: count * count)
    for index in 0..<count { unit[index * count + index] = 1 }
    factors.append(try TorchTensor(unit, shape: [count, count, 1, 1], on: up.device))
    let inner = form.product(for: [count] + dense.extents.dropFirst(), rank: rank)
    return (try inner.product(factors), up)
  }
}
