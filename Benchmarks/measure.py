"""Run a program and measure its wall time, its processor time and its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_SECONDS = 0.01
UNIT_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass
class Measurement:
    """What one run took; memory in bytes, None where this system cannot tell."""

    seconds: float
    processor_seconds: float
    peak_resident: int | None
    peak_anonymous: int | None
    status: int
    output: str = ""

    def record(self) -> dict[str, object]:
        """Return the measurement for JSON."""
        values = asdict(self)
        if self.status == 0:
            del values["output"]
        return values


def memory(process: int) -> dict[str, int]:
    """Return VmHWM and RssAnon of a running process in bytes, as far as the system tells them.

    /proc/PID/status costs microseconds; smaps_rollup would walk all page tables of the process
    and disturb what is measured.
    """
    values: dict[str, int] = {}
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            for line in status:
                if line.startswith(("VmHWM:", "RssAnon:")):
                    key, amount, *_ = line.split()
                    values[key.rstrip(":")] = int(amount) * 1024
    except (OSError, ValueError):
        pass
    return values


def run(
    command: list[str],
    log: Path,
    environment: dict[str, str] | None = None,
    limit_seconds: float | None = None,
) -> Measurement:
    """Run a command to its end; what it prints goes to a file, its tail into the result.

    The high-water mark of resident memory (VmHWM) counts pages of mapped files too; the greatest
    RssAnon seen, polled a hundred times a second, does not.
    """
    peaks = {"VmHWM": 0, "RssAnon": 0}
    ended = threading.Event()

    def poll(process: int, start: float) -> None:
        while not ended.wait(POLL_SECONDS):
            for key, value in memory(process).items():
                peaks[key] = max(peaks[key], value)
            if limit_seconds and time.perf_counter() - start > limit_seconds and not ended.is_set():
                os.kill(process, signal.SIGKILL)
                return

    with log.open("wb") as sink:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        watcher = threading.Thread(target=poll, args=(process.pid, start), daemon=True)
        watcher.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            end = time.perf_counter()
        except BaseException:
            process.kill()
            raise
        finally:
            ended.set()
            watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measurement(
        seconds=end - start,
        processor_seconds=usage.ru_utime + usage.ru_stime,
        peak_resident=peaks["VmHWM"] or usage.ru_maxrss * UNIT_OF_MAXRSS,
        peak_anonymous=peaks["RssAnon"] or None,
        status=process.returncode,
        output=log.read_text(errors="replace")[-2000:],
    )
