internal import TinctureLinearAlgebra
public import TinctureTensors
public import TinctureTorch

/// A weight as a product of two matrices, W = up · down.
///
/// The weight is seen as the matrix `outputs × (channels · height · width)`. A linear layer becomes two: `down`
/// [rank, inputs], then `up` [outputs, rank]. A convolution becomes one with fewer outputs, `down`
/// [rank, channels, height, width], which has the stride and the padding, and one of a single place, `up`
/// [outputs, rank, 1, 1]. There is neither a bias nor a function between the two.
///
/// Source: Shin et al., arXiv:2508.08625, where down is U and up is V for convolutions.
public struct MatrixFactors: FactorProduct {
  /// The extents of the weight.
  public let extents: [Int]
  /// The rank.
  public let rank: Int

  /// Describes the factors of a weight.
  ///
  /// - Parameters:
  ///   - extents: The extents of the weight, two or more.
  ///   - rank: The rank, one or more.
  public init(_ extents: [Int], rank: Int) {
    precondition(extents.count >= 2 && rank >= 1, "A product needs a matrix and a positive rank.")
    self.extents = extents
    self.rank = rank
  }

  /// down, then up.
  public var factors: [Factor] {
    let ones = [Int](repeating: 1, count: extents.count - 2)
    return [
      Factor("down", [rank] + extents.dropFirst()), Factor("up", [extents[0], rank] + ones),
    ]
  }

  /// up · down.
  public func product(_ factors: [TorchTensor]) throws(TinctureError) -> TorchTensor {
    try factors[1].reshaped([extents[0], rank]).matmul(factors[0].reshaped([rank, -1]))
      .reshaped(extents)
  }

  /// The nearest product: down = √Σ Vᵀ and up = U √Σ of the leading singular values.
  ///
  /// - Complexity: O(m n min(m, n)) for the m × n matrix.
  public func factors(of weight: TorchTensor) throws(TinctureError) -> [TorchTensor]? {
    let svd = try Backend.shared.svd(weight.matrix())
    var cut = svd.prefix(min(rank, svd.rank))
    let roots = cut.singularValues.map { $0.squareRoot() }
    cut.u.scaleColumns(by: roots)
    cut.vt.scaleRows(by: roots)
    let (down, up) = (factors[0].extents, factors[1].extents)
    return [
      try cut.vt.tensor(rows: rank, columns: cut.vt.columns, on: weight.device).reshaped(down),
      try cut.u.tensor(rows: extents[0], columns: rank, on: weight.device).reshaped(up),
    ]
  }

  /// Two linear layers.
  public func linear(
    _ input: TorchTensor, bias: TorchTensor?, isInputMajor: Bool, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor? {
    guard extents.count == 2 else { return nil }
    guard isInputMajor else {
      return try input.linear(weight: factors[0]).linear(weight: factors[1], bias: bias)
    }
    let output = try input.matmul(factors[1]).matmul(factors[0])
    return if let bias { try output + bias } else { output }
  }

  /// Two convolutions.
  public func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor? {
    guard extents.count == 4 else { return nil }
    return try input.conv2d(weight: factors[0], stride: stride, padding: padding)
      .conv2d(weight: factors[1], bias: bias)
  }
}

extension TorchTensor {
  /// The elements as a matrix of double precision: the first axis by all others.
  func matrix() throws(TinctureError) -> Matrix<Double> {
    let rows = shape.first ?? 1
    return Matrix(
      rows: rows, columns: rows > 0 ? elementCount / rows : 0, try array(as: Double.self))
  }
}

extension Matrix<Double> {
  /// The elements in single precision, with zeros where there are fewer rows or columns than wanted.
  func tensor(
    rows: Int, columns: Int, on device: TorchDevice
  ) throws(TinctureError) -> TorchTensor {
    let elements = array
    var values = [Float](repeating: 0, count: rows * columns)
    for row in 0..<Swift.min(rows, self.rows) {
      for column in 0..<Swift.min(columns, self.columns) {
        values[row * columns + column] = Float(elements[row * self.columns + column])
      }
    }
    return try TorchTensor(values, shape: [rows, columns], on: device)
  }
}
