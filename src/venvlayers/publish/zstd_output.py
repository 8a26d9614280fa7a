"""Compressing a layer, frame by frame: files are read ahead, and what comes out is written behind.

Three threads at work, besides those of libzstd: one reads (`ahead.py`), one gives libzstd what
was read, here, and one writes (`zstd_file.py`). How frames are compressed is decided in
`zstd.py`, and what is in them elsewhere.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from venvlayers.publish.ahead import ahead
from venvlayers.publish.canonical_tar import TarPart, tar_parts
from venvlayers.publish.format import Codec, WrittenArchive
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.nameless import checksum_of, is_nameless
from venvlayers.publish.zstd_file import FrameFile
from venvlayers.publish.zstd_frames import (
    KnownFrame,
    KnownNamelessFrame,
    NamelessFrame,
    OpenFrame,
)

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.contents import LayerContents

_LOOK_AHEAD = 2  # frames that are looked for meanwhile, for each thread
_READ_AHEAD = 4  # pieces, of about 1 MiB at most


def write_frames(
    contents: LayerContents,
    place: Path,
    *,
    codec: Codec,
    compressor: Callable[[], zstandard.ZstdCompressor],
    stand_in: Callable[[TarPart], bytes],
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
        stand_in: Chooses what a part is compressed with in place of names, so that its frame
            fits layers of any name; empty for a frame that does not.
        threads: How many frames may be finished, and looked for, at the same time.
        most: The bytes of a frame that are in work at most.
        spare: The bytes of earlier frames that may be in work while another begins. A frame's
            last pieces of work leave cores idle.
        advance: To be called with the bytes of the tar as they are done.
        frames: What is known.
    """
    maker = _Maker(codec, compressor, stand_in, frames)
    items = ahead(_read(tar_parts(contents), maker, threads), _READ_AHEAD, _drop)
    with (
        place.open("x+b") as file,
        ThreadPoolExecutor(threads) as pool,
        closing(FrameFile(file, maker.for_one_name)) as output,
        closing(items),
    ):
        for item in items:
            match item:
                case _NewPart():
                    frame = maker.new(item)
                    output.add(frame)
                case bytes():
                    frame.feed(item)
                    output.more()
                    advance(len(item))
                case _End():
                    frame.end(pool)
                    output.more()
                    output.settle(spare, most)
                case _:
                    output.add(item)
                    advance(item.part.size)
        output.finish()
    return output.result(place, codec)


@dataclass(frozen=True, slots=True)
class _NewPart:
    """A part that has to be compressed, with this in place of names if there is anything."""

    part: TarPart
    stand_in: bytes


@dataclass(frozen=True, slots=True)
class _End:
    """Says that there is no more of a part."""


def _read(
    parts: Iterable[TarPart], maker: _Maker, threads: int
) -> Generator[KnownFrame | _NewPart | bytes | _End, None, None]:
    """Yield frames that are known; and every other part, its bytes and `_End` after it."""
    with closing(_looked_up(parts, maker, threads)) as looked_up:
        for found in looked_up:
            yield found
            if isinstance(found, _NewPart):
                yield from found.part.blocks()
                yield _End()


def _drop(item: object) -> None:
    if isinstance(item, KnownFrame):
        item.close()


@dataclass(frozen=True, slots=True)
class _Maker:
    """Finds and makes frames that may have any name, and if need be for the one name."""

    codec: Codec
    compressor: Callable[[], zstandard.ZstdCompressor]
    stand_in: Callable[[TarPart], bytes]
    frames: KnownFrames
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look_up(self, part: TarPart) -> KnownFrame | _NewPart:
        """Return the frame of a part if it is known; otherwise how to make one.

        Raises:
            PublishError: As for `TarPart.chunks`.
        """
        return self._find(part) or _NewPart(part, self.stand_in(part) if part.name_field else b"")

    def _find(self, part: TarPart) -> KnownFrame | None:
        if part.name_field:
            found = self.frames.find(part, self.codec, any_name=True, is_usable=is_nameless)
            if found and (checksum := self._checksum(part, found)):
                return KnownNamelessFrame(part, found, checksum)
        stored = self.frames.find(part, self.codec)
        return KnownFrame(part, stored) if stored else None

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
        except BaseException:
            found.close()
            raise
        self.frames.keep_checksum(part, checksum)
        return checksum

    def new(self, new: _NewPart) -> OpenFrame:
        """Return a frame to be filled."""
        if not new.stand_in:
            return self.for_one_name(new.part)
        return NamelessFrame(new.part, new.stand_in, self.compressor(), self.frames, self.codec)

    def for_one_name(self, part: TarPart) -> OpenFrame:
        """Return a frame to be filled that nothing but this layer can use."""
        return OpenFrame(part, self.compressor(), self.frames.new(part, self.codec))


def _looked_up(
    parts: Iterable[TarPart], maker: _Maker, threads: int
) -> Generator[KnownFrame | _NewPart, None, None]:
    """Yield what is known of each part, in their order.

    To verify a frame takes longer than to copy it, so some are looked for ahead.
    """
    waiting: deque[Future[KnownFrame | _NewPart]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(maker.look_up, part))
                if len(waiting) > _LOOK_AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for found in waiting:
                if not found.cancel() and not found.exception():
                    _drop(found.result())
