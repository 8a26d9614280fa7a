"""A file of zstd frames, written in their order while several of them are in work.

How they are compressed is decided in `zstd.py`, and what is in them elsewhere.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from venvlayers.publish.canonical_tar import BLOCK, TarPart, tar_parts
from venvlayers.publish.format import Codec, Frame, WrittenArchive
from venvlayers.publish.frames import KnownFrames, NewFrame
from venvlayers.publish.nameless import (
    NAME_AT,
    Blanks,
    Checksum,
    Proof,
    checksum_of,
    is_nameless,
    place_in,
    with_name,
    written_over,
)

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.contents import LayerContents

_AHEAD = 2  # frames that are looked for meanwhile, for each thread
_MOST_WAITING = 64  # known frames that wait for their turn have files open


def write_frames(
    contents: LayerContents,
    place: Path,
    *,
    codec: Codec,
    compressor: Callable[[], zstandard.ZstdCompressor],
    any_name: bool,
    threads: int,
    most: int,
    spare: int,
    advance: Callable[[int], None],
    frames: KnownFrames,
) -> WrittenArchive:
    """Write a frame for each part of the tar of *contents*; see `ArchiveFormat.write`.

    Args:
        contents: What to pack.
        place: The new file.
        codec: What to record, and to look for frames under.
        compressor: Makes what compresses a frame, on *threads* threads of its own.
        any_name: Whether to make frames that fit layers of any name.
        threads: How many frames may be finished, and looked for, at the same time.
        most: The bytes of a frame that are in work at most.
        spare: The bytes of earlier frames that may be in work while another begins.
        advance: To be called with the bytes of the tar as they are done.
        frames: What is known.
    """
    maker = _Maker(codec, compressor, any_name, frames)
    looked_up = _looked_up(tar_parts(contents), maker, threads)
    with (
        place.open("xb") as file,
        ThreadPoolExecutor(threads) as pool,
        closing(looked_up),
        closing(_Output(file, pool, maker, most, spare)) as output,
    ):
        for part, known in looked_up:
            if known:
                output.take(known)
                advance(part.size)
            else:
                output.compress(maker.new(part), advance)
        output.finish()
    return output.result(place, codec)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Finds and makes frames that may have any name, and if need be for the one name."""

    codec: Codec
    compressor: Callable[[], zstandard.ZstdCompressor]
    any_name: bool
    frames: KnownFrames
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, part: TarPart) -> _KnownFrame | None:
        """Return the frame of a part if it is known."""
        if self.any_name and part.name_field:
            found = self.frames.find(part, self.codec, any_name=True, is_usable=is_nameless)
            if found and (checksum := self._checksum(part, found)):
                return _KnownNamelessFrame(part, found, checksum)
        stored = self.frames.find(part, self.codec)
        return _KnownFrame(part, stored) if stored else None

    def _checksum(self, part: TarPart, found: StoredFrame) -> bytes | None:
        known = self.frames.checksum(part)
        if known:
            return known
        try:
            with self.lock:  # to unpack takes as much memory as the window
                checksum = checksum_of(found, part.name_field)
        except zstandard.ZstdError:  # somebody's entry, but none of ours
            found.close()
            return None
        self.frames.keep_checksum(part, checksum)
        return checksum

    def new(self, part: TarPart) -> OpenFrame:
        """Return a frame to be filled."""
        if not (self.any_name and part.name_field):
            return self.for_one_name(part)
        return NamelessFrame(part, self.compressor(), self.frames, self.codec)

    def for_one_name(self, part: TarPart) -> OpenFrame:
        """Return a frame to be filled that nothing but this layer can use."""
        return OpenFrame(part, self.compressor(), self.frames.new(part, self.codec))


