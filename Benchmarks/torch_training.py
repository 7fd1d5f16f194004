#!/usr/bin/env python3
"""Time the steps of training a network in eager PyTorch; the peer of bench_train.py.

The networks, the parameterisations (dense, low rank, adaptor beside frozen weights), the loss, the optimiser and the batches are
those of the runs that bench_train.py gives to Tincture: bytes in memory, cropped and mirrored at random, normalised batch by batch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import nn
from torch_network import SIZES, VisionTransformer


def layer(mode: str, dense: nn.Module, rank: int) -> nn.Module:
    """Return a layer in the form of a mode; dense where factors would have no fewer numbers."""
    pair = factors(dense, rank, False)  # noqa: FBT003
    if mode == "dense" or sum(part.weight.numel() for part in pair) >= dense.weight.numel():
        return dense
    return LowRank(dense, rank) if mode == "low_rank" else Adaptor(dense, rank)


def factors(dense: nn.Module, rank: int, bias: bool) -> tuple[nn.Module, nn.Module]:  # noqa: FBT001
    """Return the two factors of a layer."""
    if isinstance(dense, nn.Conv2d):
        down = nn.Conv2d(dense.in_channels, rank, dense.kernel_size, dense.stride, dense.padding, bias=False)
        return down, nn.Conv2d(rank, dense.out_channels, 1, bias=bias)
    return nn.Linear(dense.in_features, rank, bias=False), nn.Linear(rank, dense.out_features, bias=bias)


class LowRank(nn.Module):
    """A layer as two factors."""

    def __init__(self, dense: nn.Module, rank: int) -> None:
        super().__init__()
        self.down, self.up = factors(dense, rank, dense.bias is not None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output of the factors."""
        return self.up(self.down(x))


class Adaptor(nn.Module):
    """A frozen layer with a change of low rank beside it."""

    def __init__(self, dense: nn.Module, rank: int) -> None:
        super().__init__()
        self.dense = dense
        self.dense.weight.requires_grad_(False)  # noqa: FBT003
        self.down, self.up = factors(dense, rank, False)  # noqa: FBT003
        nn.init.zeros_(self.up.weight)
        self.scale = 16 / rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return torch.add(self.dense(x), self.up(self.down(x)), alpha=self.scale)


class Residual(nn.Module):
    """A block of two convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, mode: str, ratio: float, projects: bool) -> None:  # noqa: FBT001
        super().__init__()
        rank = max(1, int(ratio * outputs))
        self.conv1 = layer(mode, nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), rank)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = layer(mode, nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), rank)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if projects else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.short(x))


class SmallResNet(nn.Module):
    """ResNet of depth 6n + 2 for small images, with a projection at the beginning of each stage."""

    def __init__(self, depth: int, width: int, mode: str, ratio: float) -> None:
        super().__init__()
        self.conv1 = layer(mode, nn.Conv2d(1, width, 3, 1, 1, bias=False), max(1, int(ratio * width)))
        self.bn1 = nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for stage in range(3):
            outputs = width << stage
            for index in range((depth - 2) // 6):
                blocks.append(Residual(inputs, outputs, 2 if stage and not index else 1, mode, ratio, not index))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores."""
        x = self.blocks(functional.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


class Classifier(nn.Module):
    """The bundled vision transformer with a head."""

    def __init__(self, mode: str, ratio: float) -> None:
        super().__init__()
        self.encoder = VisionTransformer(*SIZES["bundled"])
        for block in self.encoder.blocks:
            for name in ("qkv", "proj", "fc1", "fc2"):
                dense = getattr(block, name)
                rank = max(1, int(ratio * min(dense.in_features, dense.out_features)))
                setattr(block, name, layer(mode, dense, rank))
        self.head = nn.Linear(self.encoder.norm.normalized_shape[0], 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores."""
        return self.head(self.encoder(x))


def changed(images: torch.Tensor, crop: int) -> torch.Tensor:
    """Return images cropped and mirrored at random."""
    count, height, width = images.shape
    padded = functional.pad(images, (crop,) * 4)
    rows = torch.randint(2 * crop + 1, (count, 1)) + torch.arange(height)
    columns = torch.randint(2 * crop + 1, (count, 1)) + torch.arange(width)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)  # noqa: PLR2004
    return padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


class Phase:
    """A network in one parameterisation, with its optimiser."""

    def __init__(self, options: argparse.Namespace, mode: str) -> None:
        if options.network == "resnet":
            self.model: nn.Module = SmallResNet(options.depth, options.width, mode, options.ratio)
            self.crop, self.smoothing = 2, 0.1
        else:
            self.model = Classifier(mode, options.ratio)
            self.crop, self.smoothing = 0, 0.0
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(self.parameters, lr=0.1, momentum=0.9, weight_decay=1e-4)
            if options.network == "resnet"
            else torch.optim.AdamW(self.parameters, lr=1e-3, weight_decay=0.01)
        )

    def step(self, data: torch.Tensor, truth: torch.Tensor, batch: int) -> float:
        """Do one step and return its seconds."""
        begin = time.perf_counter()
        indices = torch.randint(len(data), (batch,))
        images = data[indices]
        images = changed(images, self.crop) if self.crop else images
        images = (images[:, None].float() / 255 - 0.2860) / 0.3530
        scores = self.model(images)
        loss = functional.cross_entropy(scores, truth[indices], label_smoothing=self.smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()
        (scores.argmax(1) == truth[indices]).sum().item()
        return time.perf_counter() - begin


def peaks_of_all_phases(options: argparse.Namespace, data: torch.Tensor, truth: torch.Tensor) -> list[int]:
    """Return the peak memory of each phase of a dynamic run whose three networks and optimisers live throughout, as published."""
    phases = [Phase(options, mode) for mode in ("low_rank", "dense", "adaptor")]
    peaks = []
    for phase in phases:
        Path("/proc/self/clear_refs").write_text("5")
        for _ in range(options.steps):
            phase.step(data, truth, options.batch)
        status = Path("/proc/self/status").read_text()
        peaks.append(next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")))
    return peaks


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=["resnet", "transformer"], required=True)
    parser.add_argument("--mode", choices=["dense", "low_rank", "adaptor", "phases"], default="dense")
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    data = torch.randint(256, (10_000, 28, 28), dtype=torch.uint8)
    truth = torch.randint(10, (10_000,))
    if options.mode == "phases":
        print(json.dumps({"peak_bytes": peaks_of_all_phases(options, data, truth), "torch": torch.__version__}))
        return
    phase = Phase(options, options.mode)
    seconds = [phase.step(data, truth, options.batch) for _ in range(options.steps + 5)]
    trained = sum(p.numel() for p in phase.parameters)
    print(json.dumps({"step_seconds": statistics.mean(seconds[5:]), "trained": trained, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
