"""The same stack through another program with the same command line: a `venvstacks` of others.

Both programs get the same ``venvstacks.toml`` in directories of their own, and take turns. On
Linux the other one finds a Python where it would put the one that it fetches: the same that
ours copies in its build, so that files are the same and no network decides. A stage that it
cannot do nevertheless is told, and so is what it said; what depends on that stage is then left
out.
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
_BARE = """
[[runtimes]]
name = "bare"
python_implementation = "cpython@{version}"
requirements = []
"""
_LOCAL = {"runtime_source": "local"} if sys.platform.startswith("linux") else {}
_LAST = 6  # lines of what a program says when it fails
_HEADINGS = ("stage", "ours", "theirs", "theirs / ours", "processor", "memory: ours", "theirs")


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
        python: The Python that it is given: a directory; None if it makes its own.
        runs: Its runs, by stage.
        failed: The stage that it could not do, and what it said.
    """

    program: Path
    project: Path
    python: Path | None = None
    runs: dict[str, list[Run]] = field(default_factory=dict)
    failed: tuple[str, str] | None = None

    def run(self, stage: Stage) -> None:
        """Run a stage, unless an earlier one has failed."""
        if self.failed:
            return
        remove(*(self.project / name for name in stage.without))
        if self.python is not None and not (self.project / "_build").exists():
            place = self.project / "_build" / f"cpython@{_version()}"
            shutil.copytree(self.python, place, symlinks=True)
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
    bare = _bare_python(ours, directory / "bare") if _LOCAL else None
    for stack in stacks:
        place = directory / stack.name
        pair = [
            Contender(ours, _project(stack, place / "ours", _LOCAL)),
            Contender(theirs, _project(stack, place / "theirs", {}), bare),
        ]
        for stage in STAGES:
            for number in range(runs if stage.is_short else 1):
                for contender in pair if number % 2 else reversed(pair):
                    contender.run(stage)
        print(f"\n{stack.name}: {stack.title}\n\n{_table(*pair)}\n\n{_notes(*pair)}", flush=True)
        failed |= pair[0].failed is not None
        shutil.rmtree(place)
    return 1 if failed else 0


def _bare_python(ours: Path, directory: Path) -> Path:
    """Let our own command copy the Python that runs this, with nothing in it."""
    directory.mkdir()
    spec = directory / _SPEC
    spec.write_text(tomli_w.dumps(_LOCAL) + _BARE.format(version=_version()), "utf-8")
    command = [str(ours), "build", _SPEC, "--lock-if-needed"]
    timed(command, cwd=directory, log=directory / "log", watch=False)
    (python,) = directory.glob("_build/*/bare")
    return python


def specification(document: dict[str, Any], version: str) -> dict[str, Any]:
    """Return what a ``venvstacks.toml`` says of the stack in a ``pyproject.toml``.

    Args:
        document: The ``pyproject.toml``.
        version: The exact version of Python: the other program insists on one.
    """
    stack: dict[str, Any] = document["tool"]["venvstacks"]
    runtimes = [{**r, "python_implementation": f"cpython@{version}"} for r in stack["runtimes"]]
    return {**stack, "runtimes": runtimes}


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _project(stack: Stack, project: Path, more: dict[str, Any]) -> Path:
    project.parent.mkdir(exist_ok=True)
    copy_project(stack.directory, project)
    document = tomllib.loads(project.joinpath("pyproject.toml").read_text("utf-8"))
    text = tomli_w.dumps({**more, **specification(document, _version())})
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


def _cells(runs: list[Run] | None) -> Run | None:
    """Return the medians of the times, and the most memory."""
    if not runs:
        return None
    return Run(
        wall=median(run.wall for run in runs),
        cpu=median(run.cpu for run in runs),
        largest=max(run.largest for run in runs),
    )


def _row(stage: str, ours: Run | None, theirs: Run | None) -> tuple[str, ...]:
    times = [f"{run.wall:.2f} s" if run else "-" for run in (ours, theirs)]
    memory = [human_size(run.largest) if run else "-" for run in (ours, theirs)]
    if ours is None or theirs is None:
        return (stage, *times, "-", "-", *memory)
    ratios = (f"{theirs.wall / ours.wall:.1f}", f"{theirs.cpu / max(ours.cpu, 0.01):.1f}")
    return (stage, *times, *ratios, *memory)


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
