#!/usr/bin/env python3
"""Show what each codec of expert banks costs on the bundled vision experts: bytes, error, and accuracy.

Every codec stores the eight experts; the experts of the bank do their own tasks, and a merge of them
(TIES, FusionBench's preset) does all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VISION = ROOT / "Examples/Vision"
TASKS = ("mnist", "fashion", "animal", "optdigits", "letters", "kana", "script", "style")
GROUPED = ["--ranges", "64", "--clip"]
CODECS = (
    ("raw", ["--codec", "raw"]),
    ("affine 4", ["--codec", "affine", "--bits", "4"]),
    ("tvq 8", ["--codec", "tvq", "--bits", "8"]),
    ("tvq 4", ["--codec", "tvq", "--bits", "4"]),
    ("tvq 3", ["--codec", "tvq", "--bits", "3"]),
    ("tvq 2", ["--codec", "tvq", "--bits", "2"]),
    ("tvq 2, rows, clipped", ["--codec", "tvq", "--bits", "2", "--ranges", "row", "--clip"]),
    ("tvq 2, 64, clipped", ["--codec", "tvq", "--bits", "2", *GROUPED]),
    ("rtvq B3O2", ["--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2"]),
    ("rtvq B3O2, 64, clipped", ["--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2", *GROUPED]),
    ("tvq, budget of 20 %", ["--codec", "tvq", "--budget", "20%", *GROUPED]),
    ("tall", ["--codec", "tall"]),
    ("emr", ["--codec", "emr"]),
    ("svd 12.5 %", ["--codec", "svd", "--rank", "12.5%"]),
    ("sparse 10 %, 8", ["--codec", "sparse", "--bits", "8"]),
    ("binary 2", ["--codec", "binary", "--bits", "2"]),
)


def run(command: list[str]) -> str:
    """Return what a program prints."""
    done = subprocess.run(  # noqa: S603
        command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    return done.stdout


def recipe(bank: Path) -> str:
    """Return the recipe of a merge of all experts of a bank."""
    lines = ["merge_method: ties", f"base_model: {VISION}/pretrained.safetensors", "models:"]
    lines += [f"  - model: {bank}#{task}" for task in TASKS]
    return "\n".join([*lines, "preset: fusion_bench", ""])


def measure(tincture: Path, name: str, options: list[str], work: Path) -> str:
    """Return the row of a codec."""
    bank = work / "experts.bank"
    command = [str(tincture), "bank", "create", "--base", str(VISION / "pretrained.safetensors")]
    for task in TASKS:
        command += ["--expert", f"{task}={VISION}/expert_{task}.safetensors"]
    run([*command, *options, "--output", str(bank), "--force", "--quiet"])
    shown = json.loads(run([str(tincture), "bank", "show", str(bank), "--json"]))
    merged = work / "merged.yaml"
    merged.write_text(recipe(bank), encoding="utf-8")
    scores = json.loads(
        run(
            [
                *(str(tincture), "evaluate", str(VISION / "suite.yaml"), str(bank), str(merged)),
                *("--json", "--quiet", "--plain"),
            ]
        )
    )
    size = bank.stat().st_size
    source = sum((VISION / f"expert_{task}.safetensors").stat().st_size for task in TASKS)
    errors = [expert["relative_error"] for expert in shown["experts"]]
    error = sum(errors) / len(errors)
    return (
        f"| {name} | {size / 1e6:.2f} MB | {100 * size / source:.1f} % | {100 * size / source / 2:.1f} % "
        f"| {100 * error:.1f} % | {scores[0]['average']:.2f} | {scores[1]['average']:.2f} |"
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tincture", default=ROOT / ".build/release/tincture", type=Path)
    options = parser.parse_args()
    print("| codec | size | of fp16 | of fp32 | error | experts, accuracy | TIES merge, accuracy |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as work:
        for name, settings in CODECS:
            print(measure(options.tincture, name, settings, Path(work)), flush=True)


if __name__ == "__main__":
    main()
