from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from venvlayers.publish.ahead import ahead

PATIENCE = 10
"""Seconds to wait for another thread before a test fails."""


class Source:
    """Yields numbers, and tells what became of it."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.yielded: list[int] = []
        self.thread: threading.Thread | None = None
        self.is_closed = threading.Event()
        self._count = count
        self._error = error

    def items(self) -> Generator[int, None, None]:
        self.thread = threading.current_thread()
        try:
            for number in range(self._count):
                self.yielded.append(number)
                yield number
            if self._error:
                raise self._error
        finally:
            self.is_closed.set()


def no_drop(item: int) -> None:
    raise AssertionError(f"{item} was dropped")


def wait_until_it_waits(source: Source, waiting: int) -> None:
    """Wait until a source has yielded so much; then a while in which it could yield more."""
    pause = threading.Event()
    for _ in range(PATIENCE * 100):
        if len(source.yielded) >= waiting:
            break
        pause.wait(0.01)
    pause.wait(0.05)


def test_everything_comes_in_its_order_from_another_thread() -> None:
    source = Source(1000)
    assert list(ahead(source.items(), 3, no_drop)) == list(range(1000))
    assert source.thread is not None
    assert source.thread is not threading.current_thread()
    assert not source.thread.is_alive()


def test_so_much_waits_and_no_more() -> None:
    source, dropped = Source(1000), list[int]()
    with closing(ahead(source.items(), 3, dropped.append)) as items:
        assert next(items) == 0
        wait_until_it_waits(source, 5)
        # One was taken, three wait, and the source has made one that it cannot give away.
        assert source.yielded == [0, 1, 2, 3, 4]
        assert next(items) == 1
    assert source.is_closed.is_set()
    assert sorted(dropped) == source.yielded[2:]
    assert source.thread is not None
    assert not source.thread.is_alive()


def test_an_error_comes_after_what_came_before_it() -> None:
    items = ahead(Source(2, ValueError("no more")).items(), 10, no_drop)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_what_nobody_asked_for_is_not_begun() -> None:
    source = Source(5)
    ahead(source.items(), 3, no_drop).close()
    assert (source.yielded, source.thread) == ([], None)
