import TinctureTensors
import TinctureTorch

extension TorchTensor {
  /// Attention of tokens to one another in several heads.
  ///
  /// softmax(Q Kᵀ / √d + mask) V in each head, where a head takes d neighbouring columns of each of Q, K, V.
  ///
  /// - Parameters:
  ///   - query: Q, [N, tokens, width].
  ///   - key: K, [N, tokens, width].
  ///   - value: V, [N, tokens, width].
  ///   - heads: How many heads; divides the width.
  ///   - mask: Truth values (true takes part) or numbers that are added, [.., queries, keys].
  ///   - causal: Whether a token sees no later one; excludes a mask.
  /// - Returns: The heads' results side by side, [N, tokens, width].
  /// - Throws: `engine` when the shapes do not fit.
  static func attention(
    query: TorchTensor, key: TorchTensor, value: TorchTensor, heads: Int,
    mask: TorchTensor? = nil, causal: Bool = false
  ) throws(TinctureError) -> TorchTensor {
    let shape = query.shape
    func split(_ x: TorchTensor) throws(TinctureError) -> TorchTensor {
      let extents = x.shape
      return try x.reshaped([extents[0], extents[1], heads, extents[2] / heads]).transposed(1, 2)
    }
    let mixed = try split(query).attention(
      key: split(key), value: split(value), mask: mask, causal: causal)
    return try mixed.transposed(1, 2).reshaped(shape)
  }
}
