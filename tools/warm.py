"""Measures what a layer adds to a ``hatch run`` that finds everything in its place.

Four projects that differ in nothing but Hatch's configuration run the same command in turn:
an environment of Hatch's own type and a layer, each with and without `requires`, which costs
something of its own in Hatch. The machine's mood changes from second to second, so what is
compared are the runs of one turn, and their processor time too, which depends on it less.
It needs this project installed beside Hatch, and no network.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "warm"
version = "1.0"

[tool.hatch.envs.plain]
skip-install = true
detached = true

[tool.venvstacks]
runtime-source = "local"

[[tool.venvstacks.runtimes]]
name = "base"
python_implementation = "cpython@{series}"
requirements = []

[[tool.venvstacks.frameworks]]
name = "middle"
runtime = "base"
requirements = []

[[tool.venvstacks.applications]]
name = "top"
frameworks = ["middle"]
launch_module = "top.py"
requirements = []
"""
_REQUIRES = '[tool.hatch.env]\nrequires = ["hatch-venvstacks"]\n'
_COLLECTOR = "[tool.hatch.env.collectors.venvstacks]\n"
_CASES = {
    "plain": ("plain", ""),
    "plain, requires": ("plain", _REQUIRES),
    "layer": ("app-top", _COLLECTOR),
    "layer, requires": ("app-top", _REQUIRES + _COLLECTOR),
}
_COMPARED = (
    ("plain", "layer"),
    ("plain, requires", "layer, requires"),
    ("plain", "plain, requires"),
)


@dataclass(frozen=True, slots=True)
class _Run:
    """How long one command took, in seconds: by the clock, and on the processor."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What one case adds to another.

    Attributes:
        what: Which cases.
        wall: Seconds by the clock, for each turn.
        cpu: Seconds of processor time, for each turn.
        share: The median of what it takes on the processor, of the other's.
    """

    what: str
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    share: float

    @property
    def row(self) -> tuple[str, ...]:
        """The line's cells."""
        medians = (1000 * statistics.median(runs) for runs in (self.wall, self.cpu))
        return (self.what, *(f"{median:.0f} ms" for median in medians), f"{self.share:.2f}")


HEADINGS = ("a warm `hatch run`: added", "wall", "processor", "ratio")


def measure(directory: Path, turns: int) -> list[Added]:
    """Make the projects below *directory*, and run each *turns* times, in turn.

    Raises:
        subprocess.CalledProcessError: A command fails.
    """
    for name in _CASES:
        _make(directory / name)
        _run(directory, name)  # makes the environment
        _run(directory, name)
    runs: dict[str, list[_Run]] = {name: [] for name in _CASES}
    for _ in range(turns):
        for name in _CASES:
            runs[name].append(_run(directory, name))
    return [_added(base, other, runs[base], runs[other]) for base, other in _COMPARED]


def _added(base: str, other: str, before: list[_Run], after: list[_Run]) -> Added:
    turns = list(zip(before, after, strict=True))
    return Added(
        what=f"{other}, to {base}",
        wall=tuple(two.wall - one.wall for one, two in turns),
        cpu=tuple(two.cpu - one.cpu for one, two in turns),
        share=statistics.median(two.cpu / one.cpu for one, two in turns),
    )


def _make(project: Path) -> None:
    project.mkdir(parents=True)
    series = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = _PROJECT.format(series=series) + _CASES[project.name][1]
    (project / "pyproject.toml").write_text(text, "utf-8")
    (project / "top.py").write_text("pass\n", "utf-8")


def _run(directory: Path, name: str) -> _Run:
    command = [sys.executable, "-m", "hatch", "run", f"{_CASES[name][0]}:python", "-c", "pass"]
    own = {"HATCH_DATA_DIR": directory / "data", "HATCH_CACHE_DIR": directory / "cache"}
    environment = {**os.environ, **{key: str(value) for key, value in own.items()}}
    started = time.perf_counter()
    with (directory / "log").open("w+b") as log:
        process = subprocess.Popen(
            command,
            cwd=directory / name,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        if process_status := os.waitstatus_to_exitcode(status):
            log.seek(0)
            output = log.read().decode("utf-8", "replace")
            raise subprocess.CalledProcessError(process_status, command, output=output)
    return _Run(wall, usage.ru_utime + usage.ru_stime)
