"""Packing layers on a thread, one after the other, while whoever has more of them plans the next.

Not two at a time: each is compressed on all cores, and two would take twice the memory. What
packing is, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Event
from typing import Self

from venvlayers.threads import wait_out

_MOST = 2  # layers at a time: one that is packed, and one that waits for its turn


class Packing:
    """A thread that packs, and what waits for it.

    To be used as a context manager. When it is left, nothing is packed any more: what was not
    waited for with `finish` is given up.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "packing")
        self._begun: list[Future[None]] = []
        self._is_over = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait_out(self._begun)

    def wait_for_room(self) -> None:
        """Wait until one more may wait for its turn: what is planned takes memory.

        Raises:
            Exception: What was given before failed. So does `finish`.
        """
        self._finish(self._begun[: 1 - _MOST])

    def add(self, pack: Callable[[], None]) -> None:
        """Have *pack* called after all that was given before; it uses `heeding`."""
        self._begun.append(self._pool.submit(pack))

    def finish(self) -> None:
        """Wait until everything is packed."""
        self._finish(self._begun)

    def heeding(self, advance: Callable[[int], None]) -> Callable[[int], None]:
        """Return *advance*, but for that it ends the work which calls it when that is given up."""

        def advance_or_end(amount: int) -> None:
            if self._is_over.is_set():
                raise CancelledError
            advance(amount)

        return advance_or_end

    def _finish(self, some: list[Future[None]]) -> None:
        for future in some:
            future.result()
