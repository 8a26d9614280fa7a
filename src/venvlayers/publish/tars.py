"""``tar``, ``tar.gz`` and ``tar.xz``: the canonical tar in pieces that are compressed on their own.

A part of the tar is cut into pieces of a fixed size. Each becomes a gzip member
or an xz stream; the tools of both read a sequence of them as one. So a layer is
compressed by all cores, in little memory, and the bytes depend neither on the
number of cores nor on timing.
"""

from __future__ import annotations

import hashlib
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from venvlayers.errors import PublishError
from venvlayers.publish.deflate import (
    DEFAULT_LEVEL,
    LEVELS,
    deflate,
    deflate_codec,
    fingerprint,
    sample,
)
from venvlayers.publish.format import Codec, Frame, WrittenArchive, check_level

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.canonical_tar import TarPart
    from venvlayers.publish.contents import LayerContents
    from venvlayers.publish.frames import KnownFrames, NewFrame
    from venvlayers.publish.ordered import Ordered

_MEMORY = 180 << 20  # for everything that is compressed at the same time

# RFC 1952: no name, no time; an operating system that is not known.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_PIECE = 4 << 20  # deflate looks back 32 KiB only: pieces cost nothing
_XZ_PIECE = 12 << 20
_XZ_SMALLEST_WINDOW = 1 << 12
_XZ_TABLES = 11  # the encoder's tables take so many times the window
# xz itself takes 8 MiB at level 6, and up to 64 above. With 4 two cores fit into the memory that
# we allow ourselves; that costs about 3 % of size (on 138 MB of packages).
_XZ_WINDOW, _XZ_HIGH_WINDOW = 4 << 20, 8 << 20
# Presets 7 to 9 are 6 with larger windows. These look harder instead.
_XZ_NICE_LENGTH = {7: 96, 8: 160, 9: 273}


class _PieceTar(ABC):
    """A tar whose pieces are compressed on their own; the subclasses say how."""

    name: str
    """Of the format."""

    piece: int
    """The most bytes of the tar that are compressed as one."""

    is_worth_keeping = True
    """Whether what a part compresses to is kept for the next time."""

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads

    @abstractmethod
    def codec(self, level: int) -> Codec:
        """Return what decides about an archive's bytes; see `ArchiveFormat.codec`."""

    @abstractmethod
    def compress(self, level: int, data: bytes) -> bytes:
        """Return *data*, at most `piece` bytes, as a stream of its own."""

    def cost(self, level: int, size: int) -> int:
        """Return about how much memory it takes to compress *size* bytes."""
        del level
        return 2 * size + (1 << 20)

    def write(
        self,
        contents: LayerContents,
        place: Path,
        *,
        level: int,
        advance: Callable[[int], None],
        frames: KnownFrames,
    ) -> WrittenArchive:
        """Pack *contents* into *place*; see `ArchiveFormat.write`."""
        # Late: a run in which nothing is to be done asks for the codec alone.
        from venvlayers.publish.canonical_tar import tar_parts  # noqa: PLC0415
        from venvlayers.publish.frames import KnownFrames  # noqa: PLC0415
        from venvlayers.publish.ordered import Ordered  # noqa: PLC0415

        codec = self.codec(level)
        known_as = {"format": self.name, **codec}
        used = frames if self.is_worth_keeping else KnownFrames()
        with place.open("xb") as file, ExitStack() as opened:
            output = _Output(file)
            with Ordered(_MEMORY, self._threads) as work:
                for part in tar_parts(contents):
                    if known := used.find(part, known_as):
                        _copy(known, work, output.to(part))
                        advance(part.size)
                    else:
                        new = opened.enter_context(used.new(part, known_as))
                        self._compress(part, level, work, output.to(part, new), advance)
                        work.submit(0, bytes, partial(_keep, new))
        return output.result(place, codec)

    def _compress(
        self,
        part: TarPart,
        level: int,
        work: Ordered,
        then: Callable[[bytes], None],
        advance: Callable[[int], None],
    ) -> None:
        for piece in part.chunks(self.piece):
            work.submit(self.cost(level, len(piece)), partial(self.compress, level, piece), then)
            advance(len(piece))


def _keep(new: NewFrame, _nothing: bytes) -> None:
    new.keep()


def _copy(known: StoredFrame, work: Ordered, then: Callable[[bytes], None]) -> None:
    with known:
        for data in known.chunks():
            work.submit(len(data), partial(bytes, data), then)


