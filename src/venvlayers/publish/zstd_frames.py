"""Frames on their way into a file: those that are known, and those that are compressed.

Of each, one thread gives what goes in, and another one, in `zstd_file.py`, takes what comes out.
How frames are compressed is decided in `zstd.py`, and what is in them elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import zstandard

from venvlayers.publish.canonical_tar import TarPart
from venvlayers.publish.nameless import (
    NAME_AT,
    Blanks,
    Checksum,
    begin_with_name,
    is_right,
    with_name,
    written_over,
)
from venvlayers.publish.stand_ins import STAND_IN

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.format import Codec
    from venvlayers.publish.frames import KnownFrames, NewFrame


class KnownFrame:
    """A frame that is copied.

    Attributes:
        part: What it is made of.
        size: Its bytes, in the end.
        has_ended: Whether nothing more goes in.
    """

    has_ended = True

    def __init__(self, part: TarPart, stored: StoredFrame) -> None:
        self.part = part
        self.size = stored.size
        self.stored = stored

    @property
    def unfinished(self) -> int:
        """The bytes of it that wait to be compressed."""
        return 0

    @property
    def waiting(self) -> int:
        """The bytes in memory that can be written."""
        return 0

    def wait(self) -> None:
        """Do nothing: all of it is there."""

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written."""
        return self.stored.chunks()

    def is_right(self, _written: Callable[[], Iterable[bytes]]) -> bool:
        """Return true: nothing wrong is kept."""
        return True

    def keep(self) -> None:
        """Do nothing: it is kept."""

    def close(self) -> None:
        """Let go of the store's file."""
        self.stored.close()


class KnownNamelessFrame(KnownFrame):
    """A frame that is copied, and given a name and the checksum that goes with it."""

    def __init__(self, part: TarPart, stored: StoredFrame, checksum: bytes) -> None:
        super().__init__(part, stored)
        self._checksum = checksum

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written."""
        return with_name(self.stored, self.part.name_field, self._checksum)


class OpenFrame:
    """A frame that is being compressed; what comes out waits for its turn, and is kept.

    One thread feeds it and ends it. Everything else is for the one that writes it; what is
    between the two is a queue, and numbers that only one of them changes.

    Attributes:
        part: What it is made of.
        size: Its bytes so far.
        kept: Takes it for the next time.
        has_ended: Whether nothing more goes in.
    """

    def __init__(self, part: TarPart, compressor: zstandard.ZstdCompressor, kept: NewFrame) -> None:
        self.part = part
        self.size = 0
        self.kept = kept
        self._stream = compressor.compressobj(size=part.size)
        self._ready: deque[bytes] = deque()
        self._written = 0
        self._end: Future[bytes] = Future()
        self.has_ended = False

    @property
    def unfinished(self) -> int:
        """The bytes of it that wait to be compressed, at most."""
        return self.part.size

    @property
    def waiting(self) -> int:
        """The bytes in memory that can be written."""
        return self.size - self._written

    def feed(self, chunk: bytes) -> None:
        """Compress more of the part."""
        # Returns when libzstd has taken the chunk; its own threads do the work.
        self._add(self._stream.compress(chunk))

    def end(self, pool: ThreadPoolExecutor) -> None:
        """Have the last pieces of work done, while other frames begin."""
        self._end = pool.submit(self._stream.flush)
        del self._stream  # and the memory of it, as soon as that is done
        self.has_ended = True

    def end_now(self) -> None:
        """Have the last pieces of work done, and wait for them."""
        self._add(self._stream.flush())
        del self._stream

    def wait(self) -> None:
        """Wait until all of it is there; it was ended."""
        self._add(self._end.result())

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written."""
        while self._ready:
            begin, data = self._written, self._ready.popleft()
            self._written += len(data)
            self.kept.write(self._to_keep(begin, data))
            yield self._to_write(begin, data)

    def is_right(self, _written: Callable[[], Iterable[bytes]]) -> bool:
        """Tell whether the frame is right; its bytes, as they were written, can be looked at."""
        return True

    def keep(self) -> None:
        """Let the frame be known: all of it was written."""
        self.kept.keep()

    def close(self) -> None:
        """Forget what was not kept."""
        self.kept.discard()

    def _to_keep(self, _begin: int, data: bytes) -> bytes:
        return data

    def _to_write(self, _begin: int, data: bytes) -> bytes:
        return data

    def _add(self, data: bytes) -> None:
        if data:
            self.size += len(data)
            self._ready.append(data)


class NamelessFrame(OpenFrame):
    """A frame that is being compressed for layers of any name, and written with one.

    It is kept with `STAND_IN`, whatever it was compressed with.
    """

    def __init__(
        self,
        part: TarPart,
        stand_in: bytes,
        compressor: zstandard.ZstdCompressor,
        frames: KnownFrames,
        codec: Codec,
    ) -> None:
        super().__init__(part, compressor, frames.new(part, codec, any_name=True))
        self._frames = frames
        self._blanks = Blanks(part, stand_in)
        self._checksum = Checksum()
        self._other = None if stand_in == STAND_IN else _Other(part)
        self._place = 0  # where the name is: not at its beginning
        self._ends_with = self._other_ends_with = b""

    def feed(self, chunk: bytes) -> None:
        """Compress more of the part."""
        self._checksum.update(chunk)
        if self._other:
            self._other.update(chunk)
        blank = self._blanks.blank(chunk)
        if self._place:
            super().feed(blank)
        else:
            first = next(self.part.name_places())
            begin, self._place = begin_with_name(self._stream, blank, first)
            self._add(begin)

    def wait(self) -> None:
        """Wait until all of it is there."""
        super().wait()
        self._ends_with = self._checksum.digest()
        self._other_ends_with = self._other.checksum() if self._other else b""

    def is_right(self, written: Callable[[], Iterable[bytes]]) -> bool:
        """Tell whether the frame is right, with every name: see `nameless.py`."""
        size = self.part.size
        is_right_with_name = is_right(written(), size)
        if not self._other:  # compressed with `STAND_IN`, so it is right with that
            return is_right_with_name
        return is_right_with_name and is_right(self._kept(written()), size)

    def keep(self) -> None:
        """Let the frame be known: all of it was written, and is right."""
        self.kept.keep({NAME_AT: self._place})
        self._frames.keep_checksum(self.part, self._ends_with)

    def _kept(self, written: Iterable[bytes]) -> Iterator[bytes]:
        begin = 0
        for data in written:
            yield self._to_keep(begin, data)
            begin += len(data)

    def _to_keep(self, begin: int, data: bytes) -> bytes:
        return self._with(STAND_IN, self._other_ends_with, begin, data)

    def _to_write(self, begin: int, data: bytes) -> bytes:
        return self._with(self.part.name_field, self._ends_with, begin, data)

    def _with(self, name: bytes, checksum: bytes, begin: int, data: bytes) -> bytes:
        """Return the bytes of the frame from *begin* on, with a name and a checksum."""
        # What the end of a stream gives is at once, and longer than its checksum.
        named = written_over(data, self._place - begin, name)
        return written_over(named, self.size - len(checksum) - begin, checksum)


class _Other:
    """A part with `STAND_IN` for its names, where it is compressed with something else."""

    def __init__(self, part: TarPart) -> None:
        self._blanks = Blanks(part, STAND_IN)
        self._checksum = Checksum()

    def update(self, chunk: bytes) -> None:
        """Take more of the part."""
        self._checksum.update(self._blanks.blank(chunk))

    def checksum(self) -> bytes:
        """Return the checksum of a frame of it; to be asked for once."""
        return self._checksum.digest()
