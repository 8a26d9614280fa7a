"""Reading the members of a zip; what they may be is decided in `members.py`.

A zip says everything about a member twice, and can hide bytes before, between and
behind members. Python's `zipfile` compares names, sizes and CRC-32; what it lets
pass and no archive of ours has is refused here.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO

from venvlayers.deploy.members import LONGEST_TARGET, Member, Writer
from venvlayers.publish.contents import EntryKind

_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_LONGEST_LIST = 1 << 27  # bytes of the list of members, which is read into memory
_SHORTEST_HEADER = 30  # before a member, without its name
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNIX = 3
_TIMESTAMP = 0x5455
_SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_KINDS = {
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFLNK: EntryKind.SYMLINK,
}


def write_zip_members(file: IO[bytes], writer: Writer) -> None:
    """Hand every member of the archive *file* to *writer*.

    Raises:
        UnpackError: A member is dangerous.
        zipfile.BadZipFile: It is no zip, or is damaged; so for `zlib.error`.
    """
    _check_end(file)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_places(members)
        for info in members:
            member = _member(archive, info)
            if member.kind is EntryKind.FILE and not member.oddity:
                with archive.open(info) as content:
                    writer.write(member, content)
            else:
                writer.write(member, None)


def _check_places(members: Sequence[zipfile.ZipInfo]) -> None:
    """Make sure that members are in the order of the list, and that no two share bytes.

    Python compares the latter from 3.11.8 and 3.12.2 on; a small file could fill a disk.
    """
    end = 0
    for info in members:
        if info.header_offset < end or (not end and info.header_offset):
            raise zipfile.BadZipFile("its members do not follow each other")
        end = info.header_offset + _SHORTEST_HEADER + info.compress_size


def _check_end(file: IO[bytes]) -> None:
    """Make sure that the file ends where the zip does, and that its list fits into memory."""
    size = file.seek(0, 2)
    end = _record(file, size - _END.size, _END, b"PK\x05\x06")
    if end is None or end[-1]:
        raise zipfile.BadZipFile("it does not end as it should")
    listed = end[5]
    locator = _record(file, size - _END.size - _LOCATOR.size, _LOCATOR, b"PK\x06\x07")
    if locator:
        place = size - _END.size - _LOCATOR.size - _END_64.size
        end_64 = _record(file, place, _END_64, b"PK\x06\x06")
        if end_64 is None or locator[2] != place:
            raise zipfile.BadZipFile("it does not end as it should")
        listed = end_64[8]
    if listed > _LONGEST_LIST:
        raise zipfile.BadZipFile("its list of members is too long")


def _record(
    file: IO[bytes], place: int, form: struct.Struct, magic: bytes
) -> tuple[int, ...] | None:
    """Return the record at *place*, its magic number included; None if there is none."""
    if place < 0:
        return None
    file.seek(place)
    data = file.read(form.size)
    return form.unpack(data) if data.startswith(magic) and len(data) == form.size else None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    # `filename` is what zipfile made of it: cut at a NUL, with the system's separators.
    name = info.orig_filename
    kind = _KINDS.get(stat.S_IFMT(mode))
    oddity = _oddity(info, kind)
    target = ""
    if kind is EntryKind.SYMLINK and not oddity:
        target = archive.read(info).decode("utf-8", "strict")
    return Member(
        name=name.removesuffix("/") if kind is EntryKind.DIRECTORY else name,
        kind=kind,
        executable=bool(mode & stat.S_IXUSR),
        mtime=_mtime(info),
        target=target,
        oddity=oddity,
    )


def _oddity(info: zipfile.ZipInfo, kind: EntryKind | None) -> str | None:
    if info.create_system != _UNIX:
        return "does not say what it is: it was not packed with Unix modes"
    if info.external_attr >> 16 & _SPECIAL_BITS:
        return "has special permissions"
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        return "is encrypted, or packed in a way that is not ours"
    if kind is EntryKind.DIRECTORY and (info.file_size or not info.orig_filename.endswith("/")):
        return "is a directory with content, or is not called one"
    if kind is EntryKind.SYMLINK and info.file_size > LONGEST_TARGET:
        return "is a symlink with too long a target"
    return None


def _mtime(info: zipfile.ZipInfo) -> float:
    """Return the exact time in UTC if there is one, else MS-DOS's, taken as UTC."""
    for kind, data in _extras(info.extra):
        if kind == _TIMESTAMP and len(data) == 5 and data[0] & 1:  # noqa: PLR2004 - flags, time
            return float(struct.unpack("<i", data[1:])[0])
    try:
        return datetime(*info.date_time, tzinfo=UTC).timestamp()
    except ValueError:  # a 31st of February
        return -1.0


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:  # noqa: PLR2004 - kind and length
        kind, length = struct.unpack_from("<2H", extra)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]
