"""Doing several things side by side, with messages and failures as if one followed another.

What is done, and what has to be done before it, is the caller's. Messages come in the order
of the tasks: those of the first that is not done at once, those of later ones when it is their
turn. Bars on a terminal do not wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from threading import Lock

from venvlayers.process import ending_children
from venvlayers.report import Kind, Progress, Reporter
from venvlayers.threads import wait_out
from venvlayers.values import frozen


@frozen
class Task:
    """Something to do.

    Attributes:
        name: Tells it from others.
        do: Does it, and says through the reporter what it does. Runs in a thread.
        after: The names of tasks before it in the list that have to be done before.
    """

    name: str
    do: Callable[[Reporter], None]
    after: Collection[str] = ()


def workers() -> int:
    """Return how many things to do at once: two for each core, and not more than 4.

    A resolution waits for the index most of the time, and takes 50 MB (uv 0.10, with Qt).
    """
    return min(4, 2 * (os.cpu_count() or 1))


def do_beside(tasks: Sequence[Task], reporter: Reporter) -> dict[str, Exception]:
    """Do *tasks*, each when those that it comes after are done.

    What comes after one that failed is not done; everything else is.

    Args:
        tasks: Each after those that it has to come after.
        reporter: Where messages go.

    Returns:
        Those that failed, and how, in the order of *tasks*.

    Raises:
        KeyboardInterrupt: Programs that tasks ran have been ended, and nothing is done any more.
    """
    work = _Work(tasks, reporter)
    pool = ThreadPoolExecutor(max_workers=workers())
    with ending_children() as end_children:
        try:
            while running := work.submit(pool):
                work.take(wait(running, return_when=FIRST_COMPLETED).done)
        except BaseException:
            end_children()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            wait_out(work.running)
    return work.failures()


class _Work:
    """The state of some tasks; only the thread that started them uses it."""

    def __init__(self, tasks: Sequence[Task], reporter: Reporter) -> None:
        self._tasks = tasks
        self._turns = {task.name: _Turn(reporter) for task in tasks}
        self._waiting = list(tasks)
        self._ended: dict[str, Exception | None] = {}
        self.running: dict[Future[None], str] = {}

    def submit(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        """Begin what can begin now; return all that is running."""
        self._give_turns()
        for task in list(self._waiting):
            if all(name in self._ended for name in task.after):
                self._waiting.remove(task)
                if any(self._ended[name] for name in task.after):
                    self._ended[task.name] = _NotDoneError()
                else:
                    self.running[pool.submit(task.do, self._turns[task.name])] = task.name
        self._give_turns()
        return list(self.running)

    def take(self, done: Iterable[Future[None]]) -> None:
        """Note what became of tasks that are done.

        Raises:
            BaseException: One was ended by what is no failure.
        """
        for future in done:
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            self._ended[self.running.pop(future)] = error

    def failures(self) -> dict[str, Exception]:
        """Return how tasks failed, in their order."""
        ended = [(task.name, self._ended[task.name]) for task in self._tasks]
        return {
            name: error for name, error in ended if error and not isinstance(error, _NotDoneError)
        }

    def _give_turns(self) -> None:
        """Let the first task that is not done speak, and those before it, which are."""
        for task in self._tasks:
            self._turns[task.name].begin()
            if task.name not in self._ended:
                return


class _NotDoneError(Exception):
    """It comes after something that failed."""


class _Turn:
    """The reporter of one task: keeps messages until it is its turn to speak."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._kept: list[tuple[Kind, str]] | None = []
        self._lock = Lock()

    def say(self, kind: Kind, message: str) -> None:
        """Show a message, or keep it."""
        with self._lock:
            if self._kept is None:
                self._reporter.say(kind, message)
            else:
                self._kept.append((kind, message))

    def progress(self, label: str, total: int | None) -> AbstractContextManager[Progress]:
        """Show how far it has come, at once."""
        return self._reporter.progress(label, total)

    def begin(self) -> None:
        """Show what was kept, and everything from now on at once."""
        with self._lock:
            kept, self._kept = self._kept or (), None
            for kind, message in kept:
                self._reporter.say(kind, message)
