public import TinctureTensors
public import TinctureTorch

/// The filters of a convolution as a sum of outer products of four vectors (CP).
///
/// W[o, c, y, x] = Σₖ out[o, k] column[k, y] row[k, x] in[k, c]: a convolution of a single place to `rank` channels,
/// `in` [rank, channels, 1, 1]; for each channel by itself a filter of one column, `column` [rank, 1, height, 1], and
/// one of one row, `row` [rank, 1, 1, width]; and a convolution of a single place, `out` [outputs, rank, 1, 1]. The
/// column has the stride and the padding downwards, the row those to the right.
///
/// Source: Lebedev et al., arXiv:1412.6553. The published dynamic ranks call ``ChainFactors`` by this name.
public struct PolyadicFactors: FactorProduct {
  /// The extents of the filters.
  public let extents: [Int]
  /// The number of outer products.
  public let rank: Int

  /// Describes the factors of filters.
  ///
  /// - Parameters:
  ///   - extents: The extents of the filters, [outputs, channels, height, width].
  ///   - rank: The number of outer products, one or more.
  public init(_ extents: [Int], rank: Int) {
    precondition(extents.count == 4 && rank >= 1, "The form is for convolutions.")
    self.extents = extents
    self.rank = rank
  }

  /// in, column, row and out.
  public var factors: [Factor] {
    [
      Factor("in", [rank, extents[1], 1, 1]),
      Factor("column", [rank, 1, extents[2], 1], perChannel: true),
      Factor("row", [rank, 1, 1, extents[3]], perChannel: true),
      Factor("out", [extents[0], rank, 1, 1]),
    ]
  }

  /// The sum of outer products.
  public func product(_ factors: [TorchTensor]) throws(TinctureError) -> TorchTensor {
    // [rank, 1, height, width] times [rank, channels, 1, 1].
    let filters = try (factors[1] * factors[2]) * factors[0]
    return try factors[3].reshaped([extents[0], rank]).matmul(filters.reshaped([rank, -1]))
      .reshaped(extents)
  }

  /// Four convolutions.
  public func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor? {
    try input.conv2d(weight: factors[0])
      .conv2d(weight: factors[1], strides: [stride, 1], paddings: [padding, 0], groups: rank)
      .conv2d(weight: factors[2], strides: [1, stride], paddings: [0, padding], groups: rank)
      .conv2d(weight: factors[3], bias: bias)
  }
}
