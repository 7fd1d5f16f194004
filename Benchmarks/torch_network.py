#!/usr/bin/env python3
"""Time a vision transformer's forward pass and gradients in eager PyTorch; the peer of bench_networks.py."""

from __future__ import annotations

import argparse
import json
import statistics
import time

START = time.perf_counter()

import torch  # noqa: E402
import torch.nn.functional as functional  # noqa: E402
from torch import nn  # noqa: E402

SIZES = {
    # image, channels, patch, width, depth, heads, hidden, class token
    "bundled": (28, 1, 7, 128, 6, 4, 512, False),
    "base": (224, 3, 32, 768, 12, 12, 3072, True),
}


class Block(nn.Module):
    """A pre-norm block."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the tokens after attention and perceptron."""
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class VisionTransformer(nn.Module):
    """A vision transformer without a head."""

    def __init__(
        self,
        image: int,
        channels: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        token: bool,  # noqa: FBT001
    ) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(channels, width, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if token else None
        self.pos_embed = nn.Parameter(torch.zeros(1, (image // patch) ** 2 + token, width))
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of images."""
        x = self.patch_embed(images).flatten(2).transpose(1, 2)
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = self.norm(self.blocks(x + self.pos_embed))
        return x.mean(dim=1) if self.cls_token is None else x[:, 0]


def median(body, repeats: int) -> float:  # noqa: ANN001
    """Return the median time of a function in seconds, after warming up."""
    body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="base")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    (torch.ones(1, device=device) + 1).cpu()
    start_up = time.perf_counter() - START
    image, channels, *_ = SIZES[options.size]
    model = VisionTransformer(*SIZES[options.size]).to(device)
    images = torch.rand(options.batch, channels, image, image, device=device) * 2 - 1

    def forward() -> None:
        with torch.no_grad():
            model(images)[0, 0].item()

    def gradients() -> None:
        loss = model(images).square().mean()
        found = torch.autograd.grad(loss, list(model.parameters()))
        found[0].flatten()[0].item()

    result = {
        "start_up_seconds": start_up,
        "forward_seconds": median(forward, options.repeats),
        "forward_and_gradients_seconds": median(gradients, options.repeats),
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
