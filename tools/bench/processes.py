"""One command: how long it takes, and how much memory it and its children need."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.results import Run

_EVERY = 0.02  # seconds; a look takes some 50 microseconds for each process
_PROC = Path("/proc")

STEERING = ("PYTHON", "VIRTUAL_ENV", "HATCH_", "VENVSTACKS_", "PIP_", "UV_PROJECT")
"""Beginnings of the variables that would change what is measured."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would change what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STEERING)}
    return {**kept, "LC_ALL": "C.UTF-8", **(extra or {})}


def timed(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    extra: Mapping[str, str] | None = None,
    watch: bool = True,
) -> Run:
    """Run *command* to its end.

    Args:
        command: The program and its arguments.
        cwd: Where to run it.
        log: Gets what it prints; what was in there before is gone.
        extra: Variables to set.
        watch: Whether to look at the memory of all its processes together. What runs for
            some milliseconds only is better left alone.

    Raises:
        subprocess.CalledProcessError: It fails; its output is in there.
    """
    command = [str(part) for part in command]
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=clean_environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        run = _wait(process, started, watch=watch)
    if process.returncode:
        text = log.read_text("utf-8", "replace")
        raise subprocess.CalledProcessError(process.returncode, command, output=text)
    return run


def _wait(process: subprocess.Popen[bytes], started: float, *, watch: bool) -> Run:
    if sys.platform == "win32":
        process.wait()
        return Run(wall=time.perf_counter() - started)
    watcher = _Watcher(process.pid) if watch and _PROC.is_dir() else None
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        wall = time.perf_counter() - started
        together = watcher.stop() if watcher else 0
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        largest=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        together=together,
    )


class _Watcher(threading.Thread):
    """Looks at a process and its descendants every few milliseconds."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._page = os.sysconf("SC_PAGE_SIZE")
        self.start()

    def stop(self) -> int:
        """End it, and return the largest sum that it saw, in bytes."""
        self._ended.set()
        self.join()
        return self._peak

    def run(self) -> None:
        """Look until told to stop."""
        while not self._ended.wait(_EVERY):
            pages = sum(_resident(pid) for pid in _descendants(self._pid))
            self._peak = max(self._peak, pages * self._page)


def _descendants(pid: int) -> Iterator[int]:
    """Yield *pid* and everything that it started, and so on, of what still runs."""
    yield pid
    try:
        for task in os.scandir(_PROC / str(pid) / "task"):
            for child in Path(task.path, "children").read_text("ascii").split():
                yield from _descendants(int(child))
    except OSError:
        return  # it has ended meanwhile


def _resident(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0  # it has ended meanwhile
