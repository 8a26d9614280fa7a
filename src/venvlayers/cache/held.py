"""Private files of running processes, told from those that a killed one left.

A process holds the file that it writes; the system lets go of it when the process
ends, however it does. Elsewhere than on Windows, holding is an exclusive `flock`; on
Windows it is having the file open, because nobody can delete one that is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

RENAMES_OPEN_FILES = sys.platform != "win32"

_DAY = 24 * 60 * 60

if sys.platform != "win32":
    import fcntl

    def _hold(file: BinaryIO) -> bool:
        """Hold *file*, if somebody has not taken it for a leftover before that."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks: `_is_held` goes by age there
            return True
        return os.fstat(file.fileno()).st_nlink > 0

    def _is_held(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return time.time() - os.fstat(file.fileno()).st_mtime < _DAY
        return False

    def remove_leftover(path: Path) -> bool:
        """Remove a file that nobody holds; return whether this process did.

        Raises:
            OSError: It cannot be opened or removed, or is not there any more.
        """
        with path.open("rb+", buffering=0) as file:
            if _is_held(file):
                return False
            path.unlink()
            return True

else:

    def _hold(file: BinaryIO) -> bool:
        return not file.closed

    def remove_leftover(path: Path) -> bool:
        """Remove a file that nobody holds; return whether this process did.

        Raises:
            OSError: It cannot be removed, or is not there any more.
        """
        try:
            path.unlink()
        except PermissionError:
            return False
        return True


class HeldFile(NamedTuple):
    """A file that nobody else writes, reads or removes until it is closed."""

    path: Path
    file: BinaryIO

    def discard(self) -> None:
        """Let go of it, and remove it."""
        self.file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


def new_held_file(directory: Path) -> HeldFile:
    """Return a new file of its own name in *directory*.

    Raises:
        OSError: There is no such directory, or it is not writable.
    """
    while True:
        handle, name = tempfile.mkstemp(dir=directory)
        file = cast("BinaryIO", os.fdopen(handle, "wb+", buffering=0))
        if _hold(file):
            return HeldFile(Path(name), file)
        file.close()
