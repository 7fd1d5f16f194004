#!/usr/bin/env python3
"""Compare a step of Model Tinting, in time and peak memory, with the published loop in eager PyTorch.

Two settings: the bundled vision transformer with its eight experts, and eight synthetic experts of a transformer of the shapes of
ViT-B/32, from files and from a bank (rtvq, 3 and 2 bits). A step's time is that of the whole program with more rounds less that with
fewer, by the number of steps between them, so that neither program's start counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from measure import run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VISION = ROOT / "Examples/Vision"
NETWORK = {
    "base": "kind: vision_transformer, image_size: 224, num_channels: 3, patch_size: 32, hidden_size: 768, num_hidden_layers: 12,"
    " num_attention_heads: 12, intermediate_size: 3072, layer_norm_eps: 1.0e-6, hidden_act: gelu, pooling: token, patch_module: patch_embed",
}


def make_models(folder: Path, python: str) -> None:
    """Write a synthetic base, eight experts, heads and images of the shapes of ViT-B/32."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([python, str(HERE / "make_vision_models.py"), str(folder)], check=True)  # noqa: S603
    (folder / "suite.yaml").write_text(
        f"name: base\nnetwork: {{{NETWORK['base']}}}\ninput: {{range: 255, mean: 0.25, std: 0.35}}\nbatch_size: 32\n"
        "base: pretrained.safetensors\ndefaults:\n"
        '  data: {file: test.safetensors, inputs: "{task}.images", targets: "{task}.labels"}\n'
        '  head: {file: heads.safetensors, weight: "{task}.weight", bias: "{task}.bias"}\n'
        '  expert: "expert_{task}.safetensors"\n'
        f"tasks: [{', '.join(f't{k}' for k in range(8))}]\n"
    )
    (folder / "done").touch()


def recipe(work: Path, folder: Path, models: list[str], rounds: int) -> Path:
    """Write a tinting recipe."""
    lines = ["merge_method: tinting", f"base_model: {folder / 'pretrained.safetensors'}", "models:"]
    lines += [f"  - model: '{model}'" for model in models]
    lines += [f"data: {{suite: {folder / 'suite.yaml'}}}", f"parameters: {{rounds: {rounds}}}"]
    path = work / f"tinting-{rounds}.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tincture", default=ROOT / ".build/release/tincture", type=Path)
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch and safetensors")
    parser.add_argument("--work", type=Path, default=Path(os.environ.get("TMPDIR", "/tmp")) / "tincture-bench-learning")  # noqa: S108
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sizes", nargs="*", default=["bundled", "base"])
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    command = [options.python, "-c", "import torch, pathlib; print(pathlib.Path(torch.__file__).parent)"]
    torch_folder = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603
    environment = os.environ | {"TINCTURE_LIBTORCH": torch_folder}
    log = work / "log.txt"
    print("| network | program | ms a step | ratio | peak memory | share |")
    print("|---|---|--:|--:|--:|--:|")
    for size in options.sizes:
        folder = VISION
        tasks = "mnist fashion animal optdigits letters kana script style".split()
        rounds = (10, 40)
        if size == "base":
            folder, rounds = work / "base", (1, 3)
            tasks = [f"t{k}" for k in range(8)]
            make_models(folder, options.python)
        files = [str(folder / f"expert_{task}.safetensors") for task in tasks]
        bank = work / f"{size}.bank"
        experts = [word for task, file in zip(tasks, files, strict=True) for word in ("--expert", f"{task}={file}")]
        if not bank.exists():
            create = [str(options.tincture), "bank", "create", "--base", str(folder / "pretrained.safetensors"), *experts]
            create += ["--codec", "rtvq", "--base-bits", "3", "--offset-bits", "2", "--output", str(bank), "--quiet"]
            subprocess.run(create, check=True)  # noqa: S603
        sources = {"Tincture": files, "Tincture, bank": [f"{bank}#{task}" for task in tasks]}
        steps = (rounds[1] - rounds[0]) * len(tasks)
        times: dict[str, list[float]] = {}
        peaks: dict[str, list[int]] = {}
        for _ in range(options.runs):
            for name, models in sources.items():
                seconds = []
                for count in rounds:
                    output = work / "output"
                    shutil.rmtree(output, ignore_errors=True)
                    path = recipe(work, folder, models, count)
                    done = run([str(options.tincture), "merge", str(path), str(output), "--quiet"], log, environment)
                    if done.status:
                        sys.exit(done.output)
                    seconds.append(done.seconds)
                times.setdefault(name, []).append((seconds[1] - seconds[0]) / steps)
                peaks.setdefault(name, []).append(done.peak_resident or 0)
            for name, flags in (("published loop", []), ("published loop, later version", ["--plain"])):
                peer = [options.python, str(HERE / "torch_tinting.py"), str(folder), "--size", size, "--tasks", *tasks]
                done = run([*peer, "--rounds", "2", *flags], log, environment)
                if done.status:
                    sys.exit(done.output)
                found = json.loads(done.output.splitlines()[-1])["step_seconds"]
                times.setdefault(name, []).append(statistics.mean(found[len(tasks) :]))
                peaks.setdefault(name, []).append(done.peak_resident or 0)
        for name in times:
            own = statistics.median(times[name])
            peak = statistics.median(peaks[name])
            ratio = statistics.median(a / b for a, b in zip(times["published loop"], times[name], strict=True))
            share = peak / statistics.median(peaks["published loop"])
            print(f"| {size} | {name} | {own * 1e3:.0f} | {ratio:.1f} | {peak / 1e9:.2f} GB | {share:.2f} |", flush=True)
    if not options.keep:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
