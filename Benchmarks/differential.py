#!/usr/bin/env python3
"""Check that `tincture merge` and mergekit make the same weights of the same recipes.

Runs under the Python of the peer's environment. Ends with status 1 when the programs differ in
something that agreement/deviations.py does not explain.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PROSE = ["the quick brown fox", "every token <|user|> of its <|tool|> own"]

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

try:
    import torch

    from agreement import programs, tiny_models
    from agreement.cases import Case, all_cases
    from agreement.compare import (
        Agreement,
        Difference,
        compare_configurations,
        compare_tensors,
        compare_tokenizers,
        tensors,
        with_single_experts,
    )
    from agreement.deviations import explanation, reasons
except ImportError as error:
    sys.exit(f"{error}: start this with the Python of Benchmarks/setup_peer.sh")


@dataclass
class Outcome:
    """What came out of one case."""

    case: Case
    agreement: Agreement = field(default_factory=Agreement)
    differences: list[Difference] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)
    wide: bool = False

    def verdict(self) -> str:
        """Return one word for the table."""
        if self.differences:
            return "DIFFERS"
        if self.explained:
            return "explained"
        return "agrees, wide" if self.wide else "agrees"


class Differential:
    """The folders and programs of one run."""

    def __init__(self, options: argparse.Namespace):
        """Take the options of the command line."""
        self.options = options
        self.work: Path = options.work.resolve()
        self.models = self.work / "models"

    def make_models(self) -> None:
        """Make the tiny models unless they are there."""
        if not (self.models / "done").exists():
            shutil.rmtree(self.models, ignore_errors=True)
            tiny_models.make(self.models)

    def run(self, case: Case) -> Outcome:
        """Run one case through both programs and compare what they wrote."""
        outcome = Outcome(case)
        folder = self.work / "cases" / case.name.replace("/", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file, ours, theirs = folder / "recipe.yaml", folder / "ours", folder / "theirs"
        programs.write_recipe(case.recipes, self.models / case.family, file)
        failure = programs.run_peer(file, theirs, len(case.recipes), folder / "theirs.log")
        found: list[Difference] = []
        if failure:
            found.append(Difference("peer failed", "", failure))
        if not self.options.peer_only:
            failed = programs.run_ours(self.options.tincture, file, ours, folder / "ours.log")
            if failed:
                found.append(Difference("ours failed", "", failed))
            elif not failure:
                found += self.compare(case, outcome, folder)
        for difference in found:
            known = explanation(case.name, difference)
            if known:
                outcome.explained[known.name] += 1
            else:
                outcome.differences.append(difference)
        if not (outcome.differences or self.options.keep):
            shutil.rmtree(folder)
        return outcome

    def compare(self, case: Case, outcome: Outcome, folder: Path) -> list[Difference]:
        """Compare two outputs; if values differ, take mergekit's in wide arithmetic instead."""
        ours, theirs = folder / "ours", folder / "theirs"
        mine = tensors(ours)
        fused = case.family.startswith("mixtral")
        other = tensors(theirs)
        outcome.agreement = compare_tensors(mine, with_single_experts(other) if fused else other)
        found = outcome.agreement.differences
        for dtype in ("float32", "float64"):
            if not {"values", "dtype"} & {difference.kind for difference in found}:
                break
            wide = self.wide(case, folder, dtype)
            again = compare_tensors(mine, wide) if wide else None
            if again and (again.far < outcome.agreement.far or not outcome.agreement.tensors):
                found = [difference for difference in found if difference.kind != "values"]
                found += [one for one in again.differences if one.kind == "values"]
                outcome.agreement, outcome.wide = again, True
        found += compare_configurations(ours, theirs)
        found += compare_tokenizers(ours, theirs, PROSE)
        return found

    def wide(self, case: Case, folder: Path, dtype: str) -> dict[str, torch.Tensor] | None:
        """Return what mergekit makes when it computes in a wide type and rounds once."""
        output, file = folder / dtype, folder / f"{dtype}.yaml"
        family = case.wide_family or case.family
        programs.write_recipe(case.wide_recipes(dtype), self.models / family, file)
        stages, log = len(case.recipes), folder / f"{dtype}.log"
        if programs.run_peer(file, output, stages, log, wide_adapters=True):
            return None
        return tensors(output)


def line(outcome: Outcome) -> str:
    """Return the row of a case."""
    agreement = outcome.agreement
    share = f"{agreement.equal / agreement.elements:.2%}" if agreement.elements else "–"
    notes = ", ".join(f"{name} ×{count}" for name, count in sorted(outcome.explained.items()))
    cells = [
        outcome.case.name,
        outcome.verdict(),
        str(agreement.tensors),
        str(agreement.elements),
        share,
        str(agreement.far),
        f"{agreement.worst:.2g}",
        notes,
    ]
    return "| " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patterns", nargs="*", default=["*"], help="cases, such as 'ties*'")
    parser.add_argument("--tincture", type=Path, default=ROOT / ".build/release/tincture")
    parser.add_argument("--work", type=Path, default=HERE / "results/differential")
    parser.add_argument("--keep", action="store_true", help="keep what both programs wrote")
    parser.add_argument("--peer-only", action="store_true", help="try the recipes with mergekit")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument("--quiet", action="store_true", help="show only cases that differ")
    options = parser.parse_args()
    if not (options.list or options.peer_only or options.tincture.exists()):
        parser.error(f"{options.tincture} is not there; run swift build -c release")
    return options


def main() -> int:
    """Run the program."""
    options = parse()
    chosen = [
        case
        for case in all_cases()
        if any(fnmatchcase(case.name, f"{pattern}*") for pattern in options.patterns)
    ]
    if options.list:
        print("\n".join(case.name for case in chosen))
        return 0
    torch.set_num_threads(1)
    programs.prepare_peer()
    differential = Differential(options)
    differential.make_models()

    print("| case | verdict | tensors | elements | equal bits | beyond tolerance | worst | known |")
    print("|---|---|--:|--:|--:|--:|--:|---|")
    outcomes: list[Outcome] = []
    for case in chosen:
        outcome = differential.run(case)
        outcomes.append(outcome)
        if outcome.differences or not options.quiet:
            print(line(outcome), flush=True)
        for difference in outcome.differences[:6]:
            text = f"{difference.kind}: {difference.item} {difference.detail}"
            print(f"  - {text}", file=sys.stderr, flush=True)
        if len(outcome.differences) > 6:
            print(f"  - and {len(outcome.differences) - 6} more", file=sys.stderr)
    return summary(outcomes)


def summary(outcomes: list[Outcome]) -> int:
    """Print the counts and the explanations that were met; return the exit status."""
    counts = Counter(outcome.verdict() for outcome in outcomes)
    met = Counter(name for outcome in outcomes for name in outcome.explained)
    print(f"\n{len(outcomes)} cases: " + ", ".join(f"{n} {v}" for v, n in sorted(counts.items())))
    if any(outcome.wide for outcome in outcomes):
        print("wide: as mergekit computing in float32 or float64, which its own rounding hides")
    for name, reason in reasons().items():
        if met[name]:
            print(f"{name} ({met[name]} cases): {reason}")
    return 1 if counts["DIFFERS"] else 0


if __name__ == "__main__":
    sys.exit(main())
