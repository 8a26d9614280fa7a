"""An iterator that is run ahead of whoever uses it, on a thread of its own.

So files are read while what was read of others is compressed. What is yielded is not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from threading import Condition, Thread
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
    work = _Work(source, most)
    thread = Thread(target=work.run, name="ahead", daemon=True)
    thread.start()
    try:
        yield from work.items()
    finally:
        work.stop()
        thread.join()
        for item in work.waiting:
            drop(item)


class _Work(Generic[T]):
    """Items that wait, and the two threads that wait for each other."""

    def __init__(self, source: Generator[T, None, None], most: int) -> None:
        self._source = source
        self._most = most
        self._changed = Condition()
        self._is_over = False
        self._error: BaseException | None = None
        self.waiting: deque[T] = deque()

    def run(self) -> None:
        """Run the source to its end, or until nobody wants more; in the thread."""
        try:
            for item in self._source:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - raised where the items are used
            self._error = error
        finally:
            self._source.close()
            self.stop()

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or len(self.waiting) < self._most)
            self.waiting.append(item)
            self._changed.notify_all()
            return not self._is_over

    def items(self) -> Generator[T, None, None]:
        """Yield what was put, as it comes; then raise what the source raised."""
        while True:
            with self._changed:
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
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
