"""The same stack through another program with the same command line: a `venvstacks` of others.

Both programs get the same ``venvstacks.toml`` in directories of their own, and take turns. A
stage that the other one cannot do here (it may have to fetch a Python that cannot be fetched)
is told, and so is what it said; what depends on that stage is then left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import tomli_w

from bench.processes import timed
from bench.results import Run
from bench.stacks import Stack
from bench.workplace import remove, size_of
from sandbox import copy_project, human_size, table

_SPEC = "venvstacks.toml"
_LAST = 6  # lines of what a program says when it fails
_HEADINGS = ("stage", "ours", "theirs", "theirs / ours", "memory: ours", "theirs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One command that both understand.

    Attributes:
        name: What it does.
        arguments: The command's.
        without: What is removed in the project before it.
        is_short: Whether to run it several times.
    """

    name: str
    arguments: tuple[str, ...]
    without: tuple[str, ...] = ()
    is_short: bool = True


_PIPELINE = ("build", _SPEC, "--lock-if-needed", "--publish")
STAGES = (
    Stage(name="lock", arguments=("lock", _SPEC), without=("requirements", "_build")),
    Stage(name="relock", arguments=("lock", _SPEC)),
    Stage(name="lock, if needed", arguments=("lock", _SPEC, "--if-needed")),
    Stage(name="build", arguments=("build", _SPEC), without=("_build",)),
    Stage(name="build, nothing to do", arguments=("build", _SPEC)),
    Stage(name="publish", arguments=("publish", _SPEC), without=("_artifacts",), is_short=False),
    Stage(name="all of it, nothing to do", arguments=_PIPELINE),
)


@dataclass(slots=True)
class Contender:
    """One of the two programs.

    Attributes:
        program: The command.
        project: Its copy of the project.
        runs: Its runs, by stage.
        failed: The stage that it could not do, and what it said.
    """

    program: Path
    project: Path
    runs: dict[str, list[Run]] = field(default_factory=dict)
    failed: tuple[str, str] | None = None

    def run(self, stage: Stage) -> None:
        """Run a stage, unless an earlier one has failed."""
        if self.failed:
            return
        remove(*(self.project / name for name in stage.without))
        cache = self.project.parent / f"cache-of-{self.project.name}"
        # What only its own directory has on the path is found there by a program of pip's.
        extra = {"VENVSTACKS_CACHE_DIR": str(cache), "PATH": _path(self.program)}
        log = self.project.parent / "log"
        command: list[str | Path] = [self.program, *stage.arguments]
        try:
            run = timed(command, cwd=self.project, log=log, extra=extra)
        except subprocess.CalledProcessError as error:
            self.failed = stage.name, str(error.output).strip()
        else:
            self.runs.setdefault(stage.name, []).append(run)


def find(named: Path | str, ours: Path) -> Path:
    """Return another `venvstacks`.

    Args:
        named: Its path, or a name to look for on PATH.
        ours: Our own command, which it is not to be.

    Raises:
        SystemExit: There is none.
    """
    found = shutil.which(str(named))
    if found is None or Path(found).resolve() == ours.resolve():
        raise SystemExit(f"there is no `venvstacks` of others: {named}")
    # The links of a virtual environment lead out of it, and are not followed.
    return Path(found).absolute()


def compare(theirs: Path, ours: Path, stacks: Sequence[Stack], directory: Path, runs: int) -> int:
    """Run *stacks* through both, print ratios; return 1 if a stage of ours failed."""
    failed = False
    for stack in stacks:
        pair = [
            Contender(program, _project(stack, directory / stack.name / name))
            for name, program in (("ours", ours), ("theirs", theirs))
        ]
        for stage in STAGES:
            for number in range(runs if stage.is_short else 1):
                for contender in pair if number % 2 else reversed(pair):
                    contender.run(stage)
        print(f"\n{stack.name}: {stack.title}\n\n{_table(*pair)}\n\n{_notes(*pair)}", flush=True)
        failed |= pair[0].failed is not None
        shutil.rmtree(directory / stack.name)
    return 1 if failed else 0


def specification(document: dict[str, Any], version: str) -> dict[str, Any]:
    """Return what a ``venvstacks.toml`` says of the stack in a ``pyproject.toml``.

    Args:
        document: The ``pyproject.toml``.
        version: The exact version of Python: the other program insists on one.
    """
    stack: dict[str, Any] = document["tool"]["venvstacks"]
    runtimes = [{**r, "python_implementation": f"cpython@{version}"} for r in stack["runtimes"]]
    return {**stack, "runtimes": runtimes}


def _project(stack: Stack, project: Path) -> Path:
    project.parent.mkdir(exist_ok=True)
    copy_project(stack.directory, project)
    document = tomllib.loads(project.joinpath("pyproject.toml").read_text("utf-8"))
    version = ".".join(map(str, sys.version_info[:3]))
    text = tomli_w.dumps(specification(document, version))
    project.joinpath(_SPEC).write_text(text, "utf-8")
    return project


def _path(program: Path) -> str:
    return os.pathsep.join([str(program.parent), os.environ.get("PATH", os.defpath)])


def _table(ours: Contender, theirs: Contender) -> str:
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for stage in STAGES:
        cells = [_cells(contender.runs.get(stage.name)) for contender in (ours, theirs)]
        if any(runs for contender in (ours, theirs) if (runs := contender.runs.get(stage.name))):
            rows.append(_row(stage.name, *cells))
    return table(rows)


def _cells(runs: list[Run] | None) -> tuple[float, int] | None:
    if not runs:
        return None
    return median(run.wall for run in runs), max(run.largest for run in runs)


def _row(
    stage: str, ours: tuple[float, int] | None, theirs: tuple[float, int] | None
) -> tuple[str, ...]:
    times = [f"{cells[0]:.2f} s" if cells else "-" for cells in (ours, theirs)]
    memory = [human_size(cells[1]) if cells else "-" for cells in (ours, theirs)]
    ratio = f"{theirs[0] / ours[0]:.1f}" if ours and theirs else "-"
    return (stage, *times, ratio, *memory)


def _notes(ours: Contender, theirs: Contender) -> str:
    lines = []
    for name, contender in (("ours", ours), ("theirs", theirs)):
        archives = contender.project / "_artifacts"
        if contender.failed:
            stage, said = contender.failed
            lines.append(f"{name}: {stage!r} cannot be run here, nor what comes after it:")
            lines += [f"    {line}" for line in said.splitlines()[-_LAST:]]
        elif archives.is_dir():
            lines.append(f"{name}: archives and metadata have {human_size(size_of(archives)[0])}")
    return "\n".join(lines)
