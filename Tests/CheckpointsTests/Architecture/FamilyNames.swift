import Testing

/// Short lists of the tensor names of real model families, with what is true of them.
struct FamilyNames: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let names: [String]
  /// The stacks as `prefix module count`.
  let stacks: [String]
  let modules: [String]
  let before: [String]
  let after: [String]
  let embeddings: [String]
  var buffers: [String] = []
  /// The tied head and its source when the head is not stored.
  var tied: [String: String] = [:]

  static func layers(_ prefix: String, _ count: Int, _ suffixes: [String]) -> [String] {
    (0..<count).flatMap { layer in suffixes.map { "\(prefix).\(layer).\($0)" } }
  }

  static let all = [
    llama, mixtral, qwenMoE, phi2, gpt2, gptNeoX, falcon, bert, roberta, distilBERT, t5, bart,
    whisper, vit, timm, clip, openCLIP, mamba, gemma3Vision, qwen2Vision, qwen3Vision, internLM2,
    mtp, resnet, swin, flux, sentenceTransformer,
  ]

  private static let decoderLayer = [
    "input_layernorm.weight", "self_attn.q_proj.weight", "mlp.up_proj.weight",
  ]

  static let llama = FamilyNames(
    testDescription: "Llama, Mistral, Qwen, Gemma, Phi-3",
    names: ["model.embed_tokens.weight"] + layers("model.layers", 3, decoderLayer)
      + ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.norm.weight", "lm_head.weight"],
    stacks: ["model.layers default 3"], modules: ["default"],
    before: ["model.embed_tokens.weight"], after: ["model.norm.weight", "lm_head.weight"],
    embeddings: ["model.embed_tokens.weight", "lm_head.weight"],
    buffers: ["model.layers.0.self_attn.rotary_emb.inv_freq"])

  static let mixtral = FamilyNames(
    testDescription: "Mixtral",
    names: ["model.embed_tokens.weight"]
      + layers(
        "model.layers", 2,
        layers("block_sparse_moe.experts", 4, ["w1.weight", "w2.weight"])
          + ["block_sparse_moe.gate.weight"]) + ["model.norm.weight"],
    stacks: ["model.layers default 2"], modules: ["default"],
    before: ["model.embed_tokens.weight"], after: ["model.norm.weight"],
    embeddings: ["model.embed_tokens.weight"],
    tied: ["lm_head.weight": "model.embed_tokens.weight"])

  static let qwenMoE = FamilyNames(
    testDescription: "Qwen 3 mixture of experts, one layer",
    names: ["model.embed_tokens.weight"]
      + layers(
        "model.layers", 1, layers("mlp.experts", 8, ["down_proj.weight", "up_proj.weight"]))
      + ["model.norm.weight"],
    stacks: ["model.layers default 1"], modules: ["default"],
    before: ["model.embed_tokens.weight"], after: ["model.norm.weight"],
    embeddings: ["model.embed_tokens.weight"])

  static let phi2 = FamilyNames(
    testDescription: "Phi-2",
    names: ["model.embed_tokens.weight"] + layers("model.layers", 2, decoderLayer)
      + ["model.final_layernorm.bias", "lm_head.weight", "lm_head.bias"],
    stacks: ["model.layers default 2"], modules: ["default"],
    before: ["model.embed_tokens.weight"],
    after: ["model.final_layernorm.bias", "lm_head.weight", "lm_head.bias"],
    embeddings: ["model.embed_tokens.weight", "lm_head.weight"])

  static let gpt2 = FamilyNames(
    testDescription: "GPT-2 without its prefix",
    names: ["wte.weight", "wpe.weight"]
      + layers("h", 2, ["attn.bias", "attn.c_attn.weight", "attn.c_attn.bias", "ln_1.weight"])
      + ["ln_f.weight", "ln_f.bias"],
    stacks: ["h default 2"], modules: ["default"], before: ["wte.weight", "wpe.weight"],
    after: ["ln_f.weight", "ln_f.bias"], embeddings: ["wte.weight"],
    buffers: ["h.0.attn.bias", "h.1.attn.bias"], tied: ["lm_head.weight": "wte.weight"])

  static let gptNeoX = FamilyNames(
    testDescription: "GPT-NeoX",
    names: ["gpt_neox.embed_in.weight"]
      + layers(
        "gpt_neox.layers", 2,
        [
          "attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq",
          "attention.dense.weight", "attention.dense.bias",
        ]) + ["gpt_neox.final_layer_norm.bias", "embed_out.weight"],
    stacks: ["gpt_neox.layers default 2"], modules: ["default"],
    before: ["gpt_neox.embed_in.weight"],
    after: ["gpt_neox.final_layer_norm.bias", "embed_out.weight"],
    embeddings: ["gpt_neox.embed_in.weight", "embed_out.weight"],
    buffers: layers(
      "gpt_neox.layers", 2,
      ["attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"]))

  static let falcon = FamilyNames(
    testDescription: "Falcon",
    names: ["transformer.word_embeddings.weight"]
      + layers("transformer.h", 2, ["ln_attn.bias", "mlp.dense_h_to_4h.weight"])
      + ["transformer.ln_f.weight"],
    stacks: ["transformer.h default 2"], modules: ["default"],
    before: ["transformer.word_embeddings.weight"], after: ["transformer.ln_f.weight"],
    embeddings: ["transformer.word_embeddings.weight"],
    tied: ["lm_head.weight": "transformer.word_embeddings.weight"])

  private static let bertLayer = [
    "attention.self.query.weight", "attention.output.LayerNorm.gamma", "output.dense.weight",
  ]

  static let bert = FamilyNames(
    testDescription: "BERT for masked language",
    names: [
      "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight",
      "bert.embeddings.position_ids", "bert.embeddings.token_type_embeddings.weight",
    ] + layers("bert.encoder.layer", 2, bertLayer)
      + [
        "bert.pooler.dense.weight", "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
      ],
    stacks: ["bert.encoder.layer default 2"], modules: ["default"],
    before: [
      "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight",
      "bert.embeddings.position_ids", "bert.embeddings.token_type_embeddings.weight",
    ],
    after: [
      "bert.pooler.dense.weight", "cls.predictions.bias", "cls.predictions.transform.dense.weight",
    ],
    embeddings: ["bert.embeddings.word_embeddings.weight"],
    buffers: ["bert.embeddings.position_ids"],
    tied: [
      "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
      "cls.predictions.decoder.bias": "cls.predictions.bias",
    ])

  static let roberta = FamilyNames(
    testDescription: "RoBERTa for sequence classification",
    names: ["roberta.embeddings.word_embeddings.weight", "roberta.embeddings.LayerNorm.bias"]
      + layers("roberta.encoder.layer", 2, bertLayer)
      + ["classifier.dense.weight", "classifier.out_proj.weight"],
    stacks: ["roberta.encoder.layer default 2"], modules: ["default"],
    before: ["roberta.embeddings.word_embeddings.weight", "roberta.embeddings.LayerNorm.bias"],
    after: ["classifier.dense.weight", "classifier.out_proj.weight"],
    embeddings: ["roberta.embeddings.word_embeddings.weight"])

  static let distilBERT = FamilyNames(
    testDescription: "DistilBERT for masked language",
    names: ["distilbert.embeddings.word_embeddings.weight"]
      + layers("distilbert.transformer.layer", 2, ["attention.k_lin.weight", "ffn.lin1.weight"])
      + ["vocab_transform.weight", "vocab_layer_norm.weight", "vocab_projector.bias"],
    stacks: ["distilbert.transformer.layer default 2"], modules: ["default"],
    before: ["distilbert.embeddings.word_embeddings.weight"],
    after: ["vocab_transform.weight", "vocab_layer_norm.weight", "vocab_projector.bias"],
    embeddings: ["distilbert.embeddings.word_embeddings.weight"],
    tied: ["vocab_projector.weight": "distilbert.embeddings.word_embeddings.weight"])

  static let t5 = FamilyNames(
    testDescription: "T5",
    names: ["shared.weight"]
      + layers(
        "encoder.block", 2,
        ["layer.0.SelfAttention.q.weight", "layer.1.DenseReluDense.wi.weight"])
      + layers(
        "decoder.block", 3, ["layer.1.EncDecAttention.q.weight", "layer.0.layer_norm.weight"])
      + ["encoder.final_layer_norm.weight", "decoder.final_layer_norm.weight"],
    stacks: ["decoder.block decoder 3", "encoder.block encoder 2"],
    modules: ["decoder", "encoder", "shared"], before: ["shared.weight"],
    after: ["encoder.final_layer_norm.weight", "decoder.final_layer_norm.weight"],
    embeddings: ["shared.weight"],
    tied: [
      "lm_head.weight": "shared.weight", "encoder.embed_tokens.weight": "shared.weight",
      "decoder.embed_tokens.weight": "shared.weight",
    ])

  static let bart = FamilyNames(
    testDescription: "BART",
    names: [
      "model.shared.weight", "model.encoder.embed_positions.weight",
      "model.encoder.layernorm_embedding.weight",
    ] + layers("model.encoder.layers", 2, ["fc1.weight", "self_attn.k_proj.weight"])
      + layers("model.decoder.layers", 2, ["fc1.weight", "encoder_attn.k_proj.weight"])
      + ["final_logits_bias"],
    stacks: ["model.decoder.layers decoder 2", "model.encoder.layers encoder 2"],
    modules: ["decoder", "encoder", "shared"],
    before: [
      "model.shared.weight", "model.encoder.embed_positions.weight",
      "model.encoder.layernorm_embedding.weight",
    ],
    after: ["final_logits_bias"], embeddings: ["model.shared.weight"],
    tied: [
      "lm_head.weight": "model.shared.weight",
      "model.decoder.embed_tokens.weight": "model.shared.weight",
    ])

  static let whisper = FamilyNames(
    testDescription: "Whisper",
    names: ["model.encoder.conv1.weight", "model.encoder.embed_positions.weight"]
      + layers("model.encoder.layers", 2, ["fc1.bias", "self_attn.k_proj.weight"])
      + ["model.encoder.layer_norm.weight", "model.decoder.embed_tokens.weight"]
      + layers("model.decoder.layers", 2, ["fc1.bias", "encoder_attn.k_proj.weight"])
      + ["model.decoder.layer_norm.bias"],
    stacks: ["model.decoder.layers decoder 2", "model.encoder.layers encoder 2"],
    modules: ["decoder", "encoder"],
    before: [
      "model.encoder.conv1.weight", "model.encoder.embed_positions.weight",
      "model.decoder.embed_tokens.weight",
    ],
    after: ["model.encoder.layer_norm.weight", "model.decoder.layer_norm.bias"],
    embeddings: ["model.decoder.embed_tokens.weight"],
    tied: ["proj_out.weight": "model.decoder.embed_tokens.weight"])

  static let vit = FamilyNames(
    testDescription: "ViT of transformers",
    names: [
      "vit.embeddings.cls_token", "vit.embeddings.patch_embeddings.projection.weight",
    ] + layers("vit.encoder.layer", 2, ["attention.attention.query.bias", "layernorm_before.bias"])
      + ["vit.layernorm.weight", "vit.pooler.dense.weight", "classifier.weight"],
    stacks: ["vit.encoder.layer default 2"], modules: ["default"],
    before: ["vit.embeddings.cls_token", "vit.embeddings.patch_embeddings.projection.weight"],
    after: ["vit.layernorm.weight", "vit.pooler.dense.weight", "classifier.weight"],
    embeddings: [])

  static let timm = FamilyNames(
    testDescription: "ViT of timm",
    names: ["cls_token", "pos_embed", "patch_embed.proj.weight", "norm_pre.weight"]
      + layers("blocks", 2, ["attn.qkv.weight", "norm1.weight"])
      + ["norm.weight", "fc_norm.bias", "head.weight"],
    stacks: ["blocks default 2"], modules: ["default"],
    before: ["cls_token", "pos_embed", "patch_embed.proj.weight", "norm_pre.weight"],
    after: ["norm.weight", "fc_norm.bias", "head.weight"], embeddings: [])

  static let clip = FamilyNames(
    testDescription: "CLIP",
    names: [
      "logit_scale", "text_model.embeddings.token_embedding.weight",
      "text_model.embeddings.position_ids",
    ] + layers("text_model.encoder.layers", 2, ["mlp.fc1.bias", "layer_norm1.weight"])
      + ["text_model.final_layer_norm.weight", "text_projection.weight"]
      + ["vision_model.embeddings.class_embedding", "vision_model.pre_layrnorm.weight"]
      + layers("vision_model.encoder.layers", 3, ["mlp.fc1.bias", "layer_norm1.weight"])
      + ["vision_model.post_layernorm.weight", "visual_projection.weight"],
    stacks: [
      "text_model.encoder.layers text_model 2", "vision_model.encoder.layers vision_model 3",
    ],
    modules: ["shared", "text_model", "vision_model"],
    before: [
      "text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_ids",
      "vision_model.embeddings.class_embedding", "vision_model.pre_layrnorm.weight",
    ],
    after: [
      "logit_scale", "text_model.final_layer_norm.weight", "text_projection.weight",
      "vision_model.post_layernorm.weight", "visual_projection.weight",
    ],
    embeddings: ["text_model.embeddings.token_embedding.weight"],
    buffers: ["text_model.embeddings.position_ids"])

  static let openCLIP = FamilyNames(
    testDescription: "CLIP of open_clip",
    names: [
      "positional_embedding", "text_projection", "token_embedding.weight", "ln_final.weight",
      "attn_mask", "visual.class_embedding", "visual.conv1.weight", "visual.ln_pre.weight",
      "visual.ln_post.weight", "visual.proj",
    ] + layers("transformer.resblocks", 2, ["attn.in_proj_weight", "ln_1.weight", "mlp.c_fc.bias"])
      + layers("visual.transformer.resblocks", 3, ["attn.in_proj_weight", "ln_1.weight"]),
    stacks: [
      "transformer.resblocks text_decoder 2", "visual.transformer.resblocks vision_tower 3",
    ],
    modules: ["text_decoder", "vision_tower"],
    before: [
      "positional_embedding", "token_embedding.weight", "visual.class_embedding",
      "visual.conv1.weight", "visual.ln_pre.weight",
    ],
    after: ["text_projection", "ln_final.weight", "visual.ln_post.weight", "visual.proj"],
    embeddings: ["token_embedding.weight"], buffers: ["attn_mask"])

  static let mamba = FamilyNames(
    testDescription: "Mamba",
    names: ["backbone.embeddings.weight"]
      + layers("backbone.layers", 2, ["mixer.A_log", "norm.weight"]) + ["backbone.norm_f.weight"],
    stacks: ["backbone.layers default 2"], modules: ["default"],
    before: ["backbone.embeddings.weight"], after: ["backbone.norm_f.weight"],
    embeddings: ["backbone.embeddings.weight"],
    tied: ["lm_head.weight": "backbone.embeddings.weight"])

  static let gemma3Vision = FamilyNames(
    testDescription: "Gemma 3 with vision",
    names: ["language_model.model.embed_tokens.weight"]
      + layers("language_model.model.layers", 2, decoderLayer)
      + [
        "language_model.model.norm.weight", "multi_modal_projector.mm_input_projection_weight",
        "multi_modal_projector.mm_soft_emb_norm.weight",
        "vision_tower.vision_model.embeddings.patch_embedding.weight",
      ]
      + layers("vision_tower.vision_model.encoder.layers", 3, ["layer_norm1.bias", "mlp.fc1.bias"])
      + ["vision_tower.vision_model.post_layernorm.bias"],
    stacks: [
      "language_model.model.layers text_decoder 2",
      "vision_tower.vision_model.encoder.layers vision_tower 3",
    ],
    modules: ["multi_modal_projector", "text_decoder", "vision_tower"],
    before: [
      "language_model.model.embed_tokens.weight",
      "vision_tower.vision_model.embeddings.patch_embedding.weight",
    ],
    after: ["language_model.model.norm.weight", "vision_tower.vision_model.post_layernorm.bias"],
    embeddings: ["language_model.model.embed_tokens.weight"],
    tied: ["language_model.lm_head.weight": "language_model.model.embed_tokens.weight"])

  static let qwen2Vision = FamilyNames(
    testDescription: "Qwen 2 with vision",
    names: ["model.embed_tokens.weight"] + layers("model.layers", 2, decoderLayer)
      + [
        "model.norm.weight", "lm_head.weight", "visual.patch_embed.proj.weight",
        "visual.merger.ln_q.weight", "visual.merger.mlp.0.weight", "visual.merger.mlp.2.weight",
      ] + layers("visual.blocks", 3, ["attn.proj.bias", "norm1.weight"]),
    stacks: ["model.layers text_decoder 2", "visual.blocks vision_tower 3"],
    modules: ["multi_modal_projector", "text_decoder", "vision_tower"],
    before: ["model.embed_tokens.weight", "visual.patch_embed.proj.weight"],
    after: ["model.norm.weight", "lm_head.weight", "visual.merger.mlp.0.weight"],
    embeddings: ["model.embed_tokens.weight", "lm_head.weight"])

  static let qwen3Vision = FamilyNames(
    testDescription: "Qwen 3 with vision",
    names: ["model.language_model.embed_tokens.weight"]
      + layers("model.language_model.layers", 2, decoderLayer)
      + ["model.language_model.norm.weight", "model.visual.pos_embed.weight"]
      + layers("model.visual.blocks", 3, ["attn.proj.bias", "norm1.weight"])
      + layers("model.visual.deepstack_merger_list", 2, ["norm.weight", "linear_fc1.bias"]),
    stacks: ["model.language_model.layers text_decoder 2", "model.visual.blocks vision_tower 3"],
    modules: ["multi_modal_projector", "text_decoder", "vision_tower"],
    before: ["model.language_model.embed_tokens.weight", "model.visual.pos_embed.weight"],
    after: ["model.language_model.norm.weight"],
    embeddings: ["model.language_model.embed_tokens.weight"],
    tied: ["lm_head.weight": "model.language_model.embed_tokens.weight"])

  static let internLM2 = FamilyNames(
    testDescription: "InternLM 2",
    names: ["model.tok_embeddings.weight"]
      + layers("model.layers", 2, ["attention.wqkv.weight", "feed_forward.w1.weight"])
      + ["model.norm.weight", "output.weight"],
    stacks: ["model.layers default 2"], modules: ["default"],
    before: ["model.tok_embeddings.weight"], after: ["model.norm.weight", "output.weight"],
    embeddings: ["model.tok_embeddings.weight", "output.weight"])

  static let mtp = FamilyNames(
    testDescription: "Qwen 3 Next with token predictors",
    names: ["model.embed_tokens.weight"] + layers("model.layers", 2, decoderLayer)
      + layers("mtp.layers", 1, decoderLayer) + ["mtp.fc.weight", "model.norm.weight"],
    stacks: ["model.layers default 2"], modules: ["default"],
    before: ["model.embed_tokens.weight"],
    after: ["mtp.fc.weight", "mtp.layers.0.mlp.up_proj.weight", "model.norm.weight"],
    embeddings: ["model.embed_tokens.weight"])

  static let resnet = FamilyNames(
    testDescription: "ResNet of torchvision",
    names: ["conv1.weight", "bn1.weight", "bn1.num_batches_tracked"]
      + layers("layer1", 2, ["conv1.weight", "bn1.running_mean", "downsample.0.weight"])
      + layers("layer2", 3, ["conv1.weight", "bn1.num_batches_tracked"]) + ["fc.weight"],
    stacks: ["layer1 default 2", "layer2 default 3"], modules: ["default"],
    before: ["conv1.weight", "bn1.weight", "bn1.num_batches_tracked"], after: ["fc.weight"],
    embeddings: [],
    buffers: ["bn1.num_batches_tracked"]
      + layers("layer2", 3, ["bn1.num_batches_tracked"]))

  static let swin = FamilyNames(
    testDescription: "Swin",
    names: ["patch_embed.proj.weight"]
      + layers(
        "layers", 2,
        layers("blocks", 2, ["attn.qkv.weight", "attn.relative_position_index", "norm1.weight"]))
      + ["norm.weight", "head.fc.weight"],
    stacks: ["layers default 2"], modules: ["default"], before: ["patch_embed.proj.weight"],
    after: ["norm.weight", "head.fc.weight"], embeddings: [],
    buffers: layers("layers", 2, layers("blocks", 2, ["attn.relative_position_index"])))

  static let flux = FamilyNames(
    testDescription: "A diffusion transformer with two stacks of one purpose",
    names: ["x_embedder.weight", "proj_out.weight"]
      + layers("transformer_blocks", 2, ["attn.to_q.weight", "ff.net.0.proj.weight"])
      + layers("single_transformer_blocks", 3, ["attn.to_q.weight", "norm.linear.weight"]),
    stacks: ["single_transformer_blocks default 3", "transformer_blocks default 2"],
    modules: ["default"], before: ["x_embedder.weight"], after: ["proj_out.weight"],
    embeddings: [])

  static let sentenceTransformer = FamilyNames(
    testDescription: "A sentence embedder saved as one sequence of modules",
    names: ["0.auto_model.embeddings.word_embeddings.weight"]
      + layers("0.auto_model.encoder.layer", 2, bertLayer) + ["2.linear.weight"],
    stacks: ["0.auto_model.encoder.layer default 2"], modules: ["default"],
    before: ["0.auto_model.embeddings.word_embeddings.weight"], after: ["2.linear.weight"],
    embeddings: ["0.auto_model.embeddings.word_embeddings.weight"])
}
