"""The reporter for a live terminal: the same lines, with progress below them.

Imported only when there is a terminal and something to do; `rich` costs more to
import than everything else together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from venvlayers.report import Kind, Progress, is_shown

_STYLES = {Kind.STEP: "bold", Kind.WARNING: "yellow", Kind.DETAIL: "dim", Kind.TRACE: "dim"}


class _Bar:
    """One bar of a set of bars."""

    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: int) -> None:
        """Let the bar grow by *amount*."""
        self._bars.advance(self._task, amount)


class _Amount(ProgressColumn):
    """How much is done and when it will be, or for how long it has been done."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes, self._left, self._taken = (
            DownloadColumn(),
            TimeRemainingColumn(),
            TimeElapsedColumn(),
        )

    def render(self, task: Task) -> Text:
        """Return the text for one bar."""
        if task.total is None:
            return self._taken.render(task)
        return Text(" ").join([self._bytes.render(task), self._left.render(task)])


class TerminalReporter:
    """Writes styled lines to standard error, and bars for long work.

    Args:
        verbosity: How much is shown, as for `LineReporter`.
        console: Where to write; standard error when not given.
    """

    def __init__(self, *, verbosity: int = 0, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._verbosity = verbosity
        self._lock = threading.Lock()
        self._bars: Bars | None = None

    def say(self, kind: Kind, message: str) -> None:
        """Show a message above whatever is in progress."""
        if not is_shown(kind, self._verbosity):
            return
        with self._lock:
            prefix = "warning: " if kind is Kind.WARNING else ""
            self._console.print(prefix + message, style=_STYLES.get(kind), markup=False)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Progress]:
        """Show a bar of *total* bytes until the work ends, below those of other work."""
        bars, task = self._begin(label, total)
        try:
            yield _Bar(bars, task)
        finally:
            self._end(bars, task)

    def _begin(self, label: str, total: int | None) -> tuple[Bars, TaskID]:
        with self._lock:
            if self._bars is None:
                columns = (TextColumn("{task.description}"), BarColumn(), _Amount())
                self._bars = Bars(*columns, console=self._console, transient=True)
                self._bars.start()
            return self._bars, self._bars.add_task(label, total=total)

    def _end(self, bars: Bars, task: TaskID) -> None:
        with self._lock:
            bars.remove_task(task)
            if not bars.task_ids:
                bars.stop()
                self._bars = None
