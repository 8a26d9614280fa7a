"""Writing an entry of the store: in private, then put in its place by renaming.

Nothing waits for the disk: what a crash of the system makes of an entry shows when it is read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from venvlayers.cache.entry import PIECE, StoredFrame, ending
from venvlayers.cache.held import RENAMES_OPEN_FILES, HeldFile
from venvlayers.cache.place import make_private

if TYPE_CHECKING:
    from venvlayers.cache.store import FrameStore


class FrameWriter:
    """A frame that is being written; as a context manager it is discarded unless committed.

    Up to 1 MiB stays in memory, so that a small frame costs one file, written at once.
    """

    def __init__(self, store: FrameStore, key: str, place: Path) -> None:
        self._store = store
        self._key = key
        self._place = place
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        self._private: HeldFile | None = None
        self._is_open = True

    def write(self, data: bytes) -> None:
        """Add *data* to the payload.

        Raises:
            OSError: It cannot be written; nothing is left behind.
            ValueError: The frame was committed or discarded.
        """
        self._require_open()
        self._digest.update(data)
        self._size += len(data)
        self._buffer += data
        if len(self._buffer) > PIECE:
            with self._discarded_on_failure():
                self._flush()

    def commit(self, facts: Mapping[str, Any]) -> StoredFrame:
        """Put the frame in its place, whole, and return it.

        It stays readable whatever other processes do. If another one wrote the same key
        meanwhile, either takes the place.

        Args:
            facts: What to remember about it, in JSON.

        Raises:
            OSError: It cannot be written; nothing is left behind.
            ValueError: The facts are too long, or the frame was committed or discarded.
            TypeError: The facts are no JSON.
        """
        self._require_open()
        with self._discarded_on_failure():
            described = {
                "facts": dict(facts),
                "key": self._key,
                "sha256": self._digest.hexdigest(),
                "size": self._size,
            }
            end = ending(described)
            data = bytes(self._buffer) if self._private is None else None
            self._buffer += end
            private = self._flush()
            if RENAMES_OPEN_FILES:
                frame = self._renamed(private, described, data)
            else:
                frame = self._renamed_closed(private)
        self._is_open, self._private = False, None
        self._store.wrote(self._size + len(end))
        return frame

    def discard(self) -> None:
        """Forget the frame; does nothing if it was committed or discarded."""
        self._is_open = False
        if self._private is not None:
            self._private.discard()
            self._private = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_open:
            self.discard()

    def _require_open(self) -> None:
        if not self._is_open:
            raise ValueError("the frame was committed or discarded")

    @contextlib.contextmanager
    def _discarded_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.discard()
            raise

    def _flush(self) -> HeldFile:
        if self._private is None:
            self._private = self._store.private_file()
        view = memoryview(self._buffer)
        while view:
            view = view[self._private.file.write(view) :]
        self._buffer = bytearray()
        return self._private

    def _renamed(
        self, private: HeldFile, described: Mapping[str, Any], data: bytes | None
    ) -> StoredFrame:
        """Put the file in its place, and read on from it: nobody can take that away."""
        self._rename(private)
        if data is None:
            return StoredFrame(described, file=private.file)
        private.file.close()
        return StoredFrame(described, data=data)

    def _renamed_closed(self, private: HeldFile) -> StoredFrame:
        """Put the file in its place where one that is open cannot be renamed, and open it there."""
        private.file.close()
        try:
            self._rename(private)
        except PermissionError:
            private.discard()  # the one that is there is being read, and as good
        frame = self._store.find(self._key)
        if frame is None:
            raise OSError(errno.EBUSY, "removed by another process at once", str(self._place))
        return frame

    def _rename(self, private: HeldFile) -> None:
        try:
            private.path.replace(self._place)
        except FileNotFoundError:
            make_private(self._place.parent)
            private.path.replace(self._place)
