/// The bits of the codes of one tensor.
struct TensorWidths: Sendable, Hashable {
  /// Of the shared vector's codes.
  var shared: Int
  /// Of the codes of experts that are not listed.
  var own: Int
  /// Of the codes of single experts.
  var experts: [String: Int] = [:]

  /// The same for all tensors, as the codec says.
  init(_ codec: BankCodec) {
    shared = codec.baseBits
    own = codec.bits
  }

  subscript(expert: String) -> Int { experts[expert] ?? own }
}
