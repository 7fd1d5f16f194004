#!/usr/bin/env python3
"""Train small networks on Fashion-MNIST with dense, low-rank, dynamic and adapted layers, and compare.

For each network and mode: accuracy over several seeds, trained parameters averaged over the run, time and peak memory of each phase,
and effective ranks over the epochs; the same for the bundled benchmark's encoder, fine-tuned on the few labelled images of each task.
Then the time of a step against eager PyTorch in Python for the same network and parameterisation,
in alternating runs, and the peak memory of the phases of a wide network against the published design, which keeps three networks. The defaults take about a quarter of an hour on two cores; --epochs 30 --limit 60000 is a long run.
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
NETWORKS = {
    "resnet": "{{kind: small_resnet, depth: {depth}, embedding_size: {width}, image_size: 28, num_channels: 1, num_labels: 10}}",
    "transformer": (
        "{{kind: vision_transformer, image_size: 28, num_channels: 1, patch_size: 7, hidden_size: 128, num_hidden_layers: 6,"
        " num_attention_heads: 4, intermediate_size: 512, layer_norm_eps: 1.0e-6, pooling: mean, patch_module: patch_embed}}"
    ),
}
TASKS = ["mnist", "fashion", "animal", "optdigits", "letters", "kana", "script", "style"]
RULES = {
    "resnet": "optimizer: {kind: sgd, lr: 0.1, momentum: 0.9, weight_decay: 1.0e-4}\nloss: {smoothing: 0.1}\n"
    "augmentation: {crop: 2, flip: true}\n",
    "transformer": "optimizer: {kind: adamw, lr: 1.0e-3, weight_decay: 0.01}\ngradient_clip: 1\nhead: {classes: 10}\n",
}


def ranks(mode: str, epochs: int, decay: int, ratio: float) -> str:
    """Return the ranks of a mode; LoRA after full begins with the first decay of the learning rate."""
    factors = f"mode: low_rank, ratio: {ratio}"
    if mode == "full":
        return "{mode: dense}"
    if mode == "low_rank":
        return f"{{{factors}}}"
    if mode == "dynamic":
        inflate = max(1, -(-11 * decay // 20))
        deflate = max(inflate + 1, -(-6 * decay // 5))
        end = f", deflate: {deflate}" if deflate < epochs else ""
        return f"{{mode: dynamic, ratio: {ratio}, inflate: {inflate}{end}}}"
    return f"{{phases: [{{epoch: 0, mode: dense}}, {{epoch: {decay}, mode: lora, ratio: {ratio}}}]}}"


def write_run(path: Path, network: str, mode: str, options: argparse.Namespace, **changes: object) -> Path:
    """Write a run."""
    epochs = int(str(changes.get("epochs", options.epochs)))
    decay = max(1, 2 * epochs // 3)
    shape = NETWORKS[network].format(depth=options.depth, width=options.width)
    held = changes.get("ranks", ranks(mode, epochs, decay, options.ratio))
    last = (decay + epochs + 1) // 2
    decays = sorted({decay, last} if decay < last < epochs else {decay} if decay < epochs else set())
    schedule = f"{{kind: steps, decays: {decays}, warmup: 0.2}}" if decays else "{kind: constant, warmup: 0.2}"
    test = f"test: {{file: '{options.data}', format: mnist}}, test_limit: {options.test_limit}, "
    path.write_text(
        f"name: {network}-{mode}\nnetwork: {shape}\ninput: {{range: 255, mean: 0.2860, std: 0.3530}}\n"
        f"data: {{train: {{file: '{options.data}', format: mnist}}, {test}limit: {changes.get('limit', options.limit)}}}\n"
        f"{RULES[network]}schedule: {schedule}\nepochs: {epochs}\nbatch_size: {options.batch}\nranks: {held}\n"
    )
    return path


def train(
    path: Path, output: Path, seed: int, options: argparse.Namespace, environment: dict[str, str], *, alone: bool = False
) -> dict:
    """Carry a run out and return its log; alone, nothing looks at the process meanwhile."""
    shutil.rmtree(output, ignore_errors=True)
    command = [str(options.tincture), "train", str(path), str(output), "--seed", str(seed), "--quiet", "--force"]
    if options.threads:
        command += ["--threads", str(options.threads)]
    if alone:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603
        return json.loads((output / "train.json").read_text())
    done = run(command, output.parent / "log.txt", environment)
    if done.status:
        sys.exit(done.output)
    return json.loads((output / "train.json").read_text())


def mean_rank(epoch: dict) -> float | None:
    """Return the mean effective rank of all weights after an epoch."""
    values = [value[0] for value in epoch.get("ranks", {}).values()]
    return statistics.mean(values) if values else None


def accuracies(options: argparse.Namespace, environment: dict[str, str]) -> list[dict]:
    """Train all networks in all modes and print a table."""
    rows = []
    print("| network | mode | accuracy | trained on average | seconds by phase | peak memory by phase | effective rank by epoch |")
    print("|---|---|--:|--:|--:|--:|---|")
    for network in options.networks:
        for mode in options.modes:
            path = write_run(options.work / f"{network}-{mode}.yaml", network, mode, options)
            logs = [train(path, options.work / "model", seed, options, environment) for seed in range(options.seeds)]
            found = [100 * log["epochs"][-1]["test_accuracy"] for log in logs]
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            average, dense = logs[0]["average_trained_parameters"], logs[0]["parameters"]
            phases = range(len(logs[0]["phases"]))
            seconds = [statistics.median(log["phases"][k]["seconds"] for log in logs) for k in phases]
            peaks = [statistics.median(log["phases"][k].get("peak_bytes", 0) for log in logs) for k in phases]
            ranks_by_epoch = [mean_rank(epoch) for epoch in logs[0]["epochs"]]
            row = {
                "network": network, "mode": mode, "accuracies": found, "average_trained": average, "parameters": dense,
                "phases": [phase["mode"] for phase in logs[0]["phases"]], "seconds": seconds, "peak_bytes": peaks,
                "effective_ranks": ranks_by_epoch, "epochs": [log["epochs"] for log in logs],
            }
            rows.append(row)
            shown = " ".join("–" if rank is None else f"{rank:.1f}" for rank in ranks_by_epoch)
            print(
                f"| {network} | {mode} | {statistics.mean(found):.2f} ± {spread:.2f} | {average / 1e3:.0f} k ({average / dense:.0%}) |"
                f" {' + '.join(f'{s:.0f}' for s in seconds)} | {' / '.join(f'{p / 1e6:.0f}' for p in peaks)} MB | {shown} |",
                flush=True,
            )
    return rows


def step_times(options: argparse.Namespace, environment: dict[str, str]) -> list[dict]:
    """Time steps against PyTorch, in alternating runs, and print a table."""
    rows = []
    print("\n| network | parameterisation | Tincture ms a step | PyTorch ms a step | ratio |")
    print("|---|---|--:|--:|--:|")
    forms = {"dense": "{mode: dense, measure: false}", "low_rank": f"{{mode: low_rank, ratio: {options.ratio}, measure: false}}"}
    forms["adaptor"] = f"{{mode: adaptor, ratio: {options.ratio}, measure: false}}"
    for network in options.networks:
        for form, held in forms.items():
            path = options.work / f"steps-{network}-{form}.yaml"
            # The first epoch warms up.
            write_run(path, network, form, options, ranks=held, epochs=3, limit=options.steps * options.batch)
            ours, theirs = [], []
            for _ in range(options.runs):
                log = train(path, options.work / "model", 0, options, environment, alone=True)
                times = [cost["step_seconds"] / epoch["steps"] for cost, epoch in zip(log["costs"], log["epochs"], strict=True)]
                ours.append(statistics.median(times[1:]))
                command = [options.python, str(HERE / "torch_training.py"), "--network", network, "--mode", form]
                command += ["--ratio", str(options.ratio), "--batch", str(options.batch), "--steps", str(options.steps)]
                command += ["--depth", str(options.depth), "--width", str(options.width)]
                command += ["--threads", str(options.threads)] if options.threads else []
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
                peer = json.loads(done.stdout)
                theirs.append(peer["step_seconds"])
            own, other = statistics.median(ours), statistics.median(theirs)
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            rows.append({
                "network": network, "form": form, "tincture": ours, "pytorch": theirs, "trained": log["phases"][0]["trained_parameters"],
                "pytorch_trained": peer["trained"],
            })
            print(f"| {network} | {form} | {own * 1e3:.1f} | {other * 1e3:.1f} | {ratio:.2f} |", flush=True)
    return rows


def task_accuracies(options: argparse.Namespace, environment: dict[str, str]) -> list[dict]:
    """Fine-tune the bundled benchmark's encoder on the 256 calibration images of each task, and print the mean accuracy of all."""
    vision = ROOT / "Examples/Vision"
    epochs, decay = 12, 8
    factors = f"mode: low_rank, ratio: {options.ratio}, start: weight"
    forms = {
        "full": "{mode: dense}",
        "low_rank": f"{{{factors}}}",
        "dynamic": f"{{mode: dynamic, ratio: {options.ratio}, start: weight, inflate: 5, deflate: 10}}",
        "lora_after_full": ranks("lora_after_full", epochs, decay, options.ratio),
    }
    rows = []
    print("\n| ranks | mean accuracy of the eight bundled tasks | trained on average | by task |\n|---|--:|--:|---|")
    for mode in options.modes:
        found: dict[str, list[float]] = {}
        for task in TASKS:
            path = options.work / f"task-{mode}.yaml"
            source = f"inputs: {task}.images, targets: {task}.labels"
            path.write_text(
                f"name: {task}\nnetwork: {NETWORKS['transformer'].format()}\ninput: {{range: 255, mean: 0.25, std: 0.35}}\n"
                f"start: {vision / 'pretrained.safetensors'}\n"
                f"head: {{file: '{vision / 'heads.safetensors'}', weight: {task}.weight, bias: {task}.bias}}\n"
                f"data: {{train: {{file: '{vision / 'calibration.safetensors'}', {source}}},"
                f" test: {{file: '{vision / 'test.safetensors'}', {source}}}}}\n"
                "optimizer: {kind: adamw, lr: 3.0e-4, weight_decay: 0.01}\ngradient_clip: 1\nbatch_size: 32\ntest_batch_size: 128\n"
                f"schedule: {{kind: steps, decays: [{decay}, 10], warmup: 1}}\nepochs: {epochs}\nranks: {forms[mode]}\n"
            )
            logs = [train(path, options.work / "model", seed, options, environment, alone=True) for seed in range(options.seeds)]
            found[task] = [100 * log["epochs"][-1]["test_accuracy"] for log in logs]
        means = [statistics.mean(values) for values in zip(*found.values(), strict=True)]
        spread = statistics.stdev(means) if len(means) > 1 else 0.0
        average, dense = logs[0]["average_trained_parameters"], logs[0]["parameters"]
        rows.append({"mode": mode, "accuracies": found, "average_trained": average, "parameters": dense})
        shown = ", ".join(f"{task} {statistics.mean(values):.1f}" for task, values in found.items())
        print(f"| {mode} | {statistics.mean(means):.2f} ± {spread:.2f} | {average / 1e3:.0f} k ({average / dense:.0%}) | {shown} |", flush=True)
    return rows


