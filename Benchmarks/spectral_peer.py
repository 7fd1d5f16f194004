"""Merge files by one of FusionBench's methods, on the processor, in single precision.

Usage: spectral_peer.py METHOD OUTPUT BASE EXPERT… [STATISTICS…]; `start` as the method only imports. Merges by
statistics take a file of them for each expert.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file
from torch import nn

State = dict[str, torch.Tensor]
# What all programs of the comparison merge with.
ALPHA = {"iso_c": 1.0, "iso_cts": 1.0, "tsv_m": 1.0, "knots": 0.6, "ties": 0.3, "linear": 0.125, "task_arithmetic": 0.3, "magmax": 0.5}
FRACTION, THRESHOLD, DENSITY, EPSILON = 0.8, 0.5, 0.2, 1e-5


class Leaf(nn.Module):
    """A module that holds one tensor."""

    def __init__(self, value: torch.Tensor):
        """Take the tensor."""
        super().__init__()
        self.value = nn.Parameter(value, requires_grad=False)


def module(state: State) -> nn.Module:
    """Return a model whose matrices are linear layers, as OPCM looks for them."""
    model = nn.Module()
    for name, value in state.items():
        leaf: nn.Module = Leaf(value)
        if value.ndim == 2:
            leaf = nn.Linear(value.shape[1], value.shape[0], bias=False)
            leaf.weight = nn.Parameter(value, requires_grad=False)
        model.add_module(name.replace(".", "/"), leaf)
    return model


def opcm(base: State, experts: list[Path]) -> State:
    """Take the experts in one after another."""
    from fusion_bench.method.opcm.opcm import OPCMForCLIP

    names = [path.name for path in experts]
    pool = SimpleNamespace(
        model_names=names,
        load_pretrained_model=lambda: module(base),
        load_model=lambda name: module(load_file(experts[names.index(name)])),
    )
    program = SimpleNamespace(taskpool=SimpleNamespace(_test_datasets={}))
    method = OPCMForCLIP(alpha=THRESHOLD, shuffle_order=False, save_on_every_step=False)
    method._program = program
    silent = SimpleNamespace(device="cpu", log=lambda *_, **__: None)
    # Nothing is logged: neither the device's set-up nor its log belongs to the merge.
    type(method).fabric = property(lambda _: silent)
    type(method).log_dir = property(lambda _: None)
    merged = method.run(pool)
    found = {}
    for name, leaf in merged.named_children():
        value = leaf.weight if isinstance(leaf, nn.Linear) else leaf.value
        found[name.replace("/", ".")] = value.detach().contiguous()
    return found


def knots(vectors: list[State]) -> State:
    """Align the matrices and merge them by TIES with one threshold for each task."""
    from fusion_bench.method.knots.knots_utils import subspace_alignment
    from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging

    names = [name for name, value in vectors[0].items() if value.ndim == 2]
    bases, coordinates = {}, [[] for _ in vectors]
    for name in names:
        u, s, parts = subspace_alignment([vector[name] for vector in vectors], eps=EPSILON)
        bases[name] = u
        for found, part in zip(coordinates, parts, strict=True):
            found.append(torch.diag(s) @ part)
    flat = torch.stack([torch.cat([part.flatten() for part in task]) for task in coordinates])
    merged = ties_merging(flat, reset_thresh=DENSITY, merge_func="dis-mean")
    result, start = {}, 0
    for name, part in zip(names, coordinates[0], strict=True):
        result[name] = bases[name] @ merged[start : start + part.numel()].view(part.shape)
        start += part.numel()
    for name, value in vectors[0].items():
        if value.ndim != 2:
            result[name] = sum(vector[name] for vector in vectors) / len(vectors)
    return result


def measured(method: str, files: list[Path]) -> State:
    """Merge by statistics, of which the files' second half has one for each expert."""
    half = len(files) // 2
    experts = [load_file(path) for path in files[:half]]
    statistics = [load_file(path) for path in files[half:]]
    parameters = {name: [expert[name] for expert in experts] for name in experts[0]}
    if method == "fisher":
        from fusion_bench.method.fisher_merging.fisher_merging import merging_with_fisher_weights

        share = torch.full((half,), 1 / half)
        return merging_with_fisher_weights(parameters, statistics, share, True, 1e-6)
    from fusion_bench.method.regmean.regmean import merging_with_regmean_weights

    layers = [
        {name.removesuffix(".weight"): gram for name, gram in own.items()} for own in statistics
    ]
    return merging_with_regmean_weights(parameters, layers, reduce_non_diagonal_ratio=0.95)


