"""Reading the members of a tar; what they may be is decided in `members.py`."""

from __future__ import annotations

import tarfile
from typing import IO, Self

from venvlayers.deploy.members import Member, Writer
from venvlayers.deploy.streams import TarStream
from venvlayers.publish.contents import EntryKind

_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_LONGEST_EXTENSION = 1 << 16  # ours hold a name and a link
_SPECIAL_BITS = 0o7000
_KINDS = {
    tarfile.DIRTYPE: EntryKind.DIRECTORY,
    tarfile.REGTYPE: EntryKind.FILE,
    tarfile.SYMTYPE: EntryKind.SYMLINK,
}


def write_tar_members(file: IO[bytes], writer: Writer) -> None:
    """Hand every member of the archive *file* to *writer*, in one pass.

    Raises:
        UnpackError: A member is dangerous.
        tarfile.TarError: It is no tar, or is damaged; so for the errors of decompressors.
    """
    stream = TarStream(file)
    with tarfile.open(
        fileobj=stream, mode="r|", encoding="utf-8", errors="strict", tarinfo=_BoundedInfo
    ) as tar:
        while info := tar.next():
            content = tar.extractfile(info) if info.isreg() and not info.issparse() else None
            writer.write(_member(info), content)
            tar.members.clear()  # type: ignore[attr-defined] # it would keep every one
        stream.check_end(tar.offset)


def _member(info: tarfile.TarInfo) -> Member:
    special = info.issparse() or info.mode & _SPECIAL_BITS
    return Member(
        name=info.name,
        kind=_KINDS.get(info.type),
        executable=bool(info.mode & 0o100),
        mtime=info.mtime,
        target=info.linkname if info.issym() else "",
        oddity="is sparse, or has special permissions" if special else None,
    )


class _BoundedInfo(tarfile.TarInfo):
    """A member's header; extended ones, which `tarfile` reads into memory, are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header block."""
        info = super().frombuf(buf, encoding, errors)
        if info.type in _EXTENDED and info.size > _LONGEST_EXTENSION:
            raise tarfile.ReadError("an extended header is too long")
        return info
