"""What running processes hold in a cache, told from what a killed one left.

A process holds the file that it writes, or a directory that another program uses for
it; the system lets go of both when the process ends, however it does. Elsewhere than on
Windows, holding is a `flock`; on Windows it is having files open, because nobody can
delete one that is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from venvlayers.cache.place import make_private

RENAMES_OPEN_FILES = sys.platform != "win32"

LOCK_NAME = ".in-use"
"""The file in a directory that is locked while the directory is used."""

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

    @contextlib.contextmanager
    def using(directory: Path) -> Iterator[None]:
        """Keep `unused` from being true of a directory; any number of processes may.

        It is made if need be. Where it cannot be written nobody removes anything either.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):
                held.enter_context(_locked(directory, fcntl.LOCK_SH))
            yield

    @contextlib.contextmanager
    def unused(directory: Path) -> Iterator[bool]:
        """Tell whether nobody uses a directory, and keep it so until the end of the block."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(_locked(directory, fcntl.LOCK_EX | fcntl.LOCK_NB))
            except OSError:
                yield False
            else:
                yield True

    @contextlib.contextmanager
    def _locked(directory: Path, how: int) -> Iterator[None]:
        while True:
            make_private(directory)
            with (directory / LOCK_NAME).open("ab", buffering=0) as file:
                fcntl.flock(file, how)
                if os.fstat(file.fileno()).st_nlink:  # else it was removed while we waited
                    yield
                    return

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

    def using(directory: Path) -> contextlib.AbstractContextManager[None]:
        """Do nothing: who uses a file has it open."""
        del directory
        return contextlib.nullcontext()

    def unused(directory: Path) -> contextlib.AbstractContextManager[bool]:
        """Return true: what is used cannot be removed."""
        del directory
        return contextlib.nullcontext(enter_result=True)


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
