internal import SystemPackage
internal import TinctureCheckpoints
internal import TinctureJSON
internal import TinctureLinearAlgebra
internal import TinctureMerging
internal import TinctureSafetensors
internal import TinctureTensors

extension ReversiblePackage {
  /// A layer and the rank that each adapter gives it; 0 where an adapter does not change it.
  struct Layer: Sendable {
    let layer: AdapterLayer
    let ranks: [Int]

    var present: [Int] { ranks.indices.filter { ranks[$0] > 0 } }
    var rank: Int { ranks.max() ?? 0 }

    /// The tensors of both factors, A before B.
    func packed(
      _ adapters: [Adapter], _ components: Int, as dtype: DType, _ algebra: Backend
    ) throws(TinctureError) -> (parts: [[UInt8]], loss: LayerLoss) {
      var pairs: [FactorPair] = []
      for index in present {
        guard let pair = try adapters[index].factors(of: layer) else { continue }
        var whole = pair.padded(to: rank)
        whole.up.scale(by: whole.scale)
        whole.scale = 1
        pairs.append(whole)
      }
      let down = try PositionBasis(
        pairs.map { $0.down.transposed() }, components: components, algebra)
      let up = try PositionBasis(pairs.map(\.up), components: components, algebra)
      var (norm, error) = (0.0, 0.0)
      for (number, pair) in pairs.enumerated() {
        let own = 0..<ranks[present[number]]
        let back = FactorPair(
          down: down.vectors(of: number).transposed().rows(own),
          up: up.vectors(of: number).columns(own))
        let rest = try FactorPair.joined([pair, back], [1, -1]).decomposed(algebra)
        let whole = try pair.decomposed(algebra)
        for value in whole.singularValues { norm += value * value }
        for value in rest.singularValues { error += value * value }
      }
      var parts: [[UInt8]] = []
      for basis in [down, up] {
        for values in [basis.mean, basis.basis, basis.coefficients] {
          if !values.isEmpty { parts.append(Self.bytes(values, dtype)) }
        }
      }
      return (
        parts,
        LayerLoss(
          layer: layer, rank: rank, norm: norm.squareRoot(), error: error.squareRoot())
      )
    }

    private static func bytes(_ values: [Double], _ dtype: DType) -> [UInt8] {
      let floats = ContiguousArray(values.map { Float($0) })
      let size = floats.count * (dtype.byteWidth ?? 4)
      return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        Kernels.narrow(floats.span, as: dtype, into: UnsafeMutableRawBufferPointer(buffer))
        count = size
      }
    }

    /// The factors of one of the adapters.
    func unpacked(_ adapter: Int, _ components: Int, _ checkpoint: Checkpoint)
      throws(TinctureError) -> FactorPair
    {
      let position = present.firstIndex(of: adapter) ?? 0
      let down = try basis("A", layer.inputCount, components, checkpoint).vectors(of: position)
      let up = try basis("B", layer.outputs, components, checkpoint).vectors(of: position)
      let own = ranks[adapter]
      return FactorPair(down: down.transposed().rows(0..<own), up: up.columns(0..<own))
    }

