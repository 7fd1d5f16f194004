"""Tiny models with the shapes and files that Hugging Face gives to real ones."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

EXPERTS = 3
VOCABULARY = 160
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ENCODER = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
}

TEXTS = {
    "base": "the quick brown fox jumps over the lazy dog and runs through the quiet forest again",
    "other": "merging models of different origin means that every token needs a row of its own",
}


def architecture(name: str) -> transformers.PreTrainedModel:
    """Return a new model of a family."""
    match name:
        case "llama":
            return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
        case "mistral":
            config = transformers.MistralConfig(**SIZES, sliding_window=None)
            return transformers.MistralForCausalLM(config)
        case "qwen2":
            config = transformers.Qwen2Config(**SIZES, tie_word_embeddings=True)
            return transformers.Qwen2ForCausalLM(config)
        case "gemma":
            return transformers.GemmaForCausalLM(transformers.GemmaConfig(**SIZES, head_dim=16))
        case "gpt2":
            config = transformers.GPT2Config(
                n_embd=64,
                n_layer=3,
                n_head=4,
                n_positions=64,
                vocab_size=VOCABULARY,
                bos_token_id=1,
                eos_token_id=2,
            )
            return transformers.GPT2LMHeadModel(config)
        case "bert":
            return transformers.BertModel(transformers.BertConfig(**ENCODER))
        case "distilbert":
            config = transformers.DistilBertConfig(
                dim=64, hidden_dim=96, n_layers=2, n_heads=4, vocab_size=VOCABULARY
            )
            return transformers.DistilBertForSequenceClassification(config)
        case "qwen3":
            return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**SIZES, head_dim=16))
        case "gemma2":
            return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**SIZES, head_dim=16))
        case "phi3":
            config = transformers.Phi3Config(**SIZES, pad_token_id=0)
            return transformers.Phi3ForCausalLM(config)
        case "mixtral":
            config = transformers.MixtralConfig(**SIZES, num_local_experts=2)
            return transformers.MixtralForCausalLM(config)
    raise ValueError(f"no family '{name}'")


def disturb(model: transformers.PreTrainedModel, seed: int, strength: float) -> None:
    """Add noise to every parameter, in proportion to its spread."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = float(parameter.std()) if parameter.numel() > 1 else 0.0
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += noise * strength * max(spread, 0.02)


def family(folder: Path, name: str, dtypes: list[str]) -> None:
    """Write a base and its experts once for each dtype; narrow ones are rounded wide ones."""
    transformers.set_seed(0)
    base = architecture(name)
    disturb(base, 1, 0.5)
    state = {key: value.clone() for key, value in base.state_dict().items()}
    for number in range(EXPERTS + 1):
        base.load_state_dict(state)
        if number:
            disturb(base, 100, 0.02)  # the change that all experts share
            disturb(base, 100 + number, 0.04)
        wide = {key: value.clone() for key, value in base.state_dict().items()}
        label = f"expert{number}" if number else "base"
        for dtype in dtypes:
            base.to(TYPES[dtype]).save_pretrained(folder / f"{name}-{dtype}" / label)
            base.float().load_state_dict(wide)


def tokenizer(text: str, size: int, added: list[str]) -> transformers.PreTrainedTokenizerFast:
    """Train a small byte-pair tokenizer on a text."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False
    )
    trained.train_from_iterator([text] * 3, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=trained, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.add_tokens(added)
    return fast


def with_tokenizers(folder: Path, dtype: str) -> None:
    """Write Llamas of which each has another vocabulary.

    `base` and `expert1` differ by added tokens, `expert2` was trained on another text, and
    `expert3` has rows beyond its tokens, as padded vocabularies have.
    """
    vocabularies = {
        "base": tokenizer(TEXTS["base"], 90, []),
        "expert1": tokenizer(TEXTS["base"], 90, ["<|user|>", "<|assistant|>"]),
        "expert2": tokenizer(TEXTS["other"], 100, ["<|user|>", "<|tool|>"]),
        "expert3": tokenizer(TEXTS["base"], 90, []),
    }
    for seed, (label, words) in enumerate(vocabularies.items()):
        rows = len(words.get_vocab()) + (6 if label == "expert3" else 0)
        sizes = {**SIZES, "vocab_size": rows, "num_hidden_layers": 2}
        transformers.set_seed(0)
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
        disturb(model, 1, 0.5)
        if seed:
            disturb(model, 200 + seed, 0.05)
        if label == "expert1":
            words.chat_template = "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
        path = folder / f"tokens-{dtype}" / label
        model.to(TYPES[dtype]).save_pretrained(path)
        words.save_pretrained(path)


def adapters(folder: Path, dtype: str) -> None:
    """Write LoRA adapters of the Llama base, with different ranks and scalings."""
    for number, (rank, alpha, stable) in enumerate([(4, 8, False), (8, 16, True)], start=1):
        base = folder / f"llama-{dtype}" / "base"
        model = transformers.LlamaForCausalLM.from_pretrained(base)
        config = peft.LoraConfig(
            r=rank,
            lora_alpha=alpha,
            use_rslora=stable,
            target_modules=["q_proj", "v_proj", "down_proj"],
            task_type="CAUSAL_LM",
        )
        transformers.set_seed(300 + number)
        adapted = peft.get_peft_model(model, config)
        with torch.no_grad():
            for key, parameter in adapted.named_parameters():
                if "lora_B" in key:
                    parameter.copy_(torch.randn(parameter.shape) * 0.02)
        adapted.save_pretrained(folder / f"llama-{dtype}" / f"adapter{number}")


def shard(folder: Path, source: str, target: str) -> None:
    """Write a model again in several files with an index."""
    for path in sorted((folder / source).glob("*")):
        if (path / "config.json").exists():
            model = transformers.AutoModelForCausalLM.from_pretrained(path)
            model.save_pretrained(folder / target / path.name, max_shard_size="100KB")


def without_index(folder: Path, source: str, target: str) -> None:
    """Write a model as a pickle of PyTorch."""
    for path in sorted((folder / source).glob("*")):
        if (path / "config.json").exists():
            model = transformers.AutoModelForCausalLM.from_pretrained(path)
            out = folder / target / path.name
            out.mkdir(parents=True)
            (out / "config.json").write_text((path / "config.json").read_text())
            torch.save(model.state_dict(), out / "pytorch_model.bin")


def make(folder: Path) -> None:
    """Write all models."""
    dtypes = {"llama": ["f32", "bf16", "f16"], "qwen2": ["f32", "bf16"]}
    dtypes |= {"gemma": ["bf16"], "phi3": ["bf16"]}
    families = ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "gpt2"]
    for name in [*families, "mixtral", "distilbert", "bert"]:
        family(folder, name, dtypes.get(name, ["f32"]))
    for dtype in ("f32", "bf16"):
        with_tokenizers(folder, dtype)
        adapters(folder, dtype)
    shard(folder, "llama-f32", "sharded-f32")
    without_index(folder, "llama-f32", "pickled-f32")
    (folder / "done").write_text(json.dumps({"transformers": transformers.__version__}) + "\n")
