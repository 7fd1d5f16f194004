#!/usr/bin/env python3
"""Measure expert banks: sizes on disk, errors, rates, and merging from codes against merging files.

The models have the shapes of the visual part of CLIP ViT-B/32, in single precision: a base and eight
experts, made from a seed. What a bank takes is compared with the eight experts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from measure import Measurement, run
from safetensors_header import header

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# name, options of `bank create`, the fraction that the specification of the codecs expects
BANKS = (
    ("raw", ["--codec", "raw"], None),
    ("tvq8", ["--codec", "tvq", "--bits", "8"], 0.255),
    ("tvq4", ["--codec", "tvq", "--bits", "4"], 0.131),
    ("tvq3", ["--codec", "tvq", "--bits", "3"], 0.100),
    ("tvq2", ["--codec", "tvq", "--bits", "2"], 0.068),
    ("tvq2, clipped", ["--codec", "tvq", "--bits", "2", "--clip"], None),
    ("tvq2, rows", ["--codec", "tvq", "--bits", "2", "--ranges", "row"], None),
    ("tvq2, 64, clipped", ["--codec", "tvq", "--bits", "2", "--ranges", "64", "--clip"], None),
    ("rtvq B3O2", ["--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2"], 0.081),
    (
        "rtvq B3O2, 64, clipped",
        ["--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2", "--ranges", "64", "--clip"],
        None,
    ),
)


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the visual part of ViT-B/32 in open_clip's spelling."""
    width = 768
    found: dict[str, tuple[int, ...]] = {
        "class_embedding": (width,),
        "positional_embedding": (50, width),
        "proj": (width, 512),
        "conv1.weight": (width, 3, 32, 32),
    }
    for norm in ("ln_pre", "ln_post"):
        found[f"{norm}.weight"] = (width,)
        found[f"{norm}.bias"] = (width,)
    for layer in range(12):
        block = f"transformer.resblocks.{layer}"
        for norm in ("ln_1", "ln_2"):
            found[f"{block}.{norm}.weight"] = (width,)
            found[f"{block}.{norm}.bias"] = (width,)
        for name, shape in (
            ("attn.in_proj", (3 * width, width)),
            ("attn.out_proj", (width, width)),
            ("mlp.c_fc", (4 * width, width)),
            ("mlp.c_proj", (width, 4 * width)),
        ):
            joint = "_" if name.endswith("in_proj") else "."
            found[f"{block}.{name}{joint}weight"] = shape
            found[f"{block}.{name}{joint}bias"] = shape[:1]
    return {f"visual.{name}": shape for name, shape in found.items()}


def write(path: Path, number: int) -> None:
    """Write the base (number 0) or an expert."""
    with path.open("wb") as file:
        file.write(header(shapes()))
        for index, shape in enumerate(shapes().values()):
            count = math.prod(shape)
            values = np.random.default_rng([1, index]).standard_normal(count, np.float32) * 0.02
            if number:
                common = np.random.default_rng([2, index]).standard_normal(count, np.float32)
                own = np.random.default_rng([3, index, number]).standard_normal(count, np.float32)
                values += common * np.float32(0.0003) + own * np.float32(0.0006)
            file.write(values.astype("<f4").tobytes())


def forget(paths: list[Path]) -> None:
    """Drop files from the page cache."""
    os.sync()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


