"""What there is to know about threads, wherever they are used.

What they do is their rooms' business, and so is how they are told to end.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, wait
from typing import Any


def wait_out(work: Iterable[Future[Any]]) -> None:
    """Wait until nothing is done any more, however often the user presses Ctrl-C."""
    begun = [future for future in work if not future.cancelled()]
    while True:
        try:
            wait(begun)
        except KeyboardInterrupt:
            continue
        return
