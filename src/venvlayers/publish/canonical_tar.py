"""The canonical tar: equal contents give equal bytes, whoever packs them and where.

PAX form (POSIX.1-2001) with extended headers only for what an ordinary header
cannot hold. Owner, group and permissions are ours, never the file system's.

Every header has the name of the layer. Where an ordinary one holds all there is to say, the
name stands in a field of one size in which bytes that nobody reads make up for it in the
header's checksum: whatever the layer is called, no other byte of the tar is another.

Nothing in here compresses; a part says by a digest what is in it, so that a
format can know what it compresses to without a file being read.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from venvlayers.errors import PublishError
from venvlayers.publish.contents import (
    LARGE,
    OWN_GROUP,
    Entry,
    EntryKind,
    Group,
    LayerContents,
    altered,
)
from venvlayers.publish.format import VERSION

NAME_SIZE = 96
"""The bytes of a header that depend on the layer's name, in parts with `TarPart.name_places`."""

BEFORE_NAME, BEHIND_NAME = b"5273461 ", b"bj\x1e\x0b\x11"
"""What stands on both sides of a name field.

They are nowhere else, so that compressors do not find the first or last bytes of a name together
with their neighbours in some file. The one before it is the number of a device, which files do not
have; a NUL at its end would be as right, and is in machine code before nearly everything.
"""

END_GROUP = ".end"
"""Name of the last part, the end-of-archive blocks.

They are a part of their own so that a distribution's part has the same bytes
wherever it stands.
"""

BLOCK = tarfile.BLOCKSIZE
"""Headers and contents begin at multiples of it."""

CHUNK = 1 << 20
"""The stream comes in pieces of this size, a multiple of `BLOCK`, however files are read."""

_LONGEST_NAME = 100
_MOST_OF_A_RECORD = len("123 linkpath=\n")
_LARGEST_SIZE = 8**11 - 1
_SIZE, _CHECKSUM = slice(124, 136), slice(148, 156)
_PREFIX = 345  # of a name (POSIX.1-2001, ustar); what follows a NUL in it is not read
_NAME_SUM = 8000  # of the bytes of a name field: 96 of up to 127 can be as much under any name
_SITE_PACKAGES = "site-packages/"
_TYPES = {
    EntryKind.DIRECTORY: tarfile.DIRTYPE,
    EntryKind.FILE: tarfile.REGTYPE,
    EntryKind.SYMLINK: tarfile.SYMTYPE,
}
_O_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class TarPart:
    """A slice of the tar.

    Attributes:
        name: The group's name, or `END_GROUP`. A group may have several parts.
        size: Its bytes in the tar; known before any file is read.
        digest: What identifies its bytes, in hexadecimal; empty if nobody needs to know.
        likeness: What identifies all of it but the layer's name, in hexadecimal; or empty.
        pieces: What it consists of; none for `END_GROUP`.
        name_field: What stands for the layer's name in each of its headers; empty if that is
            not all that depends on the name.
    """

    name: str
    size: int
    digest: str
    likeness: str
    pieces: tuple[TarPiece, ...]
    name_field: bytes = b""

    def name_places(self) -> Iterator[int]:
        """Yield where the name field stands in the part: `NAME_SIZE` bytes at each place.

        Nothing else in the part depends on the layer's name, if there is any place. No field
        is cut by a multiple of `BLOCK`.
        """
        begin = 0
        for piece in self.pieces if self.name_field else ():
            yield begin + _PREFIX
            begin += piece.size

    def chunks(self, size: int = 0) -> Iterator[bytes]:
        """Yield its bytes in pieces of *size* (`CHUNK` if 0), the last one shorter.

        May be called again.

        Raises:
            PublishError: A file cannot be read, changes while it is read, or is not what
                its `RECORD` says: it was changed since it was installed.
        """
        return rechunked(self._bytes(), size or CHUNK)

    def blocks(self) -> Iterator[bytes]:
        """Yield its bytes in pieces of whole blocks, of `CHUNK` or a block less than twice that.

        For whom any size will do: what was read in large pieces is not copied again.
        May be called again.

        Raises:
            PublishError: As for `chunks`.
        """
        waiting: list[bytes] = []
        size = 0
        for piece in self._bytes():
            if size + len(piece) > CHUNK and (whole := size - size % BLOCK):
                data = b"".join(waiting)
                yield data[:whole]  # all of it, but for file systems that give a file in odd pieces
                waiting, size = [data[whole:]], size - whole
            waiting.append(piece)
            size += len(piece)
        if waiting:
            yield b"".join(waiting)

    def _bytes(self) -> Iterator[bytes]:
        if not self.pieces:
            yield bytes(self.size)
        for piece in self.pieces:
            yield from piece.data()


