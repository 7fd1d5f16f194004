#!/usr/bin/env python3
"""Accuracies of the learned methods on the bundled vision benchmark: mean and standard deviation over seeds, from files and from a bank."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VISION = ROOT / "Examples/Vision"
RECIPES = VISION / "recipes"


def run(command: list[str]) -> str:
    """Run the program and return what it prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def learned() -> list[str]:
    """Return the names of the recipes that learn."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml") if "\ndata:" in path.read_text())


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tincture", default=ROOT / ".build/release/tincture", type=Path)
    parser.add_argument("--recipes", nargs="*", default=learned())
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--bank", action="store_true", help="take the experts from a bank, rtvq with 3 and 2 bits and clipped ranges of 64 elements")
    parser.add_argument("--tensor-ranges", action="store_true", help="quantise with one range for a tensor, as published")
    parser.add_argument("--log", type=Path, help="append every figure to this file (JSON lines)")
    options = parser.parse_args()
    tincture = str(options.tincture)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if options.bank:
            tasks = [path.stem.removeprefix("expert_") for path in sorted(VISION.glob("expert_*.safetensors"))]
            experts = [word for task in tasks for word in ("--expert", f"{task}={VISION / f'expert_{task}.safetensors'}")]
            command = [tincture, "bank", "create", "--base", str(VISION / "pretrained.safetensors"), *experts]
            command += ["--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2"]
            if not options.tensor_ranges:
                command += ["--ranges", "64", "--clip"]
            run([*command, "--output", str(work / "b.bank"), "--quiet"])
        print("| recipe | average | " + "each seed |")
        print("|---|--:|---|")
        for name in options.recipes:
            text = (RECIPES / f"{name}.yaml").read_text().replace("../", f"{VISION}/")
            if options.bank:
                for task in tasks:
                    text = text.replace(f"{VISION / f'expert_{task}.safetensors'}", f"{work / 'b.bank'}#{task}")
            recipe = work / f"{name}.yaml"
            recipe.write_text(text)
            found = []
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                output = work / "merged"
                run([tincture, "merge", str(recipe), str(output), "--seed", str(seed), "--force", "--quiet"])
                command = [tincture, "evaluate", str(VISION / "suite.yaml"), str(output), "--json", "--plain", "--quiet", "--no-cache"]
                row = json.loads(run(command))[0]
                found.append(row["average"])
                if options.log:
                    with options.log.open("a") as log:
                        print(json.dumps({"recipe": name, "seed": seed, "bank": options.bank} | row), file=log)
            mean = statistics.mean(found)
            spread = f" ± {statistics.stdev(found):.2f}" if len(found) > 1 else ""
            print(f"| {name} | {mean:.2f}{spread} | {', '.join(f'{value:.2f}' for value in found)} |", flush=True)


if __name__ == "__main__":
    main()