class PlainTar(_PieceTar):
    """The canonical tar as it is."""

    name = "tar"
    suffix = ".tar"
    default_level = best_level = 0
    piece = 1 << 20
    is_worth_keeping = False

    def codec(self, level: int) -> Codec:
        """Return that nothing is compressed.

        Raises:
            PublishError: A level was asked for.
        """
        if level != self.default_level:
            raise PublishError(
                f"tar is not compressed, so it has no level {level}",
                hint="leave the level out, or choose another format",
            )
        return {"library": "none", "level": level}

    def compress(self, level: int, data: bytes) -> bytes:
        """Return *data*."""
        del level
        return data


class GzipTar(_PieceTar):
    """Each piece as a gzip member: every tool there is reads it, and it compresses least."""

    name = "tar.gz"
    suffix = ".tar.gz"
    default_level = DEFAULT_LEVEL
    best_level = LEVELS[-1]
    piece = _GZIP_PIECE

    def codec(self, level: int) -> Codec:
        """Return what decides about an archive's bytes.

        Raises:
            PublishError: There is no such level.
        """
        check_level(self.name, level, LEVELS, self.default_level)
        return deflate_codec(level, self.piece)

    def compress(self, level: int, data: bytes) -> bytes:
        """Return *data* as a gzip member that does not tell where and when it was made."""
        # Not gzip.compress: its header differs between releases of Python.
        check = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        return _GZIP_HEADER + deflate(level, data) + check


class XzTar(_PieceTar):
    """Each piece as an xz stream: what venvstacks makes; the smallest, and the slowest."""

    name = "tar.xz"
    suffix = ".tar.xz"
    default_level = 6
    best_level = 9
    piece = _XZ_PIECE

    def codec(self, level: int) -> Codec:
        """Return what decides about an archive's bytes.

        Raises:
            PublishError: There is no such level.
        """
        check_level(self.name, level, range(10), self.default_level)
        return {
            "library": _xz_library(level),
            "level": level,
            "piece_size": self.piece,
            "window_size": _xz_window(level),
        }

    def compress(self, level: int, data: bytes) -> bytes:
        """Return *data* as an xz stream."""
        return _xz(level, data)

    def cost(self, level: int, size: int) -> int:
        """Return about how much memory it takes to compress *size* bytes."""
        return _XZ_TABLES * min(_xz_window(level), size) + super().cost(level, size)


def _xz_window(level: int) -> int:
    return _XZ_HIGH_WINDOW if level in _XZ_NICE_LENGTH else _XZ_WINDOW


def _xz(level: int, data: bytes) -> bytes:
    options = {
        "id": lzma.FILTER_LZMA2,
        "preset": min(level, 6),
        "dict_size": max(_XZ_SMALLEST_WINDOW, min(_xz_window(level), len(data))),
    }
    if level in _XZ_NICE_LENGTH:
        options["nice_len"] = _XZ_NICE_LENGTH[level]
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=[options])


@cache
def _xz_library(level: int) -> str:
    """Return which liblzma this is: by what it makes of a sample, for Python tells no version."""
    return f"liblzma/{fingerprint(_xz(level, sample()))}"


class _Output:
    """The file, written from front to back, and what there is to tell about it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0
        self._begun: list[tuple[TarPart, int]] = []

    def to(self, part: TarPart, new: NewFrame | None = None) -> Callable[[bytes], None]:
        """Return what writes more of a part, and to its new frame too."""

        def write(data: bytes) -> None:
            if not self._begun or self._begun[-1][0] is not part:
                self._begun.append((part, self._size))
            self._file.write(data)
            self._digest.update(data)
            self._size += len(data)
            if new:
                new.write(data)

        return write

    def result(self, place: Path, codec: Codec) -> WrittenArchive:
        return WrittenArchive(
            path=place,
            size=self._size,
            sha256=self._digest.hexdigest(),
            frames=self._frames(),
            codec=codec,
        )

    def _frames(self) -> tuple[Frame, ...]:
        frames: list[Frame] = []
        ends = [*(offset for _part, offset in self._begun[1:]), self._size]
        tar_offset = 0
        for (part, offset), end in zip(self._begun, ends, strict=True):
            frames.append(
                Frame(
                    name=part.name,
                    offset=offset,
                    size=end - offset,
                    tar_offset=tar_offset,
                    tar_size=part.size,
                )
            )
            tar_offset += part.size
        return tuple(frames)
