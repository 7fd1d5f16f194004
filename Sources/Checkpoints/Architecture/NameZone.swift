/// Whether a tensor outside the layers is used before or after them, told by its name.
///
/// The words are those of the published architectures (Llama, Mistral, Mixtral, Qwen, Gemma, Phi,
/// GPT-2, GPT-NeoX, Falcon, BERT, RoBERTa, DistilBERT, T5, BART, Whisper, ViT, CLIP, SigLIP, Mamba and
/// their relatives). The outermost component that is in one of the lists decides, so that
/// `embeddings.LayerNorm` is before and `head.layernorm` after the layers.
enum NameZone {
  case before, after

  /// The zone of a name outside the layers.
  init(_ parts: some Collection<Substring>) {
    for part in parts {
      let word = part.lowercased()
      if Self.beforeWords.contains(word) {
        self = .before
        return
      }
      if Self.afterWords.contains(word) {
        self = .after
        return
      }
    }
    let hints = ["embed", "token", "patch", "stem", "pos_", "position"]
    self =
      parts.contains { part in hints.contains { part.lowercased().contains($0) } }
      ? .before : .after
  }

  /// Whether a component names a part before or after the layers, where numbers count no layers.
  static func isListed(_ part: Substring) -> Bool {
    let word = part.lowercased()
    return beforeWords.contains(word) || afterWords.contains(word)
  }

  private static let beforeWords: Set<String> = [
    // Token and position embeddings of text models.
    "embed_tokens", "embed_tokens_per_layer", "embeddings", "embedding", "embed_in", "wte", "wpe",
    "word_embeddings", "word_embedding", "word_embeddings_layernorm", "tok_embeddings", "tok_emb",
    "token_emb", "token_embedding", "tokens_embed", "position_embeddings", "position_embedding",
    "embed_positions", "layernorm_embedding", "embd", "emb_ln", "embed_norm", "embeddings_project",
    "embed_scale", "project_in", "shared", "per_layer_model_projection",
    "per_layer_projection_norm", "rotary_emb", "rotary_pos_emb", "relative_pe",
    "relative_attention_bias", "rel_embeddings",
    // Patches, classes and stems of vision and audio models.
    "pos_embed", "pos_emb", "cls_token", "dist_token", "reg_token", "register_tokens", "mask_token",
    "patch_embed", "patch_embedding", "patch_embeddings", "patch_conv", "conv_stem", "stem", "bn1",
    "conv1", "conv2", "class_embedding", "positional_embedding", "positional_embedding_vlm",
    "ln_pre", "pre_layrnorm", "pre_layernorm", "norm_pre", "layernorm_pre", "feature_extractor",
    "feature_projection", "pos_conv_embed",
  ]

  private static let afterWords: Set<String> = [
    // Final norms.
    "norm", "ln_f", "norm_f", "final_layer_norm", "final_layernorm", "final_norm", "ln_final",
    "ln_post", "post_layernorm", "layernorm_post", "layernorm", "layer_norm", "fc_norm",
    "embedding_norm", "project_out",
    // Heads.
    "lm_head", "head", "heads", "score", "classifier", "pre_classifier", "pooler", "cls",
    "embed_out", "output", "output_layer", "proj", "proj_out", "fc", "text_projection",
    "visual_projection", "qa_outputs", "vocab_transform", "vocab_layer_norm", "vocab_projector",
    "pre_logits", "logit_scale", "logit_bias", "final_logits_bias", "attn_pool", "predictions",
    "discriminator_predictions", "generator_predictions", "generator_lm_head",
    "lm_loss", "pred_layer", "vision_adapter",
    // Parts that follow a tower or predict further tokens.
    "multi_modal_projector", "mm_projector", "multimodal_projector", "connector", "merger", "mlp1",
    "deepstack_merger_list", "mtp",
  ]
}
