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

    def explains(self, case: str, difference: Difference) -> bool:
        """Tell whether a difference of a case is this one."""
        return (
            fnmatchcase(case, self.case)
            and fnmatchcase(difference.kind, self.kind)
            and fnmatchcase(difference.item, self.item)
        )


KNOWN: Sequence[Deviation] = ()


def explanation(case: str, difference: Difference) -> Deviation | None:
    """Return the known deviation that a difference belongs to."""
    return next((known for known in KNOWN if known.explains(case, difference)), None)
