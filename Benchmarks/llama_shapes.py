"""Shapes of Llama checkpoints: which tensors there are for a wanted size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

BYTES_PER_WEIGHT = 2  # bfloat16


@dataclass(frozen=True)
class Geometry:
    """The numbers that fix every tensor of a Llama model."""

    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    vocabulary: int
    layers: int = 1

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the names and shapes in the order of the model."""
        hidden, wide = self.hidden, self.intermediate
        narrow = hidden // self.heads * self.key_value_heads
        yield "model.embed_tokens.weight", (self.vocabulary, hidden)
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}."
            yield prefix + "self_attn.q_proj.weight", (hidden, hidden)
            yield prefix + "self_attn.k_proj.weight", (narrow, hidden)
            yield prefix + "self_attn.v_proj.weight", (narrow, hidden)
            yield prefix + "self_attn.o_proj.weight", (hidden, hidden)
            yield prefix + "mlp.gate_proj.weight", (wide, hidden)
            yield prefix + "mlp.up_proj.weight", (wide, hidden)
            yield prefix + "mlp.down_proj.weight", (hidden, wide)
            yield prefix + "input_layernorm.weight", (hidden,)
            yield prefix + "post_attention_layernorm.weight", (hidden,)
        yield "model.norm.weight", (hidden,)
        yield "lm_head.weight", (self.vocabulary, hidden)

    def byte_count(self) -> int:
        """Return the bytes of all tensors."""
        return BYTES_PER_WEIGHT * sum(math.prod(shape) for _, shape in self.tensors())

    def configuration(self) -> dict[str, object]:
        """Return what config.json says."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": 1,
            "dtype": "bfloat16",
            "eos_token_id": 2,
            "head_dim": self.hidden // self.heads,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate,
            "max_position_embeddings": 2048,
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.key_value_heads,
            "rms_norm_eps": 1e-05,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "vocab_size": self.vocabulary,
        }


FULL = Geometry(hidden=2048, intermediate=5632, heads=32, key_value_heads=4, vocabulary=32000)
SMALL = Geometry(hidden=512, intermediate=1408, heads=8, key_value_heads=2, vocabulary=8000)


def geometry(byte_count: int) -> Geometry:
    """Return the geometry with as many layers as come nearest to a size.

    From 440 MB on it has the widths of a 1.1-billion-weight Llama (hidden 2048); smaller sizes,
    which are for trying the scripts, have a quarter of them.
    """
    shape = FULL if byte_count >= 440_000_000 else SMALL
    one = shape.byte_count()
    layer = replace(shape, layers=2).byte_count() - one
    return replace(shape, layers=max(1, 1 + round((byte_count - one) / layer)))
