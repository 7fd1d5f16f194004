public import TinctureTensors
public import TinctureTorch

/// The filters of a convolution as a chain: a single place, a row, a column, a single place.
///
/// W[o, c, y, x] = Σ out[o, d] column[d, b, y] row[b, a, x] in[a, c], with `in` [rank, channels, 1, 1], `row`
/// [rank, rank, 1, width], `column` [rank, rank, height, 1] and `out` [outputs, rank, 1, 1]. The row has the stride
/// and the padding to the right, the column those downwards; the published code strides at the end, which gives the
/// same numbers and computes more.
///
/// Source: the published code of Shin et al., arXiv:2508.08625, which calls it CP.
public struct ChainFactors: FactorProduct {
  /// The extents of the filters.
  public let extents: [Int]
  /// The channels between the four.
  public let rank: Int

  /// Describes the factors of filters.
  ///
  /// - Parameters:
  ///   - extents: The extents of the filters, [outputs, channels, height, width].
  ///   - rank: The channels between the four, one or more.
  public init(_ extents: [Int], rank: Int) {
    precondition(extents.count == 4 && rank >= 1, "The form is for convolutions.")
    self.extents = extents
    self.rank = rank
  }

  /// in, row, column and out.
  public var factors: [Factor] {
    [
      Factor("in", [rank, extents[1], 1, 1]), Factor("row", [rank, rank, 1, extents[3]]),
      Factor("column", [rank, rank, extents[2], 1]), Factor("out", [extents[0], rank, 1, 1]),
    ]
  }

  /// The contraction of the four.
  public func product(_ factors: [TorchTensor]) throws(TinctureError) -> TorchTensor {
    let (height, width) = (extents[2], extents[3])
    // [b, x · c] and [o · y, b].
    let right = try factors[1].reshaped([rank, rank, width]).transposed(1, 2)
      .matmul(factors[0].reshaped([rank, extents[1]])).reshaped([rank, -1])
    let left = try factors[3].reshaped([extents[0], rank])
      .matmul(factors[2].reshaped([rank, -1])).reshaped([extents[0], rank, height])
      .transposed(1, 2).reshaped([extents[0] * height, rank])
    return try left.matmul(right).reshaped([extents[0], height, width, extents[1]])
      .permuted(0, 3, 1, 2)
  }

  /// Four convolutions.
  public func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor? {
    try input.conv2d(weight: factors[0])
      .conv2d(weight: factors[1], strides: [1, stride], paddings: [0, padding])
      .conv2d(weight: factors[2], strides: [stride, 1], paddings: [padding, 0])
      .conv2d(weight: factors[3], bias: bias)
  }
}
