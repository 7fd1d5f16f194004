#!/usr/bin/env python3
"""Compare `tincture merge` with mergekit and with a plain copy of the same bytes."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import report
from measure import Measurement, run
from merge_recipes import MAIN, METHODS, MORE, models_of, recipe

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


class Bench:
    """One benchmark: where everything is and how each program is started."""

    def __init__(self, options: argparse.Namespace):
        """Take the options of the command line."""
        self.options = options
        self.work: Path = options.work.resolve()
        self.models = self.work / f"models-{options.size}-{options.shard_size}"
        self.output = self.work / "output"
        self.python = options.peer / "bin" / "python"
        self.cores = machine.processors()

    def settings(self) -> dict[str, int]:
        """Return the programs with their settings, in the order of a round, and their runs."""
        runs = self.options.runs
        names = {"copy 1 thread": runs}
        if self.cores > 1:
            names[f"copy {self.cores} threads"] = runs
        names["tincture default"] = runs
        names["tincture 128MB"] = runs
        if not self.options.skip_peer:
            names["mergekit default"] = self.options.peer_runs
            if shutil.which("taskset"):
                names["mergekit 1 core"] = self.options.peer_runs
        return names

    def command(self, setting: str, method: str, file: Path) -> list[str]:
        """Return the command of one program."""
        program, _, detail = setting.partition(" ")
        if program == "copy":
            inputs = [str(self.models / name) for name in models_of(method)]
            script = str(HERE / "copy_bytes.py")
            workers = detail.split()[0]
            return [sys.executable, "-I", "-S", script, workers, str(self.output), *inputs]
        if program == "tincture":
            command = [str(self.options.tincture), "merge", str(file), str(self.output), "--quiet"]
            return command if detail == "default" else [*command, "--memory", detail]
        # The models have no tokenizer; without the option mergekit spends time on not finding it.
        command = [str(self.options.peer / "bin" / "mergekit-yaml"), str(file), str(self.output)]
        command += ["--quiet", "--no-copy-tokenizer"]
        return ["taskset", "-c", "0", *command] if detail == "1 core" else command

    def measured(self, setting: str, method: str, file: Path) -> Measurement:
        """Run one program once into a fresh folder and remove what it wrote."""
        environment = dict(os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
        if setting == "mergekit 1 core":
            environment["OMP_NUM_THREADS"] = "1"
        shutil.rmtree(self.output, ignore_errors=True)
        os.sync()
        command = self.command(setting, method, file)
        result = run(command, self.work / "log.txt", environment, self.options.limit)
        if result.status == 0 and setting.startswith("copy"):
            result.seconds = float(result.output)
        if result.status == 0:
            self.check_size(result, setting)
        shutil.rmtree(self.output, ignore_errors=True)
        return result

    def check_size(self, result: Measurement, setting: str) -> None:
        """Take a run that wrote nothing like a model for a failed one."""
        wanted = sum(file.stat().st_size for file in (self.models / "base").glob("*.safetensors"))
        found = sum(file.stat().st_size for file in self.output.glob("*.safetensors"))
        if abs(found - wanted) > 0.01 * wanted:
            result.status = -1
            result.output = f"{setting} wrote {found} bytes of weights instead of {wanted}"

    def make_models(self) -> None:
        """Make the models unless they are there, and read them once into the page cache."""
        done = self.models / "done"
        if not done.exists():
            command = [str(HERE / "make_models.py"), str(self.models), "--force"]
            command += ["--size", self.options.size, "--shard-size", self.options.shard_size]
            subprocess.run([self.python_with_numpy(), *command], check=True)
            done.touch()
        buffer = bytearray(1 << 20)
        for file in self.models.glob("*/*.safetensors"):
            with file.open("rb", buffering=0) as handle:
                while handle.readinto(buffer):
                    pass

    def python_with_numpy(self) -> str:
        """Return an interpreter that can make the models."""
        for python in (sys.executable, str(self.python)):
            if machine.printed([python, "-c", "import numpy; print(numpy.__version__)"]):
                return python
        sys.exit("No Python with numpy: run Benchmarks/setup_peer.sh or install numpy.")

    def versions(self) -> dict[str, str]:
        """Return the versions of both programs."""
        version = machine.printed([str(self.options.tincture), "--version"]) or "unknown"
        if self.options.tincture.resolve().is_relative_to(ROOT):
            version += f" ({machine.revision(ROOT)})"
        found = {"tincture": version}
        if not self.options.skip_peer:
            printed = machine.printed([str(self.python), "-c", machine.VERSIONS])
            found.update(json.loads(printed or "{}"))
        return found

    def peer_start(self) -> float | None:
        """Return the seconds that mergekit takes to say its help, the less of two runs."""
        if self.options.skip_peer:
            return None
        command = [str(self.options.peer / "bin" / "mergekit-yaml"), "--help"]
        return min(run(command, self.work / "log.txt").seconds for _ in range(2))

    def method(self, method: str) -> dict[str, list[dict[str, object]]]:
        """Measure one method: rounds of one run of each setting, so that drifts hit all alike."""
        file = self.work / f"{method}.yaml"
        file.write_text(recipe(method, str(self.models), self.options.dtype))
        settings = self.settings()
        results: dict[str, list[dict[str, object]]] = {name: [] for name in settings}
        for number in range(max(settings.values())):
            for name, runs in settings.items():
                failed = any(run["status"] != 0 for run in results[name])
                if number >= runs or failed or slower_peer(name, results):
                    continue
                result = self.measured(name, method, file)
                results[name].append(result.record())
                line = f"{method}, {name}, run {number + 1}: {result.seconds:.2f} s"
                if result.status != 0:
                    line += f"\n  failed with status {result.status}: {result.output.strip()}"
                print(line, file=sys.stderr, flush=True)
        return results


def slower_peer(name: str, results: dict[str, list[dict[str, object]]]) -> bool:
    """Whether this is a setting of mergekit whose first run was not the fastest.

    It is not run again: the comparison is with the fastest.
    """
    firsts = {
        other: runs[0]["seconds"]
        for other, runs in results.items()
        if other.startswith("mergekit") and runs and runs[0]["status"] == 0
    }
    return name in firsts and len(results[name]) > 0 and firsts[name] > min(firsts.values())


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", help="names separated by commas; the ten main ones if absent")
    parser.add_argument("--all", action="store_true", help="all methods that both programs have")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer-runs", type=int, help="runs of mergekit, if not --runs")
    parser.add_argument("--size", default="1.0G", help="bytes of one model")
    parser.add_argument("--shard-size", default="0", help="bytes of one file of a model")
    parser.add_argument("--dtype", help="write a dtype into the recipes")
    parser.add_argument("--skip-peer", action="store_true", help="leave mergekit out")
    parser.add_argument("--tincture", type=Path, default=ROOT / ".build/release/tincture")
    parser.add_argument("--peer", type=Path, help="environment of mergekit (PEER_VENV)")
    parser.add_argument("--work", type=Path, default=HERE / "results/work")
    parser.add_argument("--keep", action="store_true", help="keep the models for another time")
    parser.add_argument("--limit", type=float, default=3600, help="seconds for one run")
    options = parser.parse_args()
    names = [*MAIN, *MORE] if options.all else list(MAIN)
    if options.methods:
        names = [name.strip() for name in options.methods.split(",")]
    for name in names:
        if name not in METHODS:
            parser.error(f"no recipe for '{name}'; there are {', '.join(METHODS)}")
    options.methods = names
    options.peer_runs = options.runs if options.peer_runs is None else options.peer_runs
    options.peer = options.peer or Path(os.environ.get("PEER_VENV", ROOT / ".venv/bench"))
    if options.runs < 1 or options.peer_runs < 0:
        parser.error("--runs must be at least 1 and --peer-runs at least 0")
    if not options.tincture.exists():
        parser.error(f"{options.tincture} is not there; run swift build -c release")
    if not options.skip_peer and not (options.peer / "bin/mergekit-yaml").exists():
        parser.error(f"no mergekit in {options.peer}; run Benchmarks/setup_peer.sh or --skip-peer")
    return options


def main() -> int:
    """Run the program."""
    options = parse()
    bench = Bench(options)
    bench.work.mkdir(parents=True, exist_ok=True)
    size = byte_count(options.size)
    need = (1 if (bench.models / "done").exists() else 5) * size * 1.1 + 1e8
    free = shutil.disk_usage(bench.work).free
    if free < need:
        print(f"{need / 1e9:.1f} GB are needed in {bench.work}, {free / 1e9:.1f} are free.")
        return 73
    memory = machine.available_memory()
    if memory is not None and memory < 6 * size:
        print("Warning: the models and the output do not fit in the page cache.", file=sys.stderr)
    if os.getloadavg()[0] > 0.5:
        print(f"Warning: the machine is busy, load {os.getloadavg()[0]:.1f}.", file=sys.stderr)

    record: dict = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(bench.work),
        "versions": bench.versions(),
        "runs": options.runs,
        "peer_runs": options.peer_runs,
        "peer_start_seconds": bench.peer_start(),
        "dtype": options.dtype,
        "results": {},
    }
    bench.make_models()
    files = list((bench.models / "base").glob("*.safetensors"))
    record["models"] = {"bytes": sum(f.stat().st_size for f in files), "files": len(files)}
    try:
        for name in options.methods:
            record["results"][name] = bench.method(name)
    finally:
        shutil.rmtree(bench.output, ignore_errors=True)
        if not options.keep:
            shutil.rmtree(bench.models, ignore_errors=True)
        if record["results"]:
            save(record)
    failed = [
        name
        for name, settings in record["results"].items()
        if any(run["status"] != 0 for runs in settings.values() for run in runs)
    ]
    if failed:
        print(f"Runs failed for: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def byte_count(text: str) -> int:
    """Read a size as make_models.py reads it."""
    digits = text.strip().upper().removesuffix("B")
    factor = {"K": 10**3, "M": 10**6, "G": 10**9}.get(digits[-1:], 1)
    return int(float(digits.rstrip("KMG")) * factor)


def save(record: dict) -> None:
    """Print the table and write it and all single measurements to Benchmarks/results."""
    stamp = record["time"].replace(":", "").replace("-", "")[:15]
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"bench-{stamp}.json").write_text(json.dumps(record, indent=1) + "\n")
    text = report.markdown(record)
    (folder / f"bench-{stamp}.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
