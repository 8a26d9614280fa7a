"""How the engine says what it is doing, without ever printing.

Stages call a `Reporter`; shells implement it. `LineReporter` serves every
place where output is lines of text (a log, Hatch's message functions, a test).
The one for a live terminal is in `terminal.py`, which costs more to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import logging


class Kind(Enum):
    """What a message is, so that a shell can choose how to show it."""

    STEP = "step"
    """Work on something begins."""
    INFO = "info"
    """A result that the user asked for."""
    WARNING = "warning"
    """Something that the user should know, and may want to change."""
    DETAIL = "detail"
    """Commands and decisions: shown when verbose."""
    TRACE = "trace"
    """What tools are given and what they say: shown when more verbose."""


_NEEDED = {Kind.DETAIL: 1, Kind.TRACE: 2}


def is_shown(kind: Kind, verbosity: int) -> bool:
    """Tell whether a message is for a user who asked *verbosity* times for more."""
    return verbosity >= _NEEDED.get(kind, 0)


class Progress(Protocol):
    """How far one long piece of work has come."""

    def advance(self, amount: int) -> None:
        """Add *amount* units of finished work; called often, must be cheap."""


class Reporter(Protocol):
    """Where messages go. Implementations must be safe to call from any thread."""

    def say(self, kind: Kind, message: str) -> None:
        """Show one message of one or more lines, without a trailing newline."""

    def progress(self, label: str, total: int | None) -> AbstractContextManager[Progress]:
        """Follow one long piece of work, until the context ends; there may be several at once.

        Args:
            label: What it is.
            total: Its units, which are bytes; None if nobody knows.
        """


class _SilentProgress:
    def advance(self, amount: int) -> None:
        """Show nothing: a log wants the step's line, not its percentage."""


class LineReporter:
    """Sends every message to a function, one call a message.

    Args:
        write: Receives the kind and the text.
        verbosity: 1 passes on `Kind.DETAIL` messages, 2 those of `Kind.TRACE` too.
    """

    def __init__(self, write: Callable[[Kind, str], None], *, verbosity: int = 0) -> None:
        self._write = write
        self._verbosity = verbosity
        # Hatch writes a line and its end one after the other, and turns its one console to the
        # standard error output and back for each.
        self._one_at_a_time = Lock()

    def say(self, kind: Kind, message: str) -> None:
        """Pass the message on, unless it is a detail nobody asked for."""
        if is_shown(kind, self._verbosity):
            with self._one_at_a_time:
                self._write(kind, message)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Progress]:
        """Follow silently: in a log, the step's own line has to do."""
        del label, total
        yield _SilentProgress()


def silent() -> LineReporter:
    """Return a reporter that shows nothing."""
    return LineReporter(lambda _kind, _message: None)


def logged(logger: logging.Logger) -> LineReporter:
    """Return a reporter that sends messages to *logger*: warnings as such, details as debug."""
    import logging  # noqa: PLC0415 - costs 10 ms, and a shell shows messages itself

    levels = {Kind.WARNING: logging.WARNING, Kind.DETAIL: logging.DEBUG, Kind.TRACE: logging.DEBUG}

    def write(kind: Kind, message: str) -> None:
        logger.log(levels.get(kind, logging.INFO), "%s", message)

    return LineReporter(write, verbosity=2)


def human_size(size: int) -> str:
    """Return *size* bytes as people read it: decimal units, two to four digits."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004 - the step between decimal units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
