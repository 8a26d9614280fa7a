"""The canonical tar: equal contents give equal bytes, whoever packs them and where.

PAX form (POSIX.1-2001) with extended headers only for what an ordinary header
cannot hold. Owner, group, permissions and times are ours, never the file
system's. Names are sorted within each group. Nothing in here compresses.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from venvlayers.build.record import recorded_hash
from venvlayers.errors import PublishError
from venvlayers.publish.contents import Entry, EntryKind, Group, LayerContents, altered

END_GROUP = ".end"
"""Name of the last part, the end-of-archive blocks.

They are a part of their own so that a distribution's part has the same bytes
wherever it stands.
"""

CHUNK = 1 << 20
"""The stream comes in pieces of this size, however files are read."""

_DAY = 24 * 60 * 60
_BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = 100
_LARGEST_SIZE = 8**11 - 1
_TYPES = {
    EntryKind.DIRECTORY: tarfile.DIRTYPE,
    EntryKind.FILE: tarfile.REGTYPE,
    EntryKind.SYMLINK: tarfile.SYMTYPE,
}
_O_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class TarPart:
    """A group's slice of the tar.

    Attributes:
        name: The group's name, or `END_GROUP`.
        size: Its bytes in the tar; known before any file is read.
        contents: What it is a part of.
        group: Its entries; None for `END_GROUP`.
        mtime: The time of every entry, in seconds since 1970.
    """

    name: str
    size: int
    contents: LayerContents
    group: Group | None
    mtime: int

    def chunks(self, size: int = 0) -> Iterator[bytes]:
        """Yield its bytes in pieces of *size* (`CHUNK` if 0), the last one shorter.

        May be called again.

        Raises:
            PublishError: A file cannot be read, changes while it is read, or is not what
                its `RECORD` says: it was changed since it was installed.
        """
        return rechunked(self._pieces(), size or CHUNK)

    def members(self) -> Iterator[TarMember]:
        """Yield its entries one by one; none for `END_GROUP`."""
        for entry in self.group.entries if self.group else ():
            name = self.contents.member(entry)
            yield TarMember(self.contents, entry, name, _header(name, entry, self.mtime))

    def _pieces(self) -> Iterator[bytes]:
        if self.group is None:
            yield bytes(2 * _BLOCK)
        for member in self.members():
            yield member.header
            yield from member.content()
            yield member.padding


@dataclass(frozen=True, slots=True)
class TarMember:
    """One entry in the tar, for formats that need to know where each begins.

    Attributes:
        contents: What it is a part of.
        entry: The entry.
        name: Its name in an archive, without a slash at the end.
        header: Its header blocks.
    """

    contents: LayerContents
    entry: Entry
    name: str
    header: bytes

    @property
    def mode(self) -> int:
        """Its permissions."""
        return _mode(self.entry)

    @property
    def padding(self) -> bytes:
        """What fills its last block."""
        return bytes(-self.entry.size % _BLOCK)

    def content(self) -> Iterator[bytes]:
        """Yield the content of a file in pieces of at most `CHUNK`; nothing for other kinds.

        Raises:
            PublishError: As for `TarPart.chunks`.
        """
        return _content(self.contents, self.entry)


def archive_time(
    locked_at: datetime, source_date_epoch: int | None, unlocked: str | None = None
) -> int:
    """Return the one timestamp of an archive, in whole seconds since 1970.

    A layer with modules of the project, or with its wheel, can change without its
    lock. Python takes bytecode as valid when its source has the same time and size, so
    an archive unpacked over an older one could go on running the old code: its time is
    set back, by less than a day, by an amount that depends on those.

    Args:
        locked_at: When the lock last changed.
        source_date_epoch: What the user says instead.
        unlocked: ``sha256:<hex>`` of what can change without the lock; None if nothing can.
    """
    time = int(locked_at.timestamp()) if source_date_epoch is None else source_date_epoch
    if unlocked is None:
        return time
    return max(0, time - int(unlocked[-8:], 16) % _DAY)


def tar_parts(contents: LayerContents, mtime: int) -> tuple[TarPart, ...]:
    """Return the parts that make the tar of *contents*, in order."""
    parts = [
        TarPart(group.name, _group_size(contents, group, mtime), contents, group, mtime)
        for group in contents.groups
    ]
    return (*parts, TarPart(END_GROUP, 2 * _BLOCK, contents, None, mtime))


def _group_size(contents: LayerContents, group: Group, mtime: int) -> int:
    return sum(
        _header_size(contents.member(entry), entry, mtime) + entry.size + -entry.size % _BLOCK
        for entry in group.entries
    )


def _header_size(member: str, entry: Entry, mtime: int) -> int:
    # Making a header takes 20 microseconds, and layers have 50,000 entries.
    plain = member.isascii() and entry.target.isascii()
    short = max(len(member) + 1, len(entry.target)) <= _LONGEST_NAME
    if plain and short and entry.size <= _LARGEST_SIZE:
        return _BLOCK
    return len(_header(member, entry, mtime))


def _header(member: str, entry: Entry, mtime: int) -> bytes:
    info = tarfile.TarInfo(member)
    info.type = _TYPES[entry.kind]
    info.size = entry.size
    info.linkname = entry.target
    info.mtime = mtime
    info.mode = _mode(entry)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _mode(entry: Entry) -> int:
    if entry.kind is EntryKind.SYMLINK:
        return 0o777
    return 0o755 if entry.executable or entry.kind is EntryKind.DIRECTORY else 0o644


def _content(contents: LayerContents, entry: Entry) -> Iterator[bytes]:
    if entry.kind is not EntryKind.FILE:
        return
    digest = hashlib.new(entry.recorded.partition("=")[0]) if entry.recorded else None
    try:
        handle = os.open(contents.source(entry), _O_FLAGS)
        with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
            left = entry.size
            while left and (chunk := file.read(min(left, CHUNK))):
                left -= len(chunk)
                if digest:
                    digest.update(chunk)
                yield chunk
            changed = left > 0 or bool(file.read(1))
    except OSError as error:
        raise PublishError(
            f"{contents.layer}: cannot read {entry.path}: {error.strerror}",
            hint="build the layer again",
        ) from error
    if changed:
        raise PublishError(
            f"{contents.layer}: {entry.path} changed while it was packed",
            hint="publish again when nothing writes to the environment",
        )
    if digest and recorded_hash(digest) != entry.recorded:
        raise altered(contents, entry)


def rechunked(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of *size*, and a last one of what is left."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= size:
            yield bytes(memoryview(buffer)[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