def phase_memory(options: argparse.Namespace, environment: dict[str, str]) -> dict:
    """Compare the peak memory of the phases with that of the published design, which keeps three networks and optimisers, and print it."""
    wide = argparse.Namespace(**vars(options) | {"depth": 14, "width": 128, "batch": 16, "test_limit": 16})
    steps = 8
    held = f"{{mode: dynamic, ratio: {options.ratio}, inflate: 1, deflate: 2, measure: false}}"
    path = write_run(options.work / "memory.yaml", "resnet", "memory", wide, ranks=held, epochs=3, limit=steps * wide.batch)
    log = train(path, options.work / "model", 0, options, environment, alone=True)
    own = [phase["peak_bytes"] for phase in log["phases"]]
    command = [options.python, str(HERE / "torch_training.py"), "--network", "resnet", "--mode", "phases"]
    command += ["--ratio", str(options.ratio), "--batch", str(wide.batch), "--steps", str(steps)]
    command += ["--depth", str(wide.depth), "--width", str(wide.width)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    other = json.loads(done.stdout)["peak_bytes"]
    parameters = log["parameters"]
    print(f"\nResNet-{wide.depth} of width {wide.width}, {parameters / 1e6:.1f} M parameters, batches of {wide.batch}: peak memory of the phases\n")
    print("| phase | Tincture | all three networks and optimisers in PyTorch |\n|---|--:|--:|")
    for phase, mine, theirs in zip(log["phases"], own, other, strict=True):
        print(f"| {phase['mode']} | {mine / 1e6:.0f} MB | {theirs / 1e6:.0f} MB |", flush=True)
    return {"parameters": parameters, "tincture": own, "published": other}


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tincture", default=ROOT / ".build/release/tincture", type=Path)
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--data", default=ROOT / ".venv/fashion-mnist", type=Path)
    parser.add_argument("--work", type=Path, default=Path(os.environ.get("TMPDIR", "/tmp")) / "tincture-bench-train")  # noqa: S108
    parser.add_argument("--networks", nargs="*", default=["resnet", "transformer"], choices=NETWORKS)
    parser.add_argument("--modes", nargs="*", default=["full", "low_rank", "dynamic", "lora_after_full"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, default=6000, help="training images")
    parser.add_argument("--test-limit", type=int, default=2000, help="test images")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--depth", type=int, default=20, help="6n + 2 layers of the residual network")
    parser.add_argument("--width", type=int, default=16, help="its first channels")
    parser.add_argument("--ratio", type=float, default=0.5, help="ranks, as a share of the outputs")
    parser.add_argument("--steps", type=int, default=40, help="timed steps a run; 0 times none")
    parser.add_argument("--runs", type=int, default=3, help="alternating runs of timed steps")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--tasks", action=argparse.BooleanOptionalAction, default=True, help="fine-tune on the bundled tasks, too")
    parser.add_argument("--save", type=Path, help="a file for all figures as JSON")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.data = options.data.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    command = [options.python, "-c", "import torch, pathlib; print(pathlib.Path(torch.__file__).parent)"]
    torch_folder = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603
    environment = os.environ | {"TINCTURE_LIBTORCH": torch_folder}
    result = {"accuracy": accuracies(options, environment) if options.seeds else []}
    result["tasks"] = task_accuracies(options, environment) if options.tasks and options.seeds else []
    result["steps"] = step_times(options, environment) if options.steps else []
    result["memory"] = phase_memory(options, environment) if options.steps and "resnet" in options.networks else None
    if options.save:
        options.save.write_text(json.dumps(result, indent=2) + "\n")
    if not options.keep:
        shutil.rmtree(options.work)


if __name__ == "__main__":
    main()
