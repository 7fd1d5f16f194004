#!/usr/bin/env python3
"""Compare a vision transformer's passes with eager PyTorch on the same LibTorch, in alternating runs."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PASSES = ("start_up", "forward", "forward_and_gradients")


def output(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a program that prints JSON."""
    done = subprocess.run(  # noqa: S603
        command, check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tincture", default=ROOT / ".build/release/tincture", type=Path)
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, os.cpu_count() or 1])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", nargs="*", default=["bundled", "base"])
    options = parser.parse_args()
    folder = subprocess.run(  # noqa: S603
        [options.python, "-c", "import torch, pathlib; print(pathlib.Path(torch.__file__).parent)"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    environment = os.environ | {"TINCTURE_LIBTORCH": folder}
    print("| network | threads | pass | Tincture ms | PyTorch ms | ratio |")
    print("|---|---|---|---|---|---|")
    for size in options.sizes:
        for threads in dict.fromkeys(options.threads):
            common = ["--size", size, "--batch", str(options.batch), "--threads", str(threads)]
            common += ["--repeats", str(options.repeats), "--device", options.device]
            ours, theirs = [], []
            for _ in range(options.runs):
                command = [str(options.tincture), "benchmark", "network", "--json", *common]
                ours.append(output(command, environment))
                command = [options.python, str(HERE / "torch_network.py"), *common]
                theirs.append(output(command, environment))
            for name in PASSES:
                own, other = (
                    statistics.median(run[f"{name}_seconds"] for run in runs) * 1e3
                    for runs in (ours, theirs)
                )
                ratio = statistics.median(
                    a[f"{name}_seconds"] / b[f"{name}_seconds"]
                    for a, b in zip(ours, theirs, strict=True)
                )
                print(f"| {size} | {threads} | {name} | {own:.1f} | {other:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