@dataclass(frozen=True, slots=True)
class TarPiece:
    """One entry in the tar, or its header, or what is behind that.

    Attributes:
        contents: What it is a part of.
        entry: The entry.
        mtime: Its time, in seconds since 1970.
        has_header: Whether its header blocks are in this piece.
        has_content: Whether its content is, with what fills the last block.
        name_field: What stands for the layer's name in the header; empty if it has none.
    """

    contents: LayerContents
    entry: Entry
    mtime: int
    has_header: bool = True
    has_content: bool = True
    name_field: bytes = b""

    @property
    def name(self) -> str:
        """Its name in an archive, without a slash at the end."""
        return self.contents.member(self.entry)

    @property
    def size(self) -> int:
        """Its bytes in the tar."""
        size = 0
        if self.has_header:
            size += BLOCK if self.name_field else _header_size(self.name, self.entry, self.mtime)
        if self.has_content:
            size += self.entry.size + -self.entry.size % BLOCK
        return size

    def data(self) -> Iterator[bytes]:
        """Yield its bytes, in pieces of at most `CHUNK`.

        Raises:
            PublishError: As for `TarPart.chunks`.
        """
        if self.has_header:
            yield self._header()
        if self.has_content:
            yield from self.content()
            yield bytes(-self.entry.size % BLOCK)

    def _header(self) -> bytes:
        if self.name_field:
            return _header_with(self.name_field, self.entry, self.mtime)
        return _header(self.name, self.entry, self.mtime)

    def content(self) -> Iterator[bytes]:
        """Yield the content of a file in pieces of at most `CHUNK`; nothing for other kinds.

        Raises:
            PublishError: As for `TarPart.chunks`.
        """
        return _content(self.contents, self.entry)


def tar_parts(contents: LayerContents) -> tuple[TarPart, ...]:
    """Return the parts that make the tar of *contents*, in order."""
    parts = [part for group in contents.groups for part in _parts(contents, group)]
    return (*parts, TarPart(END_GROUP, 2 * BLOCK, "", "", ()))


def _parts(contents: LayerContents, group: Group) -> Iterator[TarPart]:
    """Yield a group's parts: all but large files, by where they are; then those one by one."""
    times = Counter(entry.sha256 for entry in group.entries if entry.size >= LARGE)
    large = [entry for entry in group.entries if times[entry.sha256] == 1]
    places: dict[str | None, list[Entry]] = {}
    for entry in group.entries:
        if times[entry.sha256] != 1:
            places.setdefault(_place(contents, group, entry), []).append(entry)
    for place, entries in places.items():
        yield _part(contents, group, place, entries)
    for entry in large:
        header = TarPiece(contents, entry, group.mtime, has_content=False)
        yield TarPart(group.name, header.size, "", "", (header,))  # is not worth knowing
        content = TarPiece(contents, entry, group.mtime, has_header=False)
        # Known by the content alone: whatever it is called, and in whichever layer.
        digest = _told("content", entry.sha256)
        yield TarPart(group.name, content.size, digest, digest, (content,))


def _place(contents: LayerContents, group: Group, entry: Entry) -> str | None:
    """Return the directory that stands in the name field with the layer; None if none can."""
    place = _directory(entry.path)
    if place is None or group.name == OWN_GROUP:
        return None
    fits = _fits(entry.target) and entry.size <= _LARGEST_SIZE
    return place if fits and _name_field(contents.deployed_name, place) else None


def _directory(path: str) -> str | None:
    """Return the directory, with a slash, below which a header has room for *path*, if any.

    It is the one that nearly all files of a distribution share, or has to be a deeper one.
    """
    before, found, _rest = path.partition(_SITE_PACKAGES)
    end = len(before + found) if found else 0
    while not _fits(path[end:]):
        end = path.find("/", end) + 1
        if not end:
            return None
    return path[:end]


@cache
def _name_field(layer: str, place: str) -> bytes:
    """Return what stands for a layer, and a directory in it, in headers; empty if nothing can.

    What is behind the NUL makes the sum the same for all.
    """
    name = f"{layer}/{place}".removesuffix("/").encode()
    room, missing = NAME_SIZE - len(name) - 1, _NAME_SUM - sum(name)
    # Beyond 127 some old tools get the sum wrong: they take bytes as signed.
    if not (name.isascii() and room > 0 and 0 <= missing <= 127 * room):
        return b""
    each, more = divmod(missing, room)
    return name + b"\0" + bytes([each + 1]) * more + bytes([each]) * (room - more)


