internal import TinctureLinearAlgebra
public import TinctureTensors
public import TinctureTorch

/// The filters of a convolution in Tucker's form along their channels.
///
/// W[o, c, y, x] = Σ out[o, a] core[a, b, y, x] in[b, c]: a convolution of a single place from the channels to `in`
/// [s, channels, 1, 1], one with filters of the old size, `core` [r, s, height, width], which has the stride and the
/// padding, and one of a single place, `out` [outputs, r, 1, 1]. r and s are the rank, s at most the channels.
///
/// Source: Kim et al., arXiv:1511.06530; as in Shin et al., arXiv:2508.08625.
public struct TuckerFactors: FactorProduct {
  /// The extents of the filters.
  public let extents: [Int]
  /// The channels of the core that come out, and those that go in.
  public let ranks: [Int]

  /// Describes the factors of filters.
  ///
  /// - Parameters:
  ///   - extents: The extents of the filters, [outputs, channels, height, width].
  ///   - rank: The rank, one or more.
  public init(_ extents: [Int], rank: Int) {
    precondition(extents.count == 4 && rank >= 1, "Tucker's form is for convolutions.")
    self.extents = extents
    ranks = [min(rank, extents[0]), min(rank, extents[1])]
  }

  /// in, core and out.
  public var factors: [Factor] {
    [
      Factor("in", [ranks[1], extents[1], 1, 1]), Factor("core", ranks + extents.suffix(2)),
      Factor("out", [extents[0], ranks[0], 1, 1]),
    ]
  }

  /// out · core · in.
  public func product(_ factors: [TorchTensor]) throws(TinctureError) -> TorchTensor {
    let places = extents[2] * extents[3]
    let first = try factors[2].reshaped([extents[0], ranks[0]])
      .matmul(factors[1].reshaped([ranks[0], -1])).reshaped([extents[0], ranks[1], places])
    return try first.transposed(1, 2).matmul(factors[0].reshaped([ranks[1], extents[1]]))
      .transposed(1, 2).reshaped(extents)
  }

  /// The leading singular vectors of both unfoldings, and the core that fits them best.
  ///
  /// - Complexity: Two singular value decompositions of matrices as large as the filters.
  public func factors(of weight: TorchTensor) throws(TinctureError) -> [TorchTensor]? {
    let (out, into) = (
      try Self.directions(weight, ranks[0]), try Self.directions(weight.transposed(0, 1), ranks[1])
    )
    // core = outᵀ · W · inᵀ.
    let places = extents[2] * extents[3]
    let small = try out.transposed().matmul(
      weight.converted(to: .f32).reshaped([extents[0], -1])
    ).reshaped([ranks[0], extents[1], places])
    let core = try small.transposed(1, 2).matmul(into).transposed(1, 2)
    let shapes = factors.map(\.extents)
    return [
      try into.transposed().contiguous().reshaped(shapes[0]),
      try core.contiguous().reshaped(shapes[1]), try out.reshaped(shapes[2]),
    ]
  }

  /// The leading left singular vectors of a tensor, whose first axis is the rows.
  private static func directions(
    _ tensor: TorchTensor, _ rank: Int
  ) throws(TinctureError) -> TorchTensor {
    let svd = try Backend.shared.svd(tensor.contiguous().matrix())
    // Where there are fewer vectors than are wanted, further ones are of no use: zeros.
    return try svd.prefix(Swift.min(rank, svd.rank)).u
      .tensor(rows: tensor.shape[0], columns: rank, on: tensor.device)
  }

  /// Three convolutions.
  public func convolution(
    _ input: TorchTensor, bias: TorchTensor?, stride: Int, padding: Int, _ factors: [TorchTensor]
  ) throws(TinctureError) -> TorchTensor? {
    try input.conv2d(weight: factors[0])
      .conv2d(weight: factors[1], stride: stride, padding: padding)
      .conv2d(weight: factors[2], bias: bias)
  }
}
