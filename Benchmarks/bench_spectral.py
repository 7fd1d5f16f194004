#!/usr/bin/env python3
"""Compare merging with FusionBench: time, memory, and for merges by singular values the error in both programs.

Two sets of synthetic models in single precision: the visual part of CLIP ViT-B/32 with eight
experts, and matrices of a Llama's MLP (2048 × 5632) with four. The error is the distance to the
same merge in double precision by full decompositions, as a share of the merged task vector's norm.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from bench_banks import shapes as vision_shapes
from measure import Measurement, run
from report import greatest, median, megabytes, ratio, seconds, table
from safetensors_header import header
from spectral_reference import Files, distances

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
METHODS = ("iso_c", "iso_cts", "tsv_m", "opcm", "knots")
# Merges without singular values; the double-precision reference does not know them.
MASKED = ("linear", "task_arithmetic", "ties", "magmax", "tall_masks", "emr", "wudi")
# Merges by statistics, which are random here and read from files, and one by descent.
MEASURED = ("fisher", "regmean", "doge")
# What statistics each of them reads.
STATISTICS = {"fisher": "fisher", "regmean": "gram"}
SETTINGS = {
    "iso_c": ["alpha=1"],
    "iso_cts": ["alpha=1", "common_space_fraction=0.8"],
    "tsv_m": ["alpha=1"],
    "opcm": ["threshold=0.5"],
    "knots": ["inner=ties", "density=0.2", "lambda=0.6", "epsilon=1e-5"],
    "linear": ["weight=0.125"],
    "task_arithmetic": ["weight=0.3"],
    # Of the 300 steps of the published setting, each of which costs the same; FusionBench would take hours.
    "wudi": ["iter_num=10"],
    "tall_masks": ["preset"],
    "ties": ["preset"],
    "magmax": ["lambda=0.5"],
    "emr": [],
    "fisher": ["preset"],
    "regmean": ["preset"],
    # Of 400 steps for each matrix, each of which costs the same.
    "doge": ["steps=10"],
}
Shapes = dict[str, tuple[int, ...]]


def vision(layers: int, width: int) -> Shapes:
    """Return the shapes of the visual part of ViT-B/32, or of one with fewer blocks or narrower."""
    found = {}
    for name, shape in vision_shapes().items():
        part = name.split(".")
        if "resblocks" in part and int(part[part.index("resblocks") + 1]) >= layers:
            continue
        found[name] = tuple(
            extent * width // 768 if extent % 768 == 0 else extent for extent in shape
        )
    return found


def language(layers: int, width: int) -> Shapes:
    """Return the shapes of the MLPs of a Llama of 1.1 billion weights, or of a narrower one."""
    wide = 5632 * width // 2048
    found: Shapes = {}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        found[prefix + "mlp.down_proj.weight"] = (width, wide)
        found[prefix + "mlp.up_proj.weight"] = (wide, width)
        found[prefix + "input_layernorm.weight"] = (width,)
    return found


def write(path: Path, shapes: Shapes, number: int) -> None:
    """Write the base (number 0) or an expert: a low-rank change, shared and own, and noise."""
    with path.open("wb") as file:
        file.write(header(shapes))
        for index, shape in enumerate(shapes.values()):
            values = normal(shape, 1, index) * np.float32(0.02)
            if number:
                values += normal(shape, 3, index, number) * np.float32(0.0004)
                if len(shape) == 2:
                    for key, scale in (((2, index), 0.0006), ((4, index, number), 0.0009)):
                        rank = max(1, min(shape) // 16)
                        left = normal((shape[0], rank), *key)
                        right = normal((rank, shape[1]), *key, 1)
                        values += left @ right * np.float32(scale / math.sqrt(rank))
            file.write(values.astype("<f4").tobytes())


def write_statistics(path: Path, shapes: Shapes, kind: str, number: int) -> None:
    """Write random statistics of an expert: Fisher information of all tensors, or Gram matrices of matrices."""
    found = {}
    for index, (name, shape) in enumerate(shapes.items()):
        if kind == "fisher":
            found[name] = shape
        elif len(shape) == 2 and name.endswith(".weight"):
            found[name] = (shape[1], shape[1])
    with path.open("wb") as file:
        file.write(header(found))
        for index, shape in enumerate(found.values()):
            if kind == "fisher":
                values = normal(shape, 5, index, number) ** 2 * np.float32(1e-4)
            else:
                rows = normal((2 * shape[0], shape[0]), 6, index, number)
                values = rows.T @ rows / np.float32(len(rows))
            file.write(values.astype("<f4").tobytes())


def normal(shape: tuple[int, ...], *key: int) -> np.ndarray:
    """Return standard normal numbers that depend on nothing but the key."""
    return np.random.default_rng(list(key)).standard_normal(shape, np.float32)


class Bench:
    """The comparison on one set of models."""

    def __init__(self, options: argparse.Namespace, name: str, shapes: Shapes, experts: int):
        """Write the models unless they are there."""
        self.options = options
        self.work = options.work.resolve() / name
        self.work.mkdir(parents=True, exist_ok=True)
        self.base = self.work / "base.safetensors"
        numbers = range(1, experts + 1)
        self.experts = [self.work / f"expert{number}.safetensors" for number in numbers]
        mark = self.work / "shapes.json"
        wanted = json.dumps([list(shapes.items()), experts])
        if not mark.exists() or mark.read_text() != wanted:
            for number, path in enumerate([self.base, *self.experts]):
                write(path, shapes, number)
            mark.write_text(wanted)
        self.shapes = shapes
        self.environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}

    def statistics(self, method: str) -> list[Path]:
        """Return the files of statistics that a method reads, written unless they are there."""
        kind = STATISTICS.get(method)
        if kind is None:
            return []
        paths = [path.with_suffix(f".{kind}.safetensors") for path in self.experts]
        mark = self.work / f"{kind}.json"
        wanted = json.dumps([list(self.shapes.items()), len(paths)])
        if not mark.exists() or mark.read_text() != wanted:
            for number, path in enumerate(paths, 1):
                write_statistics(path, self.shapes, kind, number)
            mark.write_text(wanted)
        return paths

    def ours(self, method: str) -> Measurement:
        """Merge with tincture."""
        # Methods that make something for each task write a directory.
        by_task = method in ("emr", "tall_masks")
        output = self.work / (f"{method}.ours" if by_task else f"{method}.ours.safetensors")
        command = [str(self.options.tincture), "merge", "--method", method]
        if method not in ("linear", "fisher", "regmean"):
            command += ["--base", str(self.base)]
        for path in self.experts:
            command += ["--model", str(path)]
        for path in self.statistics(method):
            command += ["--statistics", str(path)]
        for setting in SETTINGS[method]:
            command += ["--preset", "fusion_bench"] if setting == "preset" else ["--set", setting]
        command += ["--workers", str(self.options.threads), "--memory", self.options.memory]
        command += ["--force", "--quiet", str(output)]
        return run(command, self.log(method), self.environment)

    def theirs(self, method: str) -> Measurement:
        """Merge with FusionBench."""
        output = self.work / f"{method}.theirs.safetensors"
        files = [str(path) for path in [self.base, *self.experts, *self.statistics(method)]]
        command = [self.options.python, str(HERE / "spectral_peer.py"), method, str(output), *files]
        return run(command, self.log(method), self.environment)

    def log(self, method: str) -> Path:
        """Return the file that takes what a program prints."""
        return self.work / f"{method}.log"

    def prepare(self, method: str) -> None:
        """Read the models into the page cache, and have written what an earlier run left."""
        os.sync()
        for path in [self.base, *self.experts, *self.statistics(method)]:
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass

    def row(self, name: str, method: str, start: float) -> list[str]:
        """Measure a method."""
        ours, theirs = [], []
        for _ in range(self.options.runs):
            self.prepare(method)
            ours.append(self.checked(self.ours(method)).record())
            if not self.options.skip_peer:
                self.prepare(method)
                theirs.append(self.checked(self.theirs(method)).record())
        outputs = [self.work / f"{method}.ours.safetensors"]
        if theirs:
            outputs.append(self.work / f"{method}.theirs.safetensors")
        errors = []
        if not self.options.no_errors and method in METHODS:
            errors = distances(method, Files(self.base, self.experts), outputs)
        own, other = median(ours, "seconds"), median(theirs, "seconds")
        cells = [
            name,
            method,
            seconds(own),
            seconds(other),
            ratio(other, own),
            ratio(other - start if other else None, own),
            megabytes(greatest(ours, "peak_resident")),
            megabytes(greatest(theirs, "peak_resident")),
            *[f"{error:.1e}" for error in errors],
        ]
        return cells + ["–"] * (len(HEADINGS) - len(cells))

    @staticmethod
    def checked(found: Measurement) -> Measurement:
        """Stop at a program that failed."""
        if found.status != 0:
            sys.exit(f"A program ended with status {found.status}:\n{found.output}")
        return found


HEADINGS = (
    "models",
    "method",
    "tincture s",
    "FusionBench s",
    "ratio",
    "less its start",
    "memory, tincture",
    "memory, FusionBench",
    "error, tincture",
    "error, FusionBench",
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tincture", default=ROOT / ".build/release/tincture", type=Path)
    parser.add_argument("--python", default=sys.executable, help="a Python that has FusionBench")
    parser.add_argument("--work", type=Path, default=ROOT / ".build/bench-spectral")
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS + MASKED + MEASURED)
    parser.add_argument("--sets", nargs="*", default=["vision", "language"])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--memory", default="512MB", help="tincture's limit of working memory")
    parser.add_argument("--layers", type=int, help="blocks of each model: 12 and 1")
    parser.add_argument("--scale", type=int, default=1, help="divide all widths by this, to try it")
    parser.add_argument("--experts", type=int, help="experts of each set: 8 and 4")
    parser.add_argument("--skip-peer", action="store_true", help="only tincture")
    parser.add_argument("--no-errors", action="store_true", help="no reference in double precision")
    options = parser.parse_args()
    sets = {
        "vision": ("ViT-B/32", vision(options.layers or 12, 768 // options.scale), 8),
        "language": ("Llama MLP", language(options.layers or 1, 2048 // options.scale), 4),
    }
    start = 0.0
    if not options.skip_peer:
        command = [options.python, str(HERE / "spectral_peer.py"), "start", "-"]
        options.work.mkdir(parents=True, exist_ok=True)
        start = Bench.checked(run(command, options.work / "start.log")).seconds
        print(f"FusionBench needs {start:.1f} s to import.", file=sys.stderr)
    rows = []
    for key in options.sets:
        title, shapes, experts = sets[key]
        bench = Bench(options, key, shapes, options.experts or experts)
        for method in options.methods:
            rows.append(bench.row(title, method, start))
            print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    version = subprocess.run(  # noqa: S603
        [str(options.tincture), "--version"], check=True, stdout=subprocess.PIPE, text=True
    )
    # Which kernels OpenBLAS takes decides as much as anything else.
    kernels = os.environ.get("OPENBLAS_CORETYPE", "as the library chooses")
    facts = f"{options.threads} threads, medians of {options.runs}, OpenBLAS's kernels: {kernels}"
    print(f"tincture {version.stdout.strip()}, {facts}\n")
    print(table(HEADINGS, rows))


if __name__ == "__main__":
    main()
