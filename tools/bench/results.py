"""What was measured, as values and as JSON. Nothing here measures, and nothing judges."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one command.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of processor time, of all its processes.
        largest: Peak memory of its largest process in bytes; 0 where the machine does not tell.
            On Linux never less than what the process had that started it (`execve(2)` keeps
            the peak), which for the bench is some 20 MB.
        together: Most memory that all its processes had at the same time, in bytes, looked at
            every few milliseconds; pages that several of them share count for each.
    """

    wall: float
    cpu: float = 0.0
    largest: int = 0
    together: int = 0


@dataclass(slots=True, kw_only=True)
class StackResult:
    """What was measured of one stack.

    Attributes:
        name: The stack's.
        runs: The runs of each stage, in order; stages are named in `ratios.py`.
        sizes: Bytes, and numbers of files, by what they are of.
        notes: What a reader has to know about these figures.
    """

    name: str
    runs: dict[str, list[Run]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, stage: str, run: Run) -> Run:
        """Remember one more run of *stage*, and return it."""
        self.runs.setdefault(stage, []).append(run)
        return run


def machine() -> dict[str, Any]:
    """Return what figures depend on, and nothing that says whose machine it is."""
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def write(directory: Path, results: Iterable[StackResult], more: Mapping[str, Any]) -> Path:
    """Write everything as JSON to a new file in *directory*, and return it."""
    directory.mkdir(exist_ok=True)
    file = directory / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    stacks = {result.name: asdict(result) for result in results}
    document = {"machine": machine(), **more, "stacks": stacks}
    file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return file


def read(files: Iterable[Path]) -> dict[str, StackResult]:
    """Return what `write` wrote, by stack; runs of several files are put together.

    Raises:
        ValueError: A file is not one of those.
    """
    results: dict[str, StackResult] = {}
    for file in files:
        document = json.loads(file.read_text("utf-8"))
        if not isinstance(document, dict) or "stacks" not in document:
            raise ValueError(f"{file} has no results of `nox -s bench`")
        for name, stack in document["stacks"].items():
            _merge(results.setdefault(name, StackResult(name=name)), stack)
    return results


def _merge(result: StackResult, stack: Mapping[str, Any]) -> None:
    for stage, runs in stack["runs"].items():
        for run in runs:
            result.add(stage, Run(**run))
    result.sizes.update(stack["sizes"])
    result.notes.extend(note for note in stack["notes"] if note not in result.notes)
