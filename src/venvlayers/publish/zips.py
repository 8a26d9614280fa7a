"""``zip``: what Windows opens without a tool; on other systems `unzip` restores modes and links.

The entries are those of the canonical tar, in its order, and their times are
in UTC twice: as MS-DOS has them (1980 to 2107, even seconds) and, for tools that
look, as seconds since 1970. Files are deflated in pieces by all cores. Python's
`zipfile` is not used: it deflates on one core, and what it writes in headers is
not the same in all of its releases.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from venvlayers.files import sha256_file
from venvlayers.publish.deflate import DEFAULT_LEVEL, LEVELS, deflate, deflate_codec
from venvlayers.publish.format import Codec, WrittenArchive, check_level

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.canonical_tar import TarPart, TarPiece
    from venvlayers.publish.contents import LayerContents
    from venvlayers.publish.frames import KnownFrames, NewFrame
    from venvlayers.publish.ordered import Ordered

LARGEST = 0xFFFFFFFF
"""What 32 bits hold; more needs the ZIP64 extension (APPNOTE 4.3.9, 4.5.3)."""

MOST_ENTRIES = 0xFFFF
"""How many entries there may be without ZIP64."""

_PIECE = 4 << 20
_MEMORY = 160 << 20  # for everything that is deflated at the same time
_EARLIEST, _LATEST = 315532800, 4354819198  # 1980-01-01 and 2107-12-31 23:59:58
_LATEST_SIGNED = (1 << 31) - 1
_STORED, _DEFLATED = 0, 8
_UNIX = 3
_UTF8_NAME = 1 << 11
_MSDOS_DIRECTORY = 0x10
_PLAIN_VERSION, _ZIP64_VERSION = 20, 45
_ROOM_TO_GROW = 1 << 24  # deflate makes the worst of 4 GB larger by a fraction of this
_KEPT = struct.Struct("<?II")  # what is kept of a piece: is it the last one, CRC so far, length
_KINDS = {"directory": stat.S_IFDIR, "file": stat.S_IFREG, "symlink": stat.S_IFLNK}


class Zip:
    """Deflated entries with Unix modes."""

    name = "zip"
    suffix = ".zip"
    default_level = DEFAULT_LEVEL
    best_level = LEVELS[-1]

    def __init__(self, *, threads: int | None = None) -> None:
        self._threads = threads

    def codec(self, level: int) -> Codec:
        """Return what decides about an archive's bytes.

        Raises:
            PublishError: There is no such level.
        """
        check_level(self.name, level, LEVELS, self.default_level)
        return deflate_codec(level, _PIECE)

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
        from venvlayers.publish.ordered import Ordered  # noqa: PLC0415

        codec = self.codec(level)
        known_as = {"format": self.name, **codec}
        with place.open("xb") as file, ExitStack() as opened:
            directory = _Directory(file)
            with Ordered(_MEMORY, self._threads) as work:
                output = _Members(directory, work, level)
                for part in tar_parts(contents):
                    if known := frames.find(part, known_as, any_name=True):
                        output.copy(part, known)
                    else:
                        new = frames.new(part, known_as, any_name=True)
                        output.compress(part, opened.enter_context(new))
                    advance(part.size)
            directory.close()
        return WrittenArchive(
            path=place,
            size=place.stat().st_size,
            sha256=sha256_file(place).removeprefix("sha256:"),
            frames=(),
            codec=codec,
        )


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of the parts of a tar, on their way into a zip.

    A zip has no frames. What is kept of a part is what its files deflate to, which depends
    neither on the layer's name nor on where they are in the zip.
    """

    directory: _Directory
    work: Ordered
    level: int

    def compress(self, part: TarPart, new: NewFrame) -> None:
        """Write the members of a part, and to *new* what they are deflated to."""
        from venvlayers.publish.canonical_tar import rechunked  # noqa: PLC0415

        for entry in self._entries(part):
            left = entry.size
            for piece in rechunked(entry.member.content(), _PIECE):
                left -= len(piece)
                entry.check = zlib.crc32(piece, entry.check)
                squeeze = partial(deflate, self.level, piece, last=not left)
                then = partial(self._add, entry, not left, entry.check, new)
                self.work.submit(2 * len(piece), squeeze, then)
        self.work.submit(0, bytes, lambda _nothing: new.keep())

    def copy(self, part: TarPart, known: StoredFrame) -> None:
        """Write the members of a part out of what was kept."""
        with known:
            kept = _Kept(known.chunks())
            for entry in self._entries(part):
                last = False
                while not last:
                    last, entry.check, length = _KEPT.unpack(kept.read(_KEPT.size))
                    deflated = partial(bytes, kept.read(length))
                    self.work.submit(length, deflated, partial(self.directory.add, entry, last))

    def _entries(self, part: TarPart) -> Iterator[_ZipEntry]:
        """Yield those that are deflated, and write the others."""
        for piece in part.pieces:
            entry = _ZipEntry(piece)
            if piece.has_content and entry.method == _DEFLATED:
                yield entry
            elif piece.has_content:
                entry.check = zlib.crc32(entry.stored)
                stored, then = partial(bytes, entry.stored), partial(self.directory.add, entry)
                self.work.submit(0, stored, partial(then, True))  # noqa: FBT003

    def _add(self, entry: _ZipEntry, last: bool, check: int, new: NewFrame, data: bytes) -> None:  # noqa: FBT001
        self.directory.add(entry, last, data)
        new.write(_KEPT.pack(last, check, len(data)))
        new.write(data)


