"""Frames that were compressed before, by anybody on this machine, and are not compressed again.

A format asks for a part of the tar by what identifies it (`TarPart.digest`, or `likeness`
where the layer's name does not matter) together with its codec, which is all that decides
about the bytes. The store itself is in `cache/`; here is decided that a cache that fails is
done without: nothing that is published needs it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from venvlayers.report import Kind, Reporter, silent

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.cache.store import FrameStore
    from venvlayers.cache.writer import FrameWriter
    from venvlayers.publish.canonical_tar import TarPart
    from venvlayers.publish.format import Codec


class KnownFrames:
    """What formats know of frames: where to look for one, and where to leave one.

    Args:
        store: Where they are; None to know none.
        reporter: Is told, once, that the store cannot be written.
    """

    def __init__(self, store: FrameStore | None = None, reporter: Reporter | None = None) -> None:
        self._store = store
        self._reporter = reporter or silent()
        self._lock = threading.Lock()
        self._is_writable = store is not None
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many bytes of tars were not compressed, because what becomes of them was known."""
        return self._taken

    def find(
        self,
        part: TarPart,
        codec: Codec,
        *,
        any_name: bool = False,
        is_usable: Callable[[StoredFrame], bool] | None = None,
    ) -> StoredFrame | None:
        """Return what *part* compresses to, verified, if that is known; any thread may ask.

        With *any_name* it may have been kept for a layer of another name; *is_usable* looks
        at it before it counts as found.
        """
        key = _key(part, codec, any_name)
        if self._store is None or not key:
            return None
        found = self._store.find(key)
        if found is None:
            return None
        is_of_part = found.facts.get("tar_size") == part.size
        if not is_of_part or (is_usable and not is_usable(found)):  # somebody's entry, not ours
            found.close()
            return None
        with self._lock:
            self._taken += part.size
        return found

    def new(self, part: TarPart, codec: Codec, *, any_name: bool = False) -> NewFrame:
        """Return what takes what *part* is being compressed to, for the next time."""
        key = _key(part, codec, any_name)
        if self._store is None or not self._is_writable or not key:
            return NewFrame(self, None, part.size)
        return NewFrame(self, self._store.new(key), part.size)

    def checksum(self, part: TarPart) -> bytes | None:
        """Return what was kept as the checksum of *part*, if it was."""
        found = self._store.find(_checksum_key(part)) if self._store else None
        if found is None:
            return None
        with found:
            return b"".join(found.chunks())

    def keep_checksum(self, part: TarPart, checksum: bytes) -> None:
        """Keep a checksum of *part*, whose frame is known without the layer's name."""
        if self._store and self._is_writable:
            new = NewFrame(self, self._store.new(_checksum_key(part)), part.size)
            new.write(checksum)
            new.keep()

    def give_up(self, error: OSError) -> None:
        """Write no more frames, and say so."""
        with self._lock:
            is_news, self._is_writable = self._is_writable, False
        if is_news and self._store is not None:
            text = f"compressed frames are not kept in {self._store.directory}: {error.strerror}"
            self._reporter.say(Kind.WARNING, text)


@dataclass(slots=True)
class NewFrame:
    """A frame on its way into the store; never fails, for it is not needed.

    Attributes:
        frames: Whose it is.
        writer: Writes it; None if nobody wants it, or it could not be written.
        tar_size: The bytes that it is made of.
    """

    frames: KnownFrames
    writer: FrameWriter | None
    tar_size: int

    def write(self, data: bytes) -> None:
        """Take more of the frame."""
        if self.writer:
            try:
                self.writer.write(data)
            except OSError as error:
                self._give_up(error)

    def keep(self, facts: Mapping[str, int] | None = None) -> None:
        """Let others find the frame, which is complete, and *facts* about it."""
        if self.writer:
            try:
                self.writer.commit({"tar_size": self.tar_size, **(facts or {})}).close()
            except OSError as error:
                self._give_up(error)
            self.writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Forget the frame, if it was not kept."""
        if self.writer:
            self.writer.discard()
            self.writer = None

    def _give_up(self, error: OSError) -> None:
        self.discard()
        self.frames.give_up(error)


def _checksum_key(part: TarPart) -> str:
    return hashlib.sha256(f"checksum {part.digest}".encode()).hexdigest()


def _key(part: TarPart, codec: Codec, any_name: bool) -> str:  # noqa: FBT001 - of this module
    digest = part.likeness if any_name else part.digest
    told = json.dumps([digest, sorted(codec.items())])
    return hashlib.sha256(told.encode()).hexdigest() if digest else ""