def doge(base: State, experts: list[Path], steps: int) -> State:
    """Merge all matrices by descent, with fewer steps than the 400 that stand in the program."""
    from fusion_bench.method.doge_ta import doge_ta

    # The class takes what has "encoder" and "weight" in its name, and is given matrices under such names.
    names = {
        name: f"encoder_{index}_weight" if value.ndim == 2 else f"other_{index}"
        for index, (name, value) in enumerate(base.items())
    }

    def model(state: State) -> nn.Module:
        holder = nn.Module()
        for name, value in state.items():
            holder.register_parameter(names[name], nn.Parameter(value, requires_grad=False))
        return holder

    pool = {"_pretrained_": model(base)}
    for path in experts:
        pool[path.name] = model(load_file(path))
    method = doge_ta.DOGE_TA_Algorithm(subspace=6, K=30, lamda=0.07)
    doge_ta.range = lambda count: range(steps if count == 400 else count)
    silent = SimpleNamespace(device="cpu", backward=lambda loss: loss.backward())
    type(method).fabric = property(lambda _: silent)
    merged = method.run(pool).state_dict()
    return {name: merged[own].detach().contiguous() for name, own in names.items()}


def by_elements(method: str, base: State, vectors: list[State]) -> State:
    """Merge by a method that looks at elements; masks of tasks are saved, too."""
    if method in ("linear", "task_arithmetic"):
        return {name: sum(vector[name] for vector in vectors) for name in vectors[0]}
    if method == "tall_masks":
        from fusion_bench.method.tall_mask.task_arithmetic import generate_task_masks

        merged = {name: sum(vector[name] for vector in vectors) for name in vectors[0]}
        found = {}
        for task, vector in enumerate(vectors):
            masks = generate_task_masks(merged, vector, base, tall_mask_lambda=0.6)
            found |= {f"mask.{task}.{name}": value.bool() for name, value in masks.items()}
        return merged | found
    if method == "wudi":
        from fusion_bench.method.wudi.wudi import wudi_merging

        with torch.enable_grad():
            found = wudi_merging(vectors, accelerator="cpu", iter_num=10)
        return {name: value.detach() for name, value in found.items()}
    if method == "magmax":
        from fusion_bench.method.magmax.magmax import _magmax_select

        return _magmax_select(vectors)
    if method == "emr":
        from fusion_bench.method.emr_merging.utils import emr_merge

        unified, masks, scales = emr_merge(vectors)
        found = {f"mask.{name}": torch.stack(own) for name, own in masks.items()}
        return unified | found | {"scales": scales}
    from fusion_bench.method.ties_merging.ties_merging_utils import ties_merging

    flat = torch.stack([torch.cat([value.flatten() for value in vector.values()]) for vector in vectors])
    merged = ties_merging(flat, reset_thresh=20, merge_func="dis-sum")
    result, start = {}, 0
    for name, value in vectors[0].items():
        result[name] = merged[start : start + value.numel()].view(value.shape)
        start += value.numel()
    return result


def main() -> None:
    """Merge."""
    method, output, *files = sys.argv[1], Path(sys.argv[2]), *map(Path, sys.argv[3:])
    from fusion_bench.method.isotropic_merging.iso_utils import iso_c, iso_cts
    from fusion_bench.method.task_singular_vector.utils.TSVM_utils import (
        compute_and_sum_svd_mem_reduction as tsv_m,
    )

    if method == "start":
        return
    if method in ("fisher", "regmean"):
        with torch.no_grad():
            found = measured(method, files[1:])
            save_file({name: value.contiguous() for name, value in found.items()}, output)
        return
    base = load_file(files[0])
    if method == "doge":
        save_file(doge(base, files[1:], 10), output)
        return
    with torch.no_grad():
        if method == "opcm":
            save_file(opcm(base, files[1:]), output)
            return
        vectors = []
        for path in files[1:]:
            expert = load_file(path)
            vectors.append({name: expert[name] - base[name] for name in base})
        if method == "iso_c":
            merged = iso_c(vectors, accelerator="cpu")
        elif method == "iso_cts":
            merged = iso_cts(vectors, FRACTION, accelerator="cpu")
        elif method == "tsv_m":
            merged = tsv_m(vectors, accelerator="cpu")
        elif method == "knots":
            merged = knots(vectors)
        else:
            merged = by_elements(method, base, vectors)
        alpha = ALPHA.get(method, 1.0)
        rest = {name: value.contiguous() for name, value in merged.items() if name not in base}
        save_file({name: base[name] + alpha * merged[name] for name in base} | rest, output)


if __name__ == "__main__":
    main()