class _Kept:
    """Reads what was kept, in pieces of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()

    def read(self, size: int) -> bytes:
        """Return the next *size* bytes.

        Raises:
            OSError: There are fewer: it was written by somebody else.
        """
        while len(self._buffer) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                raise OSError(errno.EIO, "a part of the cache is not what it says")
            self._buffer += chunk
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data


@dataclass(slots=True)
class _ZipEntry:
    """One entry; what is known of its data grows while it is written."""

    member: TarPiece
    check: int = 0
    packed: int = 0
    offset: int = -1

    @property
    def size(self) -> int:
        return self.member.entry.size or len(self.stored)

    @property
    def stored(self) -> bytes:
        """The content of what is not deflated: links, directories and empty files."""
        return self.member.entry.target.encode()

    @property
    def method(self) -> int:
        return _DEFLATED if self.member.entry.size else _STORED

    @property
    def name(self) -> bytes:
        slash = "/" if self.member.entry.kind.value == "directory" else ""
        return f"{self.member.name}{slash}".encode()

    @property
    def is_large(self) -> bool:
        """Whether its sizes need ZIP64; decided before it is packed."""
        return self.size >= LARGEST - min(_ROOM_TO_GROW, LARGEST // 2)

    def local_header(self) -> bytes:
        packed, size, extra = self.packed, self.size, _time_extra(self.member.mtime)
        if self.is_large:
            extra += struct.pack("<2H2Q", 1, 16, size, packed)
            packed = size = 0xFFFFFFFF
        fields = (*self._common(), self.check, packed, size, len(self.name), len(extra))
        return struct.pack("<I5H3I2H", 0x04034B50, *fields) + self.name + extra

    def central_header(self) -> bytes:
        packed, size, offset, large = self.packed, self.size, self.offset, b""
        if self.is_large:
            large += struct.pack("<2Q", size, packed)
            packed = size = 0xFFFFFFFF
        if offset >= LARGEST:
            large += struct.pack("<Q", offset)
            offset = 0xFFFFFFFF
        extra = _time_extra(self.member.mtime)
        if large:
            extra += struct.pack("<2H", 1, len(large)) + large
        made_by = _UNIX << 8 | _ZIP64_VERSION
        lengths = (len(self.name), len(extra), 0, 0, 0, self._attributes(), offset)
        fields = (made_by, *self._common(), self.check, packed, size, *lengths)
        return struct.pack("<I6H3I5H2I", 0x02014B50, *fields) + self.name + extra

    def _common(self) -> tuple[int, ...]:
        needed = _ZIP64_VERSION if self.is_large else _PLAIN_VERSION
        flags = 0 if self.name.isascii() else _UTF8_NAME
        date, clock = _msdos_time(self.member.mtime)
        return needed, flags, self.method, clock, date

    def _attributes(self) -> int:
        kind = self.member.entry.kind
        mode = _KINDS[kind.value] | self.member.entry.mode
        return mode << 16 | (_MSDOS_DIRECTORY if kind.value == "directory" else 0)


def _msdos_time(mtime: int) -> tuple[int, int]:
    """Return date and time in two-second steps, in UTC whatever the machine's zone."""
    moment = time.gmtime(min(max(mtime, _EARLIEST), _LATEST))
    date = (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return date, moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2


def _time_extra(mtime: int) -> bytes:
    """Return Info-ZIP's extended timestamp, which is in UTC and exact."""
    return struct.pack("<2HBi", 0x5455, 5, 1, mtime) if mtime <= _LATEST_SIGNED else b""


class _Directory:
    """The file: entries one after the other, then the list of them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0
        self._entries: list[_ZipEntry] = []

    def add(self, entry: _ZipEntry, last: bool, data: bytes) -> None:  # noqa: FBT001 - for partial
        """Write a piece of an entry, behind its header; the header is written again at its end."""
        entry.packed += len(data)
        one_piece = entry.offset < 0 and last
        if entry.offset < 0:
            entry.offset = self._position
            self._entries.append(entry)
            self._put(entry.local_header())
        self._put(data)
        if last and not one_piece:
            self._file.seek(entry.offset)
            self._file.write(entry.local_header())
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Write the list of entries and what says where it is."""
        begin = self._position
        for entry in self._entries:
            self._put(entry.central_header())
        count, size = len(self._entries), self._position - begin
        if count >= MOST_ENTRIES or begin >= LARGEST or size >= LARGEST:
            place = self._position
            versions = (_UNIX << 8 | _ZIP64_VERSION, _ZIP64_VERSION)
            record = (44, *versions, 0, 0, count, count, size, begin)
            self._put(struct.pack("<IQ2H2I4Q", 0x06064B50, *record))
            self._put(struct.pack("<2IQI", 0x07064B50, 0, place, 1))
        counts = (min(count, 0xFFFF),) * 2
        where = (min(size, 0xFFFFFFFF), begin if begin < LARGEST else 0xFFFFFFFF)
        self._put(struct.pack("<I4H2IH", 0x06054B50, 0, 0, *counts, *where, 0))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)
