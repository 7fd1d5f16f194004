#!/usr/bin/env python3
"""Model Tinting as its published loop does it, in eager PyTorch; the peer of bench_learning.py.

The base and every task vector are held as dense tensors. Each step merges them by T + 1 scaled copies of every tensor, runs the task's
expert for its answers, and differentiates. As in the published code gradients are also made for the base and all task vectors, unless
--plain is given, which corresponds to the later version of the code.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as functional
from safetensors.torch import load_file
from torch_network import SIZES, VisionTransformer


def main() -> None:
    """Run some rounds and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    start = time.perf_counter()
    model = VisionTransformer(*SIZES[options.size])
    names = {name: name.replace("qkv", "attn.qkv").replace("proj", "attn.proj") for name, _ in model.named_parameters()}
    names = {a: b.replace("fc", "mlp.fc") for a, b in names.items()}

    def read(file: str) -> dict[str, torch.Tensor]:
        stored = load_file(options.folder / f"{file}.safetensors")
        return {own: stored[name].float() for own, name in names.items()}

    base = read("pretrained")
    vectors = []
    for task in options.tasks:
        expert = read(f"expert_{task}")
        vectors.append({name: expert[name] - base[name] for name in base})
    if not options.plain:
        for tensors in [base, *vectors]:
            for tensor in tensors.values():
                tensor.requires_grad_()
    heads = load_file(options.folder / "heads.safetensors")
    data = load_file(options.folder / "test.safetensors")
    weights = {task: heads[f"{task}.weight"].float().requires_grad_() for task in options.tasks}
    biases = {task: heads[f"{task}.bias"].float().requires_grad_() for task in options.tasks}
    original = {task: (heads[f"{task}.weight"].float(), heads[f"{task}.bias"].float()) for task in options.tasks}
    raw = torch.full((len(base), len(options.tasks)), 0.3, requires_grad=True)
    coefficients = torch.optim.Adam([raw], lr=1e-2)
    optimizers = {task: torch.optim.Adam([weights[task], biases[task]], lr=1e-2) for task in options.tasks}
    random.seed(0)
    torch.manual_seed(0)
    loaded = time.perf_counter() - start
    steps = []
    for _ in range(options.rounds):
        order = list(range(len(options.tasks)))
        random.shuffle(order)
        for index in order:
            begin = time.perf_counter()
            task = options.tasks[index]
            images = data[f"{task}.images"]
            images = images[torch.randint(len(images), (options.batch,))].float()
            if images.dim() == 3:
                images = images[:, None]
            images = (images / 255 - 0.25) / 0.35
            with torch.no_grad():
                expert = {name: base[name] + vectors[index][name] for name in base}
                features = torch.func.functional_call(model, expert, (images,))
                labels = functional.linear(features, *original[task]).argmax(1)
            scale = raw.clamp(0, 1)
            merged = {}
            for row, name in enumerate(base):
                parts = [base[name]] + [scale[row, k] * vectors[k][name] for k in range(len(vectors))]
                merged[name] = sum(parts)
            features = torch.func.functional_call(model, merged, (images,))
            loss = functional.cross_entropy(functional.linear(features, weights[task], biases[task]), labels)
            coefficients.zero_grad()
            optimizers[task].zero_grad()
            loss.backward()
            coefficients.step()
            optimizers[task].step()
            steps.append(time.perf_counter() - begin)
    print(json.dumps({"loading_seconds": loaded, "step_seconds": steps, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
