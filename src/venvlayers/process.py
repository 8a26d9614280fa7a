"""The only module that starts processes.

Children get an environment that we built: variables that could change a lock
or a layer without leaving a trace in the specification are dropped by name.
Output is captured, and shown only when the child fails; a failure carries the
command, the exit status and an excerpt of the output.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from venvlayers.values import frozen

if TYPE_CHECKING:
    import subprocess

DROPPED_PREFIXES = ("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV_LAUNCHER__")
"""Variables that steer Python, pip or uv behind the user's back."""

# Of what a child printed: the first lines say what failed, the last ones why.
_FIRST_LINES, _LAST_LINES = 6, 34


def child_environment(
    keep: Iterable[str] = (),
    extra: Mapping[str, str] | None = None,
    *,
    drop: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return the environment for a child process.

    Args:
        keep: Names, or patterns with ``*``, that pass although they start with one of
            `DROPPED_PREFIXES`.
        extra: Variables to set.
        drop: More beginnings of names like `DROPPED_PREFIXES`.
    """
    kept, dropped = tuple(keep), (*DROPPED_PREFIXES, *drop)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(dropped) or _is_kept(name.upper(), kept)
    }
    environment["LC_ALL"] = "C.UTF-8"  # messages that we read must not be translated
    environment["PYTHONUTF8"] = "1"
    environment.update(extra or {})
    return environment


def _is_kept(name: str, kept: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in kept)


@frozen
class Completed:
    """A process that ended, with everything that it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def excerpt(self) -> str:
        """What it printed, for an error message: of much only the beginning and the end."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        left_out = len(lines) - _FIRST_LINES - _LAST_LINES
        if left_out > 1:
            gap = f"[... {left_out} lines; -vv shows them ...]"
            lines[_FIRST_LINES:-_LAST_LINES] = [gap]
        return "\n".join(lines)


class _Children:
    """The programs that are running, so that one thread can end those that others wait for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_over = False

    @contextmanager
    def __call__(self, child: subprocess.Popen[str]) -> Iterator[None]:
        """Know of *child*, until this ends; it is ended if all are."""
        with self._lock:
            self._running.add(child)
            if self._is_over:
                child.kill()
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(child)

    def end(self, *, is_over: bool) -> None:
        """End all of them if it *is_over*, and also those that are started from now on."""
        with self._lock:
            self._is_over = is_over
            for child in self._running if is_over else ():
                child.kill()


_children = _Children()


@contextmanager
def ending_children() -> Iterator[Callable[[], None]]:
    """Give a function that ends every program that threads run, until the context ends.

    For who waits for those threads: a Ctrl-C need not reach what they wait for.
    """
    try:
        yield lambda: _children.end(is_over=True)
    finally:
        _children.end(is_over=False)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end, and return what it printed, whatever its status.

    A `KeyboardInterrupt` (or any other exception) while waiting ends the child
    before it is passed on, so that nothing goes on writing behind our back.

    Args:
        argv: The program and its arguments; never interpreted by a shell.
        cwd: Its working directory.
        env: Its whole environment; `child_environment()` when not given.

    Raises:
        OSError: The program cannot be started.
    """
    import subprocess  # noqa: PLC0415 - where nothing is to be done, nothing is started

    command = tuple(os.fspath(argument) for argument in argv)
    with subprocess.Popen(  # noqa: S603 - a list, without a shell
        command,
        cwd=cwd,
        env=dict(env) if env is not None else child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            with _children(process):
                stdout, stderr = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
    return Completed(argv=command, returncode=process.returncode, stdout=stdout, stderr=stderr)
