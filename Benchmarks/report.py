"""Turn measurements into a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

Record = dict[str, object]

HEADINGS = (
    "method",
    "ours s",
    "ours cpu s",
    "mergekit s",
    "mergekit cpu s",
    "mergekit / ours",
    "less its start",
    "copy s",
    "ours / copy",
    "peak RSS ours",
    "peak RSS ours 128MB",
    "peak RSS mergekit (anonymous)",
)


def median(runs: Sequence[Record], key: str) -> float | None:
    """Return the median over the runs that succeeded."""
    values = [run[key] for run in runs if run["status"] == 0 and run[key] is not None]
    return statistics.median(values) if values else None


def greatest(runs: Sequence[Record], key: str) -> int | None:
    """Return the greatest value over the runs that succeeded."""
    values = [run[key] for run in runs if run["status"] == 0 and run[key] is not None]
    return max(values) if values else None


def fastest(settings: dict[str, list[Record]], prefix: str) -> tuple[str, list[Record]] | None:
    """Return the setting of a program with the least median time."""
    timed = []
    for name, runs in settings.items():
        seconds = median(runs, "seconds")
        if name.startswith(prefix) and seconds is not None:
            timed.append((seconds, name, runs))
    if not timed:
        return None
    _, name, runs = min(timed, key=lambda item: item[:2])
    return name.removeprefix(prefix).strip(), runs


def seconds(value: float | None) -> str:
    """Write a time with three significant digits."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def megabytes(value: int | None) -> str:
    """Write an amount of memory in decimal megabytes."""
    return "–" if value is None else f"{value / 1e6:,.0f} MB"


def ratio(upper: float | None, lower: float | None) -> str:
    """Write a quotient."""
    return "–" if not upper or not lower else f"{upper / lower:.1f}×"


def row(method: str, settings: dict[str, list[Record]], start: float | None) -> list[str]:
    """Return the cells of one method; `start` is what mergekit needs before it does anything."""
    ours = settings.get("tincture default", [])
    small = settings.get("tincture 128MB", [])
    time = median(ours, "seconds")
    peer = fastest(settings, "mergekit")
    copy = fastest(settings, "copy")
    peer_time = median(peer[1], "seconds") if peer else None
    copy_time = median(copy[1], "seconds") if copy else None
    failed = "failed" if ours and time is None else seconds(time)
    peer_failed = "failed" if any(key.startswith("mergekit") for key in settings) else "–"
    peer_memory = "–"
    if peer:
        anonymous = megabytes(greatest(peer[1], "peak_anonymous"))
        peer_memory = f"{megabytes(greatest(peer[1], 'peak_resident'))} ({anonymous})"
    return [
        method,
        failed,
        seconds(median(ours, "processor_seconds")),
        f"{seconds(peer_time)} ({peer[0]})" if peer else peer_failed,
        seconds(median(peer[1], "processor_seconds")) if peer else "–",
        ratio(peer_time, time),
        ratio(peer_time - start if peer_time and start else None, time),
        f"{seconds(copy_time)} ({copy[0]})" if copy else "–",
        ratio(time, copy_time),
        megabytes(greatest(ours, "peak_resident")),
        megabytes(greatest(small, "peak_resident")),
        peer_memory,
    ]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]

    def line(cells: Sequence[str]) -> str:
        aligned = [cells[0].ljust(widths[0])]
        aligned += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join(aligned) + " |"

    rule = "|" + "|".join(
        "-" * (width + 1) + ("-" if index == 0 else ":") for index, width in enumerate(widths)
    )
    return "\n".join([line(headings), rule + "|", *map(line, rows)])


def markdown(record: dict) -> str:
    """Return the whole report of one benchmark."""
    machine, versions, models = record["machine"], record["versions"], record["models"]
    facts = [
        f"{machine['processor']}, {machine['processors']} processors, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB, {machine['system']}, "
        f"{machine['file_system']}, load {machine['load_average']:.1f} at the start",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"1 base and 3 experts of {models['bytes'] / 1e9:.2f} GB each, bfloat16, "
        f"{models['files']} file(s) each; page cache warm; medians of {record['runs']} runs "
        f"(mergekit {record['peer_runs']})",
    ]
    start = record["peer_start_seconds"]
    if start:
        facts.append(f"mergekit needs {start:.1f} s for its help screen alone")
    rows = [row(method, settings, start) for method, settings in record["results"].items()]
    return "\n".join([*(f"- {fact}" for fact in facts), "", table(HEADINGS, rows)])
