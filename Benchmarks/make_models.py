#!/usr/bin/env python3
"""Make a synthetic base model and fine-tuned experts of it, the same bytes on every run.

The weights of the base are normal with standard deviation 0.02. An expert adds a change that all
experts share and one of its own, together between one and two per cent of that deviation, each
tensor with its own strength. Everything is made in blocks, so that memory stays far below the
size of a model.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llama_shapes import BYTES_PER_WEIGHT, Geometry, geometry

BLOCK = 4 << 20  # weights made at a time by one thread
DEVIATION = 0.02


@dataclass(frozen=True)
class Placement:
    """Where one tensor lies: its number in the model, its file and its first byte there."""

    number: int
    name: str
    shape: tuple[int, ...]
    file: str
    offset: int

    @property
    def count(self) -> int:
        """The number of weights."""
        return math.prod(self.shape)


def parse_size(text: str) -> int:
    """Read a size such as 1.0G, 300M or 5000000, in decimal units."""
    units = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
    digits = text.strip().upper().removesuffix("B")
    factor = units.get(digits[-1:], 1)
    try:
        value = int(float(digits.rstrip("KMGT")) * factor)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 1.0G") from None
    if value < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is negative")
    return value


def shards(shape: Geometry, limit: int) -> list[list[tuple[int, str, tuple[int, ...]]]]:
    """Split the tensors in model order into files of at most `limit` bytes; 0 is no limit."""
    groups: list[list[tuple[int, str, tuple[int, ...]]]] = [[]]
    size = 0
    for number, (name, extents) in enumerate(shape.tensors()):
        byte_count = BYTES_PER_WEIGHT * math.prod(extents)
        if limit and groups[-1] and size + byte_count > limit:
            groups.append([])
            size = 0
        groups[-1].append((number, name, extents))
        size += byte_count
    return groups


def headers(shape: Geometry, limit: int) -> tuple[dict[str, bytes], list[Placement]]:
    """Return the header of each file and where every tensor lies."""
    groups = shards(shape, limit)
    files: dict[str, bytes] = {}
    placements: list[Placement] = []
    for index, group in enumerate(groups):
        name = "model.safetensors"
        if len(groups) > 1:
            name = f"model-{index + 1:05d}-of-{len(groups):05d}.safetensors"
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        start = 0
        ordered = sorted(group, key=lambda tensor: tensor[1])
        for _, tensor, extents in ordered:
            end = start + BYTES_PER_WEIGHT * math.prod(extents)
            header[tensor] = {"dtype": "BF16", "shape": extents, "data_offsets": [start, end]}
            start = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        files[name] = len(text).to_bytes(8, "little") + text
        offset = len(files[name])
        for number, tensor, extents in ordered:
            placements.append(Placement(number, tensor, extents, name, offset))
            offset += BYTES_PER_WEIGHT * math.prod(extents)
    return files, sorted(placements, key=lambda placement: placement.number)


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Round finite float32 values to the nearest bfloat16, ties to even, as 16-bit patterns."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def normals(count: int, *key: int) -> np.ndarray:
    """Return standard normal values that depend on nothing but the key."""
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))
    return generator.standard_normal(count, dtype=np.float32)


def strengths(seed: int, number: int, experts: int) -> tuple[float, list[float]]:
    """Return how strong the shared and each expert's own change of a tensor are."""
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, 2**20, number))))
    shared = float(generator.uniform(0.004, 0.010))
    return shared, [float(generator.uniform(0.008, 0.016)) for _ in range(experts)]


def block(seed: int, tensor: Placement, start: int, experts: int) -> Iterator[np.ndarray]:
    """Yield the bit patterns of one block of a tensor: the base first, then each expert."""
    count = min(BLOCK, tensor.count - start)
    base = normals(count, seed, tensor.number, start, 0)
    base *= np.float32(DEVIATION)
    if len(tensor.shape) == 1:
        base += np.float32(1)  # the scales of normalisation layers
    yield to_bfloat16(base)
    strength, own = strengths(seed, tensor.number, experts)
    base += normals(count, seed, tensor.number, start, 1) * np.float32(DEVIATION * strength)
    for expert in range(experts):
        change = normals(count, seed, tensor.number, start, 2 + expert)
        change *= np.float32(DEVIATION * own[expert])
        change += base
        yield to_bfloat16(change)


def write(directory: Path, shape: Geometry, files: dict[str, bytes], tensors: list[Placement]):
    """Write everything of a model but its weights."""
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(shape.configuration(), indent=2) + "\n")
    for name, header in files.items():
        (directory / name).write_bytes(header)
    if len(files) > 1:
        index = {
            "metadata": {"total_size": shape.byte_count()},
            "weight_map": {tensor.name: tensor.file for tensor in tensors},
        }
        path = directory / "model.safetensors.index.json"
        path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def make(out: Path, shape: Geometry, experts: int, shard_size: int, seed: int, threads: int):
    """Write `base` and `expert1` … into a folder."""
    names = ["base"] + [f"expert{number + 1}" for number in range(experts)]
    files, tensors = headers(shape, shard_size)
    for name in names:
        write(out / name, shape, files, tensors)
    handles = {(name, file): (out / name / file).open("r+b") for name in names for file in files}

    def fill(task: tuple[Placement, int]) -> None:
        tensor, start = task
        offset = tensor.offset + BYTES_PER_WEIGHT * start
        for name, bits in zip(names, block(seed, tensor, start, experts), strict=True):
            os.pwrite(handles[name, tensor.file].fileno(), bits.data, offset)

    tasks = [(tensor, start) for tensor in tensors for start in range(0, tensor.count, BLOCK)]
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(fill, tasks):
                pass
    finally:
        for handle in handles.values():
            handle.close()


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="the folder that gets base, expert1, …")
    parser.add_argument("--size", type=parse_size, default="1.0G", help="bytes of one model")
    parser.add_argument("--experts", type=int, default=3)
    parser.add_argument(
        "--shard-size", type=parse_size, default="0", help="bytes of one file; 0 is one file"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="each needs about 100 MB")
    parser.add_argument("--force", action="store_true", help="replace models that are there")
    options = parser.parse_args()

    shape = geometry(options.size)
    need = shape.byte_count() * (1 + options.experts)
    options.out.mkdir(parents=True, exist_ok=True)
    for old in [options.out / "base", *sorted(options.out.glob("expert[0-9]*"))]:
        if old.exists() and not options.force:
            parser.error(f"{old} exists; give --force to replace it")
        shutil.rmtree(old, ignore_errors=True)
    free = shutil.disk_usage(options.out).free
    if free < need * 1.05:
        parser.error(f"{need / 1e9:.2f} GB are needed in {options.out}; {free / 1e9:.2f} are free")
    make(options.out, shape, options.experts, options.shard_size, options.seed, options.threads)
    print(
        f"{options.out}: 1 base and {options.experts} experts of {shape.byte_count() / 1e9:.3f} GB,"
        f" {shape.layers} layers, hidden {shape.hidden}",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
