"""The spectral merges in double precision, as their papers define them, and distances from them.

Written for the comparison from the formulas alone: full singular value decompositions everywhere,
no shortcuts, one tensor at a time except for what a method must know about the whole model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from safetensors import safe_open

Arrays = list[np.ndarray]
FRACTION, THRESHOLD, DENSITY, EPSILON = 0.8, 0.5, 0.2, 1e-5


class Files:
    """Tensors of the base and the experts, read one at a time in double precision."""

    def __init__(self, base: Path, experts: list[Path]):
        """Open the files."""
        self.files = [safe_open(path, "np") for path in [base, *experts]]
        self.names = sorted(self.files[0].keys())

    def base(self, name: str) -> np.ndarray:
        """Return a tensor of the base."""
        return self.files[0].get_tensor(name).astype(np.float64)

    def tasks(self, name: str) -> Arrays:
        """Return the task vectors of a tensor."""
        base = self.base(name)
        return [file.get_tensor(name).astype(np.float64) - base for file in self.files[1:]]


def polar(matrix: np.ndarray) -> np.ndarray:
    """Return the nearest matrix with orthonormal columns or rows."""
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    return u @ vt


def iso_c(tasks: Arrays) -> np.ndarray:
    """Give all directions of the sum the same weight."""
    u, s, vt = np.linalg.svd(sum(tasks), full_matrices=False)
    return s.mean() * u @ vt


def iso_cts(tasks: Arrays) -> np.ndarray:
    """Give common and own directions the same weight."""
    short, count = min(tasks[0].shape), len(tasks)
    own = round((short - int(short * FRACTION)) / count)
    common = short - own * count
    u, s, vt = np.linalg.svd(sum(tasks), full_matrices=False)
    parts = []
    for task in tasks:
        rest = task - u[:, :common] @ (u[:, :common].T @ task)
        found = np.linalg.svd(rest, full_matrices=False)
        parts.append((found[0][:, :own], found[1][:own], found[2][:own]))
    parts.append((u[:, :common], s[:common], vt[:common]))
    left = polar(np.concatenate([part[0] for part in parts], axis=1))
    right = polar(np.concatenate([part[2] for part in parts]))
    return np.concatenate([part[1] for part in parts]).mean() * left @ right


def tsv_m(tasks: Arrays) -> np.ndarray:
    """Join the leading singular vectors of all tasks."""
    rank = min(tasks[0].shape) // len(tasks)
    parts = []
    for task in tasks:
        u, s, vt = np.linalg.svd(task, full_matrices=False)
        parts.append((u[:, :rank], s[:rank], vt[:rank]))
    left = polar(np.concatenate([part[0] for part in parts], axis=1))
    right = polar(np.concatenate([part[2] for part in parts]))
    return left * np.concatenate([part[1] for part in parts]) @ right


def by_tensor(files: Files, rule: Callable[[Arrays], np.ndarray]) -> Iterator[tuple]:
    """Yield name, base and merged task vector; what is no matrix is averaged."""
    for name in files.names:
        tasks = files.tasks(name)
        merged = rule(tasks) if tasks[0].ndim == 2 else sum(tasks) / len(tasks)
        yield name, files.base(name), merged


def opcm(files: Files) -> Iterator[tuple]:
    """Add task vectors one after another, without what interferes."""
    merged, norms = {}, [0.0] * (len(files.files) - 1)
    for name in files.names:
        tasks = files.tasks(name)
        norms = [norm + float((task**2).sum()) for norm, task in zip(norms, tasks, strict=True)]
        total = tasks[0]
        for task in tasks[1:]:
            total = total + (cleaned(task, total) if task.ndim == 2 else task)
        merged[name] = total
    mean = sum(norm**0.5 for norm in norms) / len(norms)
    factor = mean / sum(float((value**2).sum()) for value in merged.values()) ** 0.5
    for name in files.names:
        yield name, files.base(name), factor * merged.pop(name)


def cleaned(task: np.ndarray, merged: np.ndarray) -> np.ndarray:
    """Return a task vector without its part in the leading directions of the merged one."""
    u, s, vt = np.linalg.svd(merged, full_matrices=False)
    core = u.T @ task @ vt.T
    kept = int(np.argmax(np.cumsum(s) / s.sum() > THRESHOLD))
    inside = np.diag(np.diag(core))
    inside[:kept, :kept] = core[:kept, :kept]
    return task - u @ inside @ vt


def knots(files: Files) -> Iterator[tuple]:
    """Merge by TIES in the coordinates of common singular directions."""
    names = [name for name in files.names if files.base(name).ndim == 2]
    magnitudes = [[] for _ in files.files[1:]]
    bases = {}
    for name in names:
        tasks = files.tasks(name)
        # U alone is needed; the squares of singular values lose half the digits of small ones only.
        values, vectors = np.linalg.eigh(sum(task @ task.T for task in tasks))
        bases[name] = vectors[:, np.sqrt(np.maximum(values, 0)) > EPSILON]
        for found, task in zip(magnitudes, tasks, strict=True):
            found.append(np.abs(bases[name].T @ task).astype(np.float32).ravel())
    cuts = []
    for found in magnitudes:
        flat = np.concatenate(found)
        kept = len(flat) - int(DENSITY * len(flat)) - 1
        cuts.append(np.partition(flat, kept)[kept])
    for name in files.names:
        tasks = files.tasks(name)
        if name not in bases:
            yield name, files.base(name), 0.6 * sum(tasks) / len(tasks)
            continue
        parts = [bases[name].T @ task for task in tasks]
        parts = [
            np.where(np.abs(part).astype(np.float32) >= cut, part, 0)
            for part, cut in zip(parts, cuts, strict=True)
        ]
        sign = np.sign(sum(parts))
        agreeing = [np.where(part * sign > 0, part, 0) for part in parts]
        voices = sum((part != 0).astype(np.float64) for part in agreeing)
        mean = sum(agreeing) / np.maximum(voices, 1)
        yield name, files.base(name), 0.6 * bases[name] @ mean


def merges(method: str, files: Files) -> Iterator[tuple]:
    """Yield name, base and merged task vector of every tensor."""
    if method == "opcm":
        return opcm(files)
    if method == "knots":
        return knots(files)
    return by_tensor(files, {"iso_c": iso_c, "iso_cts": iso_cts, "tsv_m": tsv_m}[method])


def distances(method: str, files: Files, outputs: list[Path]) -> list[float]:
    """Return how far outputs are from the reference, as shares of the merged task vector's norm."""
    opened = [safe_open(path, "np") for path in outputs]
    squares, whole = [0.0] * len(outputs), 0.0
    for name, base, merged in merges(method, files):
        whole += float((merged**2).sum())
        for position, file in enumerate(opened):
            difference = file.get_tensor(name).astype(np.float64) - base - merged
            squares[position] += float((difference**2).sum())
    return [(square / whole) ** 0.5 for square in squares]
