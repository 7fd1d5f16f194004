internal import TinctureMerging
internal import TinctureTensors

/// A base and models whose tensors have all shapes that are easily handled wrongly.
///
/// All values are small multiples of 1/64, so that they are exact in every type and sums of them do not
/// depend on the order.
struct ConformanceModels: Sendable {
  let dtype: DType
  var base: TinyModel
  var models: [TinyModel]
  /// The statistics of the models, where the method needs them.
  var statistics: [TinyModel] = []

  /// Extents without elements, of one element, around the block size, of every rank.
  static let shapes: [[Int]] = [
    [0], [0, 4], [5, 0], [1], [], [7], [3, 5], [4096], [5000], [70, 130], [2, 3, 5], [2, 2, 3, 5],
  ]

  init(dtype: DType, count: Int) {
    self.dtype = dtype
    let shapes = Self.shapes.compactMap { Shape($0) }
    base = TinyModel(
      shapes.map { shape in
        let name = "tensor\(shape)"
        let random = CounterRandom(seed: 1, tensor: name, purpose: "base")
        let values = (0..<shape.elementCount).map { Float(random.bits(at: $0) % 129) / 64 - 1 }
        return TinyModel.Tensor(name, dtype, shape: shape, values)
      })
    let origin = base
    models = (0..<count).map { model in
      TinyModel(
        origin.tensors.map { tensor in
          let random = CounterRandom(seed: 1, tensor: tensor.name, model: model, purpose: "model")
          var tensor = tensor
          tensor.values = tensor.values.enumerated().map { index, value in
            let bits = random.bits(at: index)
            return bits % 3 == 0 ? value : value + Float((bits >> 8) % 65) / 64 - 0.5
          }
          return tensor
        })
    }
  }

  /// Measures the models: numbers at random, where Gram matrices are positive definite.
  mutating func measure(_ kind: StatisticsKind) {
    statistics = models.indices.map { model in
      TinyModel(
        base.tensors.flatMap { tensor -> [TinyModel.Tensor] in
          let random = CounterRandom(
            seed: 2, tensor: tensor.name, model: model, purpose: "measured")
          func number(_ index: Int) -> Float { Float(random.bits(at: index) % 129) / 64 }
          guard !kind.isElementwise, tensor.shape.rank > 1 else {
            let values = (0..<tensor.shape.elementCount).map(number)
            return [.init(tensor.name, shape: tensor.shape, values)]
          }
          let width = tensor.shape.elementCount / max(1, tensor.shape.extents[0])
          guard width > 0 else { return [] }
          let values = (0..<width * width).map { index -> Float in
            let (row, column) = (index / width, index % width)
            let value = number(min(row, column) * width + max(row, column))
            return row == column ? 1 + value : (value - 1) / Float(width)
          }
          return [
            .init(tensor.name, shape: Shape(rows: width, columns: width), values),
            .init(
              tensor.name + StatisticsKind.meanEnd, shape: Shape(vector: width),
              (0..<width).map(number)),
          ]
        })
    }
  }

  /// Where two models differ by more than a few units in the last place of the type.
  func difference(_ left: TinyModel, _ right: TinyModel) -> String? {
    let precision: Float =
      switch dtype {
      case .bf16: 0x1p-7
      case .f16: 0x1p-10
      default: 0x1p-20
      }
    for (a, b) in zip(left.tensors, right.tensors) {
      for (index, (x, y)) in zip(a.values, b.values).enumerated() {
        // Where terms cancel, what is left of their rounding is as large as they were.
        let allowed = 0x1p-21 + precision * max(x.magnitude, y.magnitude)
        if !((x - y).magnitude <= allowed) {
          return "element \(index) of \(a.name) (\(dtype.rawValue)) is \(x) instead of \(y)"
        }
      }
    }
    return nil
  }
}