class Bench:
    """One benchmark of banks."""

    def __init__(self, options: argparse.Namespace):
        """Take the options of the command line."""
        self.options = options
        self.work: Path = options.work.resolve()
        self.experts = [f"e{number}" for number in range(1, options.experts + 1)]
        self.parameters = sum(math.prod(shape) for shape in shapes().values())
        self.single = 4 * self.parameters * options.experts

    def make_models(self) -> None:
        """Make the models unless they are there."""
        self.work.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(["base", *self.experts]):
            path = self.work / f"{name}.safetensors"
            if not path.exists():
                write(path, number)

    def tincture(self, *arguments: str) -> Measurement:
        """Run the program once."""
        result = run([str(self.options.tincture), *arguments], self.work / "log.txt")
        if result.status:
            sys.exit(f"{' '.join(arguments)} failed: {result.output}")
        return result

    def create(self, name: str, settings: list[str]) -> dict[str, object]:
        """Make a bank; return its size, its error and how long it took."""
        path = self.work / f"{name.replace(', ', '-').replace(' ', '-')}.bank"
        command = ["bank", "create", "--base", str(self.work / "base.safetensors")]
        for expert in self.experts:
            command += ["--expert", f"{expert}={self.work / expert}.safetensors"]
        command += [*settings, "--output", str(path), "--force", "--quiet"]
        runs = [self.tincture(*command) for _ in range(self.options.runs)]
        shown = subprocess.run(
            [str(self.options.tincture), "bank", "show", str(path), "--json"],
            check=True,
            capture_output=True,
        )
        experts = json.loads(shown.stdout)["experts"]
        return {
            "path": path,
            "bytes": path.stat().st_size,
            "seconds": statistics.median(run.seconds for run in runs),
            "memory": max(run.peak_resident or 0 for run in runs),
            "error": statistics.mean(float(expert["relative_error"]) for expert in experts),
        }

    def merge(self, models: list[str], files: list[Path], cold: bool) -> float:
        """Return the median seconds of adding up all task vectors, with or without a page cache."""
        output = self.work / "merged.safetensors"
        command = ["merge", "--method", "task_arithmetic", "--set", "weight=0.3", "--quiet"]
        command += ["--base", str(self.work / "base.safetensors")]
        for model in models:
            command += ["--model", model]
        seconds = []
        for _ in range(self.options.runs):
            output.unlink(missing_ok=True)
            if cold:
                forget([self.work / "base.safetensors", *files])
            seconds.append(self.tincture(*command, str(output)).seconds)
        return statistics.median(seconds)


def copy_rate(work: Path) -> float:
    """Return the bytes a second at which one core copies memory."""
    source = np.ones(1 << 26, np.uint8)
    target = np.empty_like(source)
    best = math.inf
    for _ in range(10):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    return source.size / best


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tincture", type=Path, default=ROOT / ".build/release/tincture")
    parser.add_argument("--work", type=Path, default=HERE / "results/banks")
    parser.add_argument("--keep", action="store_true", help="keep the models for another time")
    options = parser.parse_args()
    if not options.tincture.exists():
        parser.error(f"{options.tincture} is not there; run swift build -c release")
    bench = Bench(options)
    bench.make_models()
    print(f"{bench.parameters:,} parameters, {options.experts} experts: {bench.single / 1e9:.3f} GB")
    print(f"memory is copied at {copy_rate(bench.work) / 1e9:.1f} GB/s by one core\n")
    print("| bank | MB | of fp32 | expected | lost (‖τ−τ̂‖/‖τ‖) | encode s | GB/s | memory MB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    made = {}
    for name, settings, expected in BANKS:
        made[name] = found = bench.create(name, settings)
        print(
            f"| {name} | {found['bytes'] / 1e6:.1f} | {found['bytes'] / bench.single:.2%} |"
            f" {'–' if expected is None else f'{expected:.1%}'} | {found['error']:.3f} |"
            f" {found['seconds']:.2f} | {bench.single / found['seconds'] / 1e9:.2f} |"
            f" {found['memory'] / 1e6:.0f} |",
            flush=True,
        )
    print("\n| merge of all experts from | cache warm s | GB/s of weights | cache cold s |")
    print("|---|--:|--:|--:|")
    files = [bench.work / f"{expert}.safetensors" for expert in bench.experts]
    sources = [("files", [str(file) for file in files], files)]
    for name in ("tvq4", "tvq2", "rtvq B3O2"):
        path = made[name]["path"]
        sources.append((name, [f"{path}#{expert}" for expert in bench.experts], [path]))
    for name, models, paths in sources:
        warm, cold = (bench.merge(models, paths, cold) for cold in (False, True))
        print(f"| {name} | {warm:.2f} | {bench.single / warm / 1e9:.2f} | {cold:.2f} |", flush=True)
    if not options.keep:
        shutil.rmtree(bench.work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