def _looked_up(
    parts: Iterable[TarPart], maker: _Maker, threads: int
) -> Generator[tuple[TarPart, _KnownFrame | None], None, None]:
    """Yield the parts, each with what it compresses to if that is known.

    To verify a frame takes longer than to copy it, so some are looked for ahead.
    """
    waiting: deque[tuple[TarPart, Future[_KnownFrame | None]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for part in parts:
                waiting.append((part, pool.submit(maker.find, part)))
                if len(waiting) > _AHEAD * threads:
                    first, found = waiting.popleft()
                    yield first, found.result()
            while waiting:
                first, found = waiting.popleft()
                yield first, found.result()
        finally:
            for _part, found in waiting:
                if frame := found.result():
                    frame.close()


class _KnownFrame:
    """A frame that is copied."""

    def __init__(self, part: TarPart, stored: StoredFrame) -> None:
        self.part = part
        self.size = stored.size
        self.stored = stored

    @property
    def unfinished(self) -> int:
        """The bytes of it that wait to be compressed."""
        return 0

    def is_done(self) -> bool:
        """Tell whether there is nothing to wait for."""
        return True

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


class _KnownNamelessFrame(_KnownFrame):
    """A frame that is copied, and given a name and the checksum that goes with it."""

    def __init__(self, part: TarPart, stored: StoredFrame, checksum: bytes) -> None:
        super().__init__(part, stored)
        self._checksum = checksum

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written."""
        return with_name(self.stored, self.part.name_field, self._checksum)


class OpenFrame:
    """A frame that is being compressed; what comes out waits for its turn, and is kept."""

    def __init__(self, part: TarPart, compressor: zstandard.ZstdCompressor, kept: NewFrame) -> None:
        self.part = part
        self.size = 0
        self.kept = kept
        self._stream = compressor.compressobj(size=part.size)
        self._ready: list[bytes] = []
        self._end: Future[bytes] | None = None

    @property
    def unfinished(self) -> int:
        """The bytes of it that wait to be compressed, at most."""
        return self.part.size

    def feed(self, chunk: bytes) -> None:
        """Compress more of the part."""
        # Returns when libzstd has taken the chunk; its own threads do the work.
        self._add(self._stream.compress(chunk))

    def end(self, pool: ThreadPoolExecutor) -> None:
        """Have the last pieces of work done, while other frames begin."""
        self._end = pool.submit(self._stream.flush)

    def is_done(self) -> bool:
        """Tell whether there is nothing to wait for."""
        return self._end is not None and self._end.done()

    def wait(self) -> None:
        """Wait until all of it is there."""
        if self._end is not None:
            self._add(self._end.result())
            self._end = None

    def ready(self) -> Iterator[bytes]:
        """Yield what can be written."""
        for data in self._ready:
            self.kept.write(data)
            yield data
        self._ready.clear()

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
            self._ready.append(data)
            self.size += len(data)


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


class _Output:
    """The file: frames in their order, while the ends of earlier ones are still compressed.

    A frame's last pieces of work leave cores idle. The next frame begins meanwhile, if
    no more than *spare* bytes are unfinished. To be closed, whatever happened.

    Args:
        file: Where frames go.
        pool: What waits for the ends of frames.
        maker: Makes another frame where one turns out to be wrong.
        most: The bytes of a frame that are in work at most.
        spare: The bytes of earlier frames that may be in work while another begins.
    """

    def __init__(
        self, file: BinaryIO, pool: ThreadPoolExecutor, maker: _Maker, most: int, spare: int
    ) -> None:
        self._file = file
        self._pool = pool
        self._maker = maker
        self._most = most
        self._spare = spare
        self._waiting: deque[_KnownFrame | OpenFrame] = deque()
        self._digest = hashlib.sha256()
        self._before = self._digest.copy()
        self._frames: list[Frame] = []
        self._size = 0
        self._tar_size = 0

    def take(self, frame: _KnownFrame) -> None:
        """Add a frame that is known."""
        self._waiting.append(frame)
        self._write_what_is_ready()

    def compress(self, frame: OpenFrame, advance: Callable[[int], None]) -> None:
        """Add a frame, and read and compress its part; *advance* is told how much."""
        self._waiting.append(frame)
        for chunk in frame.part.chunks():
            frame.feed(chunk)
            self._write_what_is_ready()
            advance(len(chunk))
        frame.end(self._pool)
        while self._unfinished() > self._spare:
            self._complete_first()

    def finish(self) -> None:
        """Write what is left."""
        while self._waiting:
            self._complete_first()

    def close(self) -> None:
        """Let go of frames that were not written, after a failure."""
        for frame in self._waiting:
            frame.close()

    def result(self, place: Path, codec: Codec) -> WrittenArchive:
        """Return what was written."""
        return WrittenArchive(
            path=place,
            size=self._size,
            sha256=self._digest.hexdigest(),
            frames=tuple(self._frames),
            codec=codec,
        )

    def _unfinished(self) -> int:
        return sum(min(frame.unfinished, self._most) for frame in self._waiting)

    def _write_what_is_ready(self) -> None:
        while self._waiting and (self._waiting[0].is_done() or len(self._waiting) > _MOST_WAITING):
            self._complete_first()
        if self._waiting:
            self._write(self._waiting[0])

    def _complete_first(self) -> None:
        frame = self._waiting[0]
        frame.wait()
        self._write(frame)
        if not frame.is_right():
            frame = self._replace_first()
        frame.keep()
        self._waiting.popleft().close()
        self._before = self._digest.copy()
        part, begin = frame.part, self._begin()
        self._frames.append(
            Frame(
                name=part.name,
                offset=begin,
                size=frame.size,
                tar_offset=self._tar_size,
                tar_size=part.size,
            )
        )
        self._tar_size += part.size

    def _begin(self) -> int:
        """Return where the first frame that waits begins in the file."""
        return self._frames[-1].offset + self._frames[-1].size if self._frames else 0

    def _replace_first(self) -> OpenFrame:
        """Take the first frame out of the file again, and write one for the one name."""
        part = self._waiting[0].part
        self._waiting.popleft().close()
        self._size, self._digest = self._begin(), self._before
        self._file.seek(self._size)
        self._file.truncate()
        frame = self._maker.for_one_name(part)
        self._waiting.appendleft(frame)
        for chunk in part.chunks():
            frame.feed(chunk)
            self._write(frame)
        frame.end(self._pool)
        frame.wait()
        self._write(frame)
        return frame

    def _write(self, frame: _KnownFrame | OpenFrame) -> None:
        for data in frame.ready():
            self._file.write(data)
            self._digest.update(data)
            self._size += len(data)
