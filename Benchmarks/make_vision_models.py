#!/usr/bin/env python3
"""Write a synthetic base, eight experts, heads and images of the shapes of ViT-B/32, for bench_learning.py."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch_network import SIZES, VisionTransformer


def main() -> None:
    """Write the files into a folder."""
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    model = VisionTransformer(*SIZES["base"])

    def named(name: str) -> str:
        return name.replace("qkv", "attn.qkv").replace("proj", "attn.proj").replace("fc", "mlp.fc")

    base = {named(name): value.detach().clone() for name, value in model.named_parameters()}
    base["cls_token"] = torch.randn_like(base["cls_token"]) * 0.02
    base["pos_embed"] = torch.randn_like(base["pos_embed"]) * 0.02
    save_file(base, folder / "pretrained.safetensors")
    heads, data = {}, {}
    for task in range(8):
        expert = {name: value + 0.002 * torch.randn_like(value) for name, value in base.items()}
        save_file(expert, folder / f"expert_t{task}.safetensors")
        heads[f"t{task}.weight"] = torch.randn(10, 768) * 0.05
        heads[f"t{task}.bias"] = torch.zeros(10)
        data[f"t{task}.images"] = torch.randint(0, 256, (64, 3, 224, 224), dtype=torch.uint8)
        data[f"t{task}.labels"] = torch.randint(0, 10, (64,), dtype=torch.uint8)
    save_file(heads, folder / "heads.safetensors")
    save_file(data, folder / "test.safetensors")


if __name__ == "__main__":
    main()
