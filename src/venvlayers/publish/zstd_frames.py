"""Frames on their way into a file: those that are known, and those that are compressed.

Of each, one thread gives what goes in, and another one, in `zstd_file.py`, takes what comes out.
How frames are compressed is decided in `zstd.py`, and what is in them elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import zstandard

from venvlayers.publish.canonical_tar import BLOCK, TarPart
from venvlayers.publish.nameless import (
    NAME_AT,
    Blanks,
    Checksum,
    Proof,
    place_in,
    with_name,
    written_over,
)

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

    def is_right(self) -> bool:
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
        self.has_ended = True

    def end_now(self) -> None:
        """Have the last pieces of work done, and wait for them."""
        self._add(self._stream.flush())

    def wait(self) -> None:
        """Wait until all of it is there; it was ended."""
        self._add(self._end.result())

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written."""
        while self._ready:
            data = self._ready.popleft()
            self._written += len(data)
            self.kept.write(data)
            yield data

    def is_right(self) -> bool:
        """Tell whether what was written is right."""
        return True

    def keep(self) -> None:
        """Let the frame be known: all of it was written."""
        self.kept.keep()

    def close(self) -> None:
        """Forget what was not kept, and let go of the memory that it took to compress."""
        self.kept.discard()
        del self._stream

    def _add(self, data: bytes) -> None:
        if data:
            self.size += len(data)
            self._ready.append(data)


class NamelessFrame(OpenFrame):
    """A frame that is being compressed for layers of any name, and written with one."""

    def __init__(
        self,
        part: TarPart,
        compressor: zstandard.ZstdCompressor,
        frames: KnownFrames,
        codec: Codec,
    ) -> None:
        super().__init__(part, compressor, frames.new(part, codec, any_name=True))
        self._frames = frames
        self._blanks = Blanks(part)
        self._checksum = Checksum()
        self._proof = Proof(part.size)
        self._place = 0  # where its stand-in is: not at its beginning
        self._is_named = False
        self._end_with = b""

    def feed(self, chunk: bytes) -> None:
        """Compress more of the part."""
        self._checksum.update(chunk)
        blank = self._blanks.blank(chunk)
        if not self._place:
            # Only in a block of its own is the first header sure to be there uncompressed.
            begin = self._stream.compress(blank[:BLOCK])
            begin += self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            self._place = place_in(begin)
            self._add(begin)
            blank = blank[BLOCK:]
        super().feed(blank)

    def wait(self) -> None:
        """Wait until all of it is there."""
        super().wait()
        self._end_with = self._checksum.digest()

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written: for the one layer."""
        pieces = list(super().ready())
        if pieces and not self._is_named:
            pieces[0] = written_over(pieces[0], self._place, self.part.name_field)
            self._is_named = True
        if pieces and self._end_with:
            # What the end of a stream gives is at once, and longer than its checksum.
            end = len(pieces[-1]) - len(self._end_with)
            pieces[-1] = written_over(pieces[-1], end, self._end_with)
        for data in pieces:
            self._proof.add(data)
            yield data

    def is_right(self) -> bool:
        """Tell whether what was written, which is all of it, is right."""
        return self._place > 0 and self._proof.holds()

    def keep(self) -> None:
        """Let the frame be known: all of it was written, and is right."""
        self.kept.keep({NAME_AT: self._place})
        self._frames.keep_checksum(self.part, self._end_with)
