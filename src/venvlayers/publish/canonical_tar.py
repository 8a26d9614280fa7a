"""The canonical tar: equal contents give equal bytes, whoever packs them and where.

PAX form (POSIX.1-2001) with extended headers only for what an ordinary header
cannot hold. Owner, group and permissions are ours, never the file system's.
Nothing in here compresses; a part says by a digest what is in it, so that a
format can know what it compresses to without a file being read.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from venvlayers.errors import PublishError
from venvlayers.publish.contents import LARGE, Entry, EntryKind, Group, LayerContents, altered
from venvlayers.publish.format import VERSION

END_GROUP = ".end"
"""Name of the last part, the end-of-archive blocks.

They are a part of their own so that a distribution's part has the same bytes
wherever it stands.
"""

CHUNK = 1 << 20
"""The stream comes in pieces of this size, however files are read."""

_BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = 100
_MOST_OF_A_RECORD = len("123 linkpath=\n")
_LARGEST_SIZE = 8**11 - 1
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
        name: The group's name, or `END_GROUP`. A group with large files has several parts.
        size: Its bytes in the tar; known before any file is read.
        digest: What identifies its bytes, in hexadecimal; empty if nobody needs to know.
        pieces: What it consists of; none for `END_GROUP`.
    """

    name: str
    size: int
    digest: str
    pieces: tuple[TarPiece, ...]

    def chunks(self, size: int = 0) -> Iterator[bytes]:
        """Yield its bytes in pieces of *size* (`CHUNK` if 0), the last one shorter.

        May be called again.

        Raises:
            PublishError: A file cannot be read, changes while it is read, or is not what
                its `RECORD` says: it was changed since it was installed.
        """
        return rechunked(self._bytes(), size or CHUNK)

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
    """

    contents: LayerContents
    entry: Entry
    mtime: int
    has_header: bool = True
    has_content: bool = True

    @property
    def name(self) -> str:
        """Its name in an archive, without a slash at the end."""
        return self.contents.member(self.entry)

    @property
    def size(self) -> int:
        """Its bytes in the tar."""
        size = 0
        if self.has_header:
            size += _header_size(self.name, self.entry, self.mtime)
        if self.has_content:
            size += self.entry.size + -self.entry.size % _BLOCK
        return size

    def data(self) -> Iterator[bytes]:
        """Yield its bytes, in pieces of at most `CHUNK`.

        Raises:
            PublishError: As for `TarPart.chunks`.
        """
        if self.has_header:
            yield _header(self.name, self.entry, self.mtime)
        if self.has_content:
            yield from self.content()
            yield bytes(-self.entry.size % _BLOCK)

    def content(self) -> Iterator[bytes]:
        """Yield the content of a file in pieces of at most `CHUNK`; nothing for other kinds.

        Raises:
            PublishError: As for `TarPart.chunks`.
        """
        return _content(self.contents, self.entry)


def tar_parts(contents: LayerContents) -> tuple[TarPart, ...]:
    """Return the parts that make the tar of *contents*, in order."""
    parts = [part for group in contents.groups for part in _parts(contents, group)]
    return (*parts, TarPart(END_GROUP, 2 * _BLOCK, "", ()))


def _parts(contents: LayerContents, group: Group) -> Iterator[TarPart]:
    """Yield a group's parts: all but the contents of large files, then those one by one."""
    mtime, pieces = group.mtime, list[TarPiece]()
    for entry in group.entries:
        if entry.size < LARGE:
            pieces.append(TarPiece(contents, entry, mtime))
            continue
        pieces.append(TarPiece(contents, entry, mtime, has_content=False))
        yield _part(group, pieces)
        yield _part(group, [TarPiece(contents, entry, mtime, has_header=False)])
        pieces = []
    if pieces:
        yield _part(group, pieces)


def _part(group: Group, pieces: list[TarPiece]) -> TarPart:
    size = sum(piece.size for piece in pieces)
    return TarPart(group.name, size, _digest(group, pieces), tuple(pieces))


def _digest(group: Group, pieces: list[TarPiece]) -> str:
    first = pieces[0]
    if not first.has_header:
        # Of a file's content alone: whatever it is called, and in whichever layer.
        told = ["content", first.entry.sha256]
    elif first.has_content:
        told = ["group", first.contents.deployed_name, group.digest, str(group.mtime)]
    else:
        return ""  # a header is not worth knowing
    return hashlib.sha256("\0".join([str(VERSION), *told]).encode()).hexdigest()


def _header_size(member: str, entry: Entry, mtime: int) -> int:
    # Making a header takes 20 to 100 microseconds, and layers have 50,000 entries.
    if entry.size <= _LARGEST_SIZE and _LONGEST_NAME not in (len(member), len(entry.target)):
        extended = [text for text in (member, entry.target) if not _fits(text)]
        if not extended:
            return _BLOCK
        if sum(len(text.encode()) + _MOST_OF_A_RECORD for text in extended) <= _BLOCK:
            return 3 * _BLOCK  # a header for the records, a block of them, and the entry's own
    return len(_header(member, entry, mtime))


def _fits(text: str) -> bool:
    """Tell whether an ordinary header has room for a name, and maybe a slash behind it."""
    return len(text) < _LONGEST_NAME and text.isascii()


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
