"""Run one recipe through both programs."""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
import yaml

from .cases import MODELS, Recipe


class StableTorch:
    """The torch module, with sorts that leave equal elements in their order."""

    def __getattr__(self, name: str) -> object:
        """Hand out everything else as it is."""
        return getattr(torch, name)

    @staticmethod
    def argsort(values: torch.Tensor, dim: int = -1, descending: bool = False) -> torch.Tensor:
        """Sort so that of equal elements the first counts as the larger."""
        order = torch.argsort(values, dim=dim, descending=True, stable=True)
        return order if descending else order.flip(dim)

    @classmethod
    def sort(cls, values: torch.Tensor, descending: bool = False) -> torch.return_types.sort:
        """Sort as `argsort` does."""
        order = cls.argsort(values, descending=descending)
        return torch.return_types.sort((values[order], order))

    @classmethod
    def topk(cls, values: torch.Tensor, k: int, largest: bool = True) -> tuple:
        """Choose the largest as `argsort` orders them."""
        order = cls.argsort(values, descending=largest)[:k]
        return values[order], order


def prepare_peer() -> None:
    """Silence mergekit and take chance out of it.

    Three things depend on chance in mergekit, and each is fixed here to one of its outcomes:

    - It collects the models of a recipe in a set; the order, on which the donor of config.json
      and the rows of a union of vocabularies depend, changes with the hash seed of the process.
      Here models come in the order of the recipe, the base first.
    - It takes the tokens of a union in the order of a hash map of the tokenizers library, which
      is another one in every process. Here they come in the order of their numbers.
    - Of equal magnitudes at a cut it keeps any, since its sorts are not stable. Here it keeps the
      first ones.
    """
    import transformers
    from mergekit import sparsify
    from mergekit.config import MergeConfiguration
    from mergekit.merge_methods import sce

    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.disable(logging.CRITICAL)
    original = MergeConfiguration.referenced_models

    def in_order(self: MergeConfiguration) -> list:
        named = [self.base_model] if self.base_model else []
        named += [entry.model for entry in self.models or []]
        slices = list(self.slices or [])
        for module in (self.modules or {}).values():
            named += [entry.model for entry in module.models or []]
            slices += module.slices or []
        named += [source.model for part in slices for source in part.sources]
        ordered = list(dict.fromkeys(named))
        if set(ordered) != set(original(self)):
            raise AssertionError("the order of models is not complete")
        return ordered

    MergeConfiguration.referenced_models = in_order

    vocabulary = transformers.PreTrainedTokenizerFast.get_vocab

    def by_number(self: transformers.PreTrainedTokenizerFast) -> dict[str, int]:
        return dict(sorted(vocabulary(self).items(), key=lambda item: item[1]))

    transformers.PreTrainedTokenizerFast.get_vocab = by_number
    sparsify.torch = sce.torch = StableTorch()


def write_recipe(recipes: Iterable[Recipe], models: Path, file: Path) -> None:
    """Write the documents of a recipe, with the folder of the models in place."""
    texts = [yaml.safe_dump(recipe, sort_keys=False) for recipe in recipes]
    file.write_text("---\n".join(texts).replace(MODELS + "/", f"{models}/"))


def run_peer(
    file: Path, output: Path, stages: int, log: Path, wide_adapters: bool = False
) -> str | None:
    """Run mergekit's own command in this process; return what it failed with, if it did."""
    from mergekit.io.tasks import LoaderCache
    from mergekit.scripts import multimerge, run_yaml

    shutil.rmtree(output, ignore_errors=True)
    LoaderCache().loaders.clear()
    cache = output.parent / ("lora-wide" if wide_adapters else "lora")
    common = ["--quiet", "--lora-merge-cache", str(cache), "--random-seed", "1"]
    if wide_adapters:
        common += ["--lora-merge-dtype", "float32"]
    arguments = [str(file), str(output), *common]
    command = run_yaml.main
    if stages > 1:
        between = output.parent / "peer-stages"
        shutil.rmtree(between, ignore_errors=True)
        arguments = [str(file), "-I", str(between), "--out-path", str(output), *common]
        command = multimerge.main
    with (
        log.open("w") as sink,
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
    ):
        try:
            command(arguments, standalone_mode=False)
        except Exception as error:
            traceback.print_exc()
            return f"{type(error).__name__}: {error}".split("\n")[0][:160]
    return None


def run_ours(program: Path, file: Path, output: Path, log: Path) -> str | None:
    """Run tincture; return the first line of its error, if it failed."""
    shutil.rmtree(output, ignore_errors=True)
    command = [str(program), "merge", str(file), str(output), "--quiet"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "no end after 120 seconds"
    except OSError as error:
        return str(error)
    log.write_text(result.stdout + result.stderr)
    if result.returncode == 0:
        return None
    lines = result.stderr.strip().splitlines() or ["no message"]
    return f"status {result.returncode}: {lines[0]}"[:200]
