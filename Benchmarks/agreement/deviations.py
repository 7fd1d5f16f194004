"""Known differences between the programs, each with its reason.

A difference that matches one of these is counted and shown, but is no failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .compare import Difference


@dataclass(frozen=True)
class Deviation:
    """Differences that are meant, chosen by shell patterns."""

    name: str
    case: str
    kind: str
    item: str
    reason: str
    share: float = 0.0  # of a tensor's elements, at most

    def explains(self, case: str, difference: Difference) -> bool:
        """Tell whether a difference of a case is this one."""
        return (
            fnmatchcase(case, self.case)
            and fnmatchcase(difference.kind, self.kind)
            and fnmatchcase(difference.item, self.item)
            and difference.share <= self.share
        )


KNOWN: Sequence[Deviation] = (
    Deviation(
        name="optional tensors",
        case="*/bert-f32",
        kind="peer failed",
        item="*",
        reason="mergekit 0.1.5 ends with a TypeError on every architecture that has an optional "
        "tensor with other names, BERT among them.",
    ),
    Deviation(
        name="layer types",
        case="*/qwen*",
        kind="peer failed",
        item="*",
        reason="mergekit changes the number of layers but not layer_types, which transformers 5 "
        "writes to config.json and then refuses.",
    ),
    Deviation(
        name="new token",
        case="new-token/*",
        kind="peer failed",
        item="*",
        reason="mergekit adds new tokens to the tokenizer of the base itself and then takes them "
        "for padding, so with 'source: base' it ends with a KeyError.",
    ),
    Deviation(
        name="empty tokenizer",
        case="*",
        kind="tokenizer",
        item="tokenizer.json of mergekit only",
        reason="Where the models have no tokenizer, transformers 5 makes an empty one, and "
        "mergekit writes that.",
    ),
    Deviation(
        name="promotion",
        case="arcee_fusion/*16",
        kind="dtype",
        item="*",
        reason="mergekit multiplies by a mask of float32 and so writes float32, twice the size.",
    ),
    Deviation(
        name="promotion",
        case="ramplus_tl/*16",
        kind="dtype",
        item="*",
        reason="mergekit multiplies by factors of float32 and so writes float32, twice the size.",
    ),
    Deviation(
        name="equal variances",
        case="sce-selected/*16",
        kind="values",
        item="*",
        share=0.006,
        reason="Changes of bfloat16 models are coarse, so many positions have the same variance; "
        "which of them pass the cut depends on how the variance is rounded, in mergekit as well "
        "when it computes in float64 instead of float32.",
    ),
    Deviation(
        name="equal variances",
        case="wide-and-back/*16",
        kind="values",
        item="*",
        share=0.006,
        reason="As for sce-selected.",
    ),
)


def reasons() -> dict[str, str]:
    """Return the reason of each name, the first where a name stands more than once."""
    found: dict[str, str] = {}
    for known in KNOWN:
        found.setdefault(known.name, known.reason)
    return found


def explanation(case: str, difference: Difference) -> Deviation | None:
    """Return the known deviation that a difference belongs to."""
    return next((known for known in KNOWN if known.explains(case, difference)), None)