def _part(
    contents: LayerContents, group: Group, place: str | None, entries: list[Entry]
) -> TarPart:
    field = b"" if place is None else _name_field(contents.deployed_name, place)
    pieces = tuple(TarPiece(contents, entry, group.mtime, name_field=field) for entry in entries)
    told = (group.digest, str(group.mtime), place or "")
    one_name = (
        "group without a place" if place is None else "group",
        contents.deployed_name,
        *told,
    )
    return TarPart(
        name=group.name,
        size=sum(piece.size for piece in pieces),
        digest=_told(*one_name),
        # What has no place depends on the name in more ways: others may have a place for it.
        likeness=_told(*(one_name if place is None else ("files of any layer", *told))),
        pieces=pieces,
        name_field=field,
    )


def _told(*told: str) -> str:
    return hashlib.sha256("\0".join([str(VERSION), *told]).encode()).hexdigest()


def _header_size(member: str, entry: Entry, mtime: int) -> int:
    # Making a header takes 20 to 100 microseconds, and layers have 50,000 entries.
    if entry.size <= _LARGEST_SIZE and _LONGEST_NAME not in (len(member), len(entry.target)):
        extended = [text for text in (member, entry.target) if not _fits(text)]
        if not extended:
            return BLOCK
        if sum(len(text.encode()) + _MOST_OF_A_RECORD for text in extended) <= BLOCK:
            return 3 * BLOCK  # a header for the records, a block of them, and the entry's own
    return len(_header(member, entry, mtime))


def _fits(text: str) -> bool:
    """Tell whether an ordinary header has room for a name, and maybe a slash behind it."""
    return len(text) < _LONGEST_NAME and text.isascii()


def _header_with(name_field: bytes, entry: Entry, mtime: int) -> bytes:
    block = bytearray(
        _unfilled_header(name_field, entry.kind, entry.executable, entry.target, mtime)
    )
    name = entry.path[len(_directory(entry.path) or "") :].encode()
    block[: len(name)] = name
    block[_SIZE] = b"%011o\0" % entry.size
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


@lru_cache(maxsize=64)
def _unfilled_header(
    name_field: bytes,
    kind: EntryKind,
    executable: bool,  # noqa: FBT001 - of this module
    target: str,
    mtime: int,
) -> bytes:
    """Return a header that lacks the name, the size, and its checksum.

    To have `tarfile` make each header took four times as long.
    """
    entry = Entry(path="", kind=kind, executable=executable, target=target)
    block = bytearray(_header(entry.path, entry, mtime))
    behind = _PREFIX + len(name_field)
    block[_PREFIX - len(BEFORE_NAME) : _PREFIX] = BEFORE_NAME
    block[_PREFIX:behind] = name_field
    block[behind : behind + len(BEHIND_NAME)] = BEHIND_NAME
    block[_CHECKSUM] = b" " * 8
    return bytes(block)


def _header(member: str, entry: Entry, mtime: int) -> bytes:
    info = tarfile.TarInfo(member)
    info.type = _TYPES[entry.kind]
    info.size = entry.size
    info.linkname = entry.target
    info.mtime = mtime
    info.mode = entry.mode
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _content(contents: LayerContents, entry: Entry) -> Iterator[bytes]:
    if entry.kind is not EntryKind.FILE:
        return
    digest = hashlib.sha256()
    try:
        handle = os.open(contents.source(entry), _O_FLAGS)
        with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no path
            left = entry.size
            while left and (chunk := file.read(min(left, CHUNK))):
                left -= len(chunk)
                digest.update(chunk)
                yield chunk
            changed = left > 0 or bool(file.read(1))
    except OSError as error:
        raise PublishError(
            f"{contents.layer}: cannot read {entry.path}: {error.strerror}",
            hint="build the layer again",
        ) from error
    is_same = digest.hexdigest() == entry.sha256
    if not changed and not is_same and entry.recorded:
        raise altered(contents.layer, contents.root, entry)
    if changed or not is_same:
        raise PublishError(
            f"{contents.layer}: {entry.path} changed while it was packed",
            hint="publish again when nothing writes to the environment",
        )


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
