"""How fast an application starts: through its layers, and in a plain environment."""

from __future__ import annotations

from pathlib import Path

from bench.limits import Limits
from bench.processes import timed
from bench.results import Run, StackResult
from bench.workplace import Workplace

TURNS = 100
_NO_DISPLAY = {"QT_QPA_PLATFORM": "offscreen"}


def work(place: Workplace, deployment: Path) -> Run:
    """Start the application out of *deployment*, and let it do its work."""
    return _start(place, place.application(deployment), *place.stack.arguments)


def work_plain(place: Workplace, limits: Limits) -> Run:
    """Start the same module in the plain environment."""
    return _start(place, limits.python, "-m", place.stack.module, *place.stack.arguments)


def measure(place: Workplace, limits: Limits, result: StackResult) -> None:
    """Start both, in turn, when everything that is imported has its bytecode."""
    layered, plain = _commands(place, limits)
    for command in (layered, plain) * 2:
        _start(place, *command)
    for turn in range(TURNS):
        pair = (("start", layered), ("start, plain", plain))
        for name, command in pair if turn % 2 else reversed(pair):
            result.add(name, _start(place, *command))


def _commands(
    place: Workplace, limits: Limits
) -> tuple[tuple[str | Path, ...], tuple[str | Path, ...]]:
    launcher, python = place.application(place.deployed), limits.install_on_runtime()
    answers_to = place.stack.answers_to
    if answers_to is None:
        nothing = ("-c", "pass")
        return (launcher.with_name("python"), *nothing), (python, *nothing)
    return (launcher, *answers_to), (python, "-m", place.stack.module, *answers_to)


def _start(place: Workplace, *command: str | Path) -> Run:
    return timed(command, cwd=place.directory, log=place.log, extra=_NO_DISPLAY, watch=False)
