internal import TinctureJSON

extension ModelLayout {
  /// Whether a tensor is derived state that no training changes: positions, masks, counters.
  ///
  /// Buffers are copied from one model and never required. The running statistics of batch norms are
  /// no buffers in this sense; they describe what was trained.
  ///
  /// - Parameter name: The name of the tensor; it need not be in the checkpoint.
  /// - Returns: True when the tensor is no parameter.
  /// - Complexity: O(n) in the length of the name.
  public func isBuffer(_ name: String) -> Bool {
    let parts = TensorNameParts(name)
    guard let last = parts.parts.last else { return false }
    if Self.bufferNames.contains(last) { return true }
    let above = parts.parts.count >= 2 ? parts.parts[parts.parts.count - 2] : ""
    switch last {
    case "bias":
      // GPT-2 and GPT-NeoX store the causal mask as the `bias` of an attention that has no weight.
      guard above == "attn" || above == "attention" else { return false }
      let sibling = parts.container(before: parts.parts.count - 1) + ".weight"
      return position(of: name).layer != nil && !names.contains(ExactString(sibling))
    case "slopes": return above == "relative_pe"
    case "token_type_ids": return above == "embeddings"
    default: return false
    }
  }

  private static let bufferNames: Set<Substring> = [
    "inv_freq", "original_inv_freq", "masked_bias", "causal_mask", "attn_mask", "position_ids",
    "num_batches_tracked", "relative_position_index", "relative_coords_table", "cos_cached",
    "sin_cached", "freqs_cis", "rope_freqs", "_float_tensor",
  ]
}
