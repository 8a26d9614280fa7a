"""An iterator that is run ahead of whoever uses it, on a thread of its own.

So files are read while what was read of others is compressed. What is yielded is not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from threading import Condition, RLock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


def ahead(
    source: Generator[T, None, None], most: int, drop: Callable[[T], None]
) -> Generator[T, None, None]:
    """Yield what *source* yields, which is at most *most* items ahead.

    To be closed: then *source* is closed as well, and its thread has ended.

    Args:
        source: Run in another thread, from the first time that an item is asked for.
        most: How many items may wait.
        drop: Is given, when this is closed early, each item that waits.

    Raises:
        BaseException: What *source* raised, after everything that it yielded before.
    """
    work = _Work(source, most, drop)
    thread = Thread(target=work.run, name="ahead", daemon=True)
    try:
        thread.start()
        yield from work.items()
    finally:
        work.stop()
        if thread.ident is not None:  # Ctrl-C can come while it is started
            thread.join()
        for item in work.waiting:
            drop(item)


class _Work(Generic[T]):
    """Items that wait, and the two threads that wait for each other."""

    def __init__(
        self, source: Generator[T, None, None], most: int, drop: Callable[[T], None]
    ) -> None:
        self._source = source
        self._most = most
        self._drop = drop
        # Entered as it is, and not as a `Condition`, whose methods are Python's: Ctrl-C could come
        # between its lock and the code that releases it.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._is_over = False
        self._error: BaseException | None = None
        self.waiting: deque[T] = deque()

    def run(self) -> None:
        """Run the source to its end, or until nobody wants more; in the thread."""
        try:
            with closing(self._source):
                for item in self._source:
                    if not self._put(item):
                        self._drop(item)
                        break
        except BaseException as error:  # noqa: BLE001 - raised where the items are used
            self._error = error
        self.stop()

    def _put(self, item: T) -> bool:
        """Let an item wait; tell whether anybody wants it."""
        with self._lock:
            self._changed.wait_for(lambda: self._is_over or len(self.waiting) < self._most)
            if self._is_over:
                return False
            self.waiting.append(item)
            self._changed.notify_all()
            return True

    def items(self) -> Generator[T, None, None]:
        """Yield what was put, as it comes; then raise what the source raised."""
        while True:
            with self._lock:
                self._changed.wait_for(lambda: self._is_over or self.waiting)
                if not self.waiting:
                    break
                item = self.waiting.popleft()
                self._changed.notify_all()
            yield item
        if self._error:
            raise self._error

    def stop(self) -> None:
        """Let neither thread wait any more."""
        with self._lock:
            self._is_over = True
            self._changed.notify_all()