    private func basis(
      _ factor: String, _ positions: Int, _ components: Int, _ checkpoint: Checkpoint
    ) throws(TinctureError) -> PositionBasis {
      let count = present.count
      let used = PositionBasis.useful(components, count: count, length: rank)
      func values(_ part: String, _ extents: [Int]) throws(TinctureError) -> [Double] {
        let name = "\(layer.name).\(factor).\(part)"
        guard let entry = checkpoint[name], entry.tensor.shape.extents == extents else {
          throw TinctureError(
            .checkpoint, "The package lacks the tensor, or it is not \(extents).",
            at: .init(file: checkpoint.path.string, tensor: name))
        }
        return try StoredTensorReader(entry.tensor, in: entry.file, model: "").wholly()
          .map { Double($0) }
      }
      return PositionBasis(
        count: count, length: rank, components: used,
        mean: try values("mean", [positions, rank]),
        basis: used == 0 ? [] : try values("basis", [positions, used, rank]),
        coefficients: used == 0 ? [] : try values("coefficients", [positions, count, used]))
    }
  }

  /// What the metadata of a package says.
  struct Description: Sendable {
    let tasks: [String]
    let components: Int
    let dtype: DType
    let style: AdapterStyle
    let baseModel: String?
    let taskType: JSONValue
    let isTransposed: Bool
    let layers: [Layer]

    init(_ names: [String], _ adapters: [Adapter], _ components: Int, _ dtype: DType) {
      tasks = names
      self.components = components
      self.dtype = dtype
      style = adapters[0].source.style
      let configuration = adapters[0].source.configuration
      baseModel = configuration?.baseModel
      taskType = configuration?.document["task_type"] ?? .null
      isTransposed = configuration?.isTransposed ?? false
      layers = AdapterAgreement.layers(adapters).map { layer in
        Layer(layer: layer, ranks: adapters.map { $0.rank(of: layer) })
      }
    }

    /// Reads a description.
    init(_ json: JSONValue) throws(TinctureError) {
      func failure(_ what: String) -> TinctureError {
        TinctureError(.checkpoint, "The description of the package has no valid \(what).")
      }
      guard json["version"]?.intValue == 1 else { throw failure("version; 1 is known") }
      let names = (json["tasks"]?.arrayValue ?? []).compactMap(\.stringValue)
      guard !names.isEmpty, Set(names).count == names.count else { throw failure("tasks") }
      guard let components = json["components"]?.intValue, (0...1 << 20).contains(components),
        let dtype = json["dtype"]?.stringValue.flatMap({ DType(rawValue: $0) }), dtype.isArithmetic,
        let style = json["style"]?.stringValue.flatMap({ AdapterStyle(rawValue: $0) })
      else { throw failure("components, dtype and style") }
      var layers: [Layer] = []
      for item in json["layers"]?.arrayValue ?? [] {
        let inputs = (item["inputs"]?.arrayValue ?? []).compactMap(\.intValue)
        let ranks = (item["ranks"]?.arrayValue ?? []).compactMap(\.intValue)
        guard let module = item["module"]?.stringValue, let outputs = item["outputs"]?.intValue,
          (1...1 << 32).contains(outputs), !inputs.isEmpty, inputs.allSatisfy({ $0 > 0 }),
          (1...1 << 32).contains(Shape(inputs)?.elementCount ?? 0), ranks.count == names.count,
          ranks.allSatisfy({ (0...1 << 20).contains($0) })
        else { throw failure("layer \(layers.count)") }
        layers.append(
          Layer(
            layer: AdapterLayer(
              module, component: item["component"]?.stringValue,
              isEmbedding: item["embedding"]?.boolValue ?? false, inputs: inputs,
              outputs: outputs), ranks: ranks))
      }
      tasks = names
      self.components = components
      self.dtype = dtype
      self.style = style
      baseModel = json["base_model"]?.stringValue
      taskType = json["task_type"] ?? .null
      isTransposed = json["fan_in_fan_out"]?.boolValue ?? false
      self.layers = layers
    }

    var json: JSONValue {
      func integers(_ values: [Int]) -> JSONValue { .array(values.map { .integer($0) }) }
      return .object(
        JSONObject([
          ("version", .integer(1)), ("tasks", .array(tasks.map { .string($0) })),
          ("components", .integer(components)), ("dtype", .string(dtype.rawValue)),
          ("style", .string(style.rawValue)),
          ("base_model", baseModel.map { .string($0) } ?? .null), ("task_type", taskType),
          ("fan_in_fan_out", .bool(isTransposed)),
          (
            "layers",
            .array(
              layers.map { item in
                .object(
                  JSONObject([
                    ("module", .string(item.layer.module)),
                    ("component", item.layer.component.map { .string($0) } ?? .null),
                    ("embedding", .bool(item.layer.isEmbedding)),
                    ("inputs", integers(item.layer.inputs)),
                    ("outputs", .integer(item.layer.outputs)), ("ranks", integers(item.ranks)),
                  ]))
              })
          ),
        ]))
    }

    /// The tensors of a layer, in the order in which they are written.
    func tensors(_ item: Layer) -> [OutputLayout.Tensor] {
      let count = item.present.count
      let used = PositionBasis.useful(components, count: count, length: item.rank)
      var tensors: [OutputLayout.Tensor] = []
      for (factor, positions) in [("A", item.layer.inputCount), ("B", item.layer.outputs)] {
        var parts = [("mean", [positions, item.rank])]
        if used > 0 {
          parts.append(("basis", [positions, used, item.rank]))
          parts.append(("coefficients", [positions, count, used]))
        }
        for (part, extents) in parts {
          guard let shape = Shape(extents) else { continue }
          tensors.append(
            .init(name: "\(item.layer.name).\(factor).\(part)", dtype: dtype, shape: shape))
        }
      }
      return tensors
    }
  }
}
