"""Work on threads whose results come out in the order in which it was given.

That is how a format compresses pieces at the same time and still writes one
file from front to back. What the work is, is not known here.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class Ordered:
    """A few threads and a queue of results.

    To be used as a context manager; leaving it by an exception drops what has not begun.

    Args:
        most: The most that may be under way, in the unit of `submit`'s *cost*.
        threads: How many to use; as many as there are cores if None.
    """

    def __init__(self, most: int, threads: int | None = None) -> None:
        self._most = most
        self._under_way = 0
        self._pool = ThreadPoolExecutor(max(1, threads or os.cpu_count() or 1))
        self._queue: deque[tuple[int, Future[bytes], Callable[[bytes], None]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            while self._queue and kind is None:
                self._finish_first()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def submit(self, cost: int, work: Callable[[], bytes], then: Callable[[bytes], None]) -> None:
        """Have *work* done, and its result given to *then* in this thread, when it is its turn.

        Waits while more than what is allowed would be under way. One piece of work is
        always allowed.
        """
        while self._queue and (self._under_way + cost > self._most or self._queue[0][1].done()):
            self._finish_first()
        self._under_way += cost
        self._queue.append((cost, self._pool.submit(work), then))

    def _finish_first(self) -> None:
        cost, result, then = self._queue.popleft()
        then(result.result())
        self._under_way -= cost
