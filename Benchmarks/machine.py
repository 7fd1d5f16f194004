"""Describe the machine and the programs, so that a table of times can be read later."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

VERSIONS = """
import importlib.metadata as m, json, platform, sys
names = ["mergekit", "torch", "transformers", "safetensors", "numpy"]
found = {}
for name in names:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
found["python"] = platform.python_version()
print(json.dumps(found))
"""


def printed(command: list[str]) -> str:
    """Return the first line that a command prints, or nothing when it fails."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip().split("\n")[0]


def field(path: str, key: str) -> str:
    """Return what stands after `key:` in a file of /proc."""
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def available_memory() -> int | None:
    """Return the bytes of memory that are free or can be freed."""
    words = field("/proc/meminfo", "MemAvailable").split()
    return int(words[0]) * 1024 if words else None


def processors() -> int:
    """Return how many processors this program may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(work: Path) -> dict[str, object]:
    """Return the processor, its cores, the memory, the system and the file system of a folder."""
    model = field("/proc/cpuinfo", "model name") or printed(["sysctl", "-n", "hw.model"])
    return {
        "processor": model or platform.processor() or platform.machine(),
        "processors": processors(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "file_system": printed(["stat", "-f", "-c", "%T", str(work)]),
        "load_average": os.getloadavg()[0],
    }


def revision(root: Path) -> str:
    """Return the commit of a working tree, marked when something is not committed."""
    return printed(["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"])
