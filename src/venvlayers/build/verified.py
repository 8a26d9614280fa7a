"""Which files in uv's cache were read before, and found to be what their wheels recorded.

Environments that are hard links into uv's cache share its files: a file that was read
once need not be read again until somebody writes to it, which its time tells. What has
links of its own kind (a copy, a reflink) is a new file each time, and is not known here.
Only a memory: it may be deleted at any time, and then everything is read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from venvlayers.cache.place import make_private
from venvlayers.files import remove_tree

_MOST = 10_000
"""So many seals take less than a megabyte; a machine with more than that forgets them all."""
_SECOND = 1_000_000_000
_TICK = _SECOND // 20
"""Within one tick of the kernel's clock (up to 10 ms), two writes leave the same time."""


class Verified:
    """A directory with an empty file for each distribution that was read.

    Args:
        directory: Where; made when there is something to remember.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def seal(self, files: Iterable[tuple[str, os.stat_result]]) -> str:
        """Return what stands for these files, each with its recorded hash, as they are now.

        Another content, size, time or place on disk gives another seal.
        """
        lines = [
            f"{recorded} {now.st_dev} {now.st_ino} {now.st_size} {now.st_mtime_ns}\n"
            for recorded, now in files
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def knows(self, seal: str) -> bool:
        """Tell whether files with this seal were found to be as recorded."""
        return (self._directory / seal).exists()

    def remember(self, seal: str, files: Iterable[os.stat_result], begun: int) -> None:
        """Remember a seal, unless a write could have left the times as they were.

        Args:
            seal: The seal of the files, made before they were read.
            files: The files.
            begun: When reading them began, in nanoseconds since 1970.
        """
        times = [status.st_mtime_ns for status in files]
        # Some file systems keep whole seconds, or two.
        margin = _TICK if any(time % _SECOND for time in times) else 2 * _SECOND
        if max(times, default=begun) + margin > begun:
            return
        with contextlib.suppress(OSError):  # then they are read again
            make_private(self._directory)
            if len(os.listdir(self._directory)) >= _MOST:  # noqa: PTH208 - only the number
                remove_tree(self._directory)
                make_private(self._directory)
            (self._directory / seal).touch()
