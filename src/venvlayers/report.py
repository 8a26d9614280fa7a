"""How the engine says what it is doing, without ever printing.

Stages call a `Reporter`; shells implement it. `LineReporter` serves every
place where output is lines of text (a log, Hatch's message functions, a test).
The one for a live terminal is in `terminal.py`, which costs more to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """What a message is, so that a shell can choose how to show it."""

    STEP = "step"
    """Work on something begins."""
    INFO = "info"
    """A result that the user asked for."""
    WARNING = "warning"
    """Something that the user should know, and may want to change."""
    DETAIL = "detail"
    """Commands, their output, decisions: shown when verbose."""


class Progress(Protocol):
    """How far one long piece of work has come."""

    def advance(self, amount: int) -> None:
        """Add *amount* units of finished work; called often, must be cheap."""


class Reporter(Protocol):
    """Where messages go. Implementations must be safe to call from any thread."""

    def say(self, kind: Kind, message: str) -> None:
        """Show one message of one or more lines, without a trailing newline."""

    def progress(self, label: str, total: int) -> AbstractContextManager[Progress]:
        """Follow one long piece of work of *total* units, until the context ends."""


class _SilentProgress:
    def advance(self, amount: int) -> None:
        """Show nothing: a log wants the step's line, not its percentage."""


class LineReporter:
    """Sends every message to a function, one call a message.

    Args:
        write: Receives the kind and the text.
        verbose: Whether `Kind.DETAIL` messages are passed on.
    """

    def __init__(self, write: Callable[[Kind, str], None], *, verbose: bool = False) -> None:
        self._write = write
        self._verbose = verbose

    def say(self, kind: Kind, message: str) -> None:
        """Pass the message on, unless it is a detail nobody asked for."""
        if kind is not Kind.DETAIL or self._verbose:
            self._write(kind, message)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Follow silently: in a log, the step's own line has to do."""
        del label, total
        yield _SilentProgress()


def silent() -> LineReporter:
    """Return a reporter that shows nothing."""
    return LineReporter(lambda _kind, _message: None)


def human_size(size: int) -> str:
    """Return *size* bytes as people read it: decimal units, two to four digits."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004 - the step between decimal units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
