"""What a shared object says that it needs: read out of ELF and Mach-O files, of any platform.

Only the names of libraries are looked for; where the loader would find them is not
known here. A file that is something else, or is damaged, needs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

_ELF_64_LITTLE = b"\x7fELF\x02\x01"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ = 1, 5, 10

_MACH_64_LITTLE, _FAT = 0xFEEDFACF, 0xCAFEBABE
_LC_LOAD_DYLIB = frozenset({0xC, 0x80000018, 0x8000001F})
"""Needed, needed if it is there, needed and passed on."""
_MOST = 1 << 24
"""Bytes of tables that are read."""
_FARTHEST = 1 << 48
"""Where they may be; no file system has larger files."""


def needed_libraries(path: Path) -> frozenset[str]:
    """Return the file names of the libraries that a shared object needs.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        try:
            begin = file.read(6)
            if begin == _ELF_64_LITTLE:
                return frozenset(_of_elf(file))
            return frozenset(_of_mach(file, begin[:4]))
        except (struct.error, ValueError):
            return frozenset()


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > _MOST or offset > _FARTHEST:
        raise ValueError("no table is as long, or as far away, as that")
    file.seek(offset)
    return file.read(size)


def _of_elf(file: BinaryIO) -> Iterator[str]:
    (table,) = struct.unpack("<Q", _read(file, 32, 8))
    size, count = struct.unpack("<HH", _read(file, 54, 4))
    headers = [
        struct.unpack("<IIQQQQ", _read(file, table + size * number, 40)) for number in range(count)
    ]
    for kind, _flags, offset, _address, _physical, length in headers:
        if kind == _PT_DYNAMIC:
            dynamic = _read(file, offset, length // 16 * 16)
            entries = list(struct.iter_unpack("<qQ", dynamic))
            strings = _strings(file, dict(entries), headers)
            yield from (_text(strings[value:]) for tag, value in entries if tag == _DT_NEEDED)


def _strings(
    file: BinaryIO, values: Mapping[int, int], headers: Iterable[tuple[int, ...]]
) -> bytes:
    """Return the string table; where it is in the file follows from where it is loaded."""
    wanted, size = values.get(_DT_STRTAB, 0), values.get(_DT_STRSZ, 0)
    for kind, _flags, offset, address, _physical, length in headers:
        if kind == _PT_LOAD and address <= wanted < address + length:
            return _read(file, offset + wanted - address, size)
    raise ValueError("the string table is not loaded")


def _of_mach(file: BinaryIO, magic: bytes) -> Iterator[str]:
    if struct.unpack("<I", magic)[0] == _MACH_64_LITTLE:
        yield from _of_thin_mach(file, 0)
    elif struct.unpack(">I", magic)[0] == _FAT:
        (count,) = struct.unpack(">I", _read(file, 4, 4))
        for _kind, _subtype, offset, _size, _align in struct.iter_unpack(
            ">IIIII", _read(file, 8, 20 * count)
        ):
            yield from _of_thin_mach(file, offset)


def _of_thin_mach(file: BinaryIO, start: int) -> Iterator[str]:
    count, size = struct.unpack("<II", _read(file, start + 16, 8))
    commands = _read(file, start + 32, size)
    place = 0
    for _ in range(count):
        command, length = struct.unpack_from("<II", commands, place)
        if command in _LC_LOAD_DYLIB:
            (name,) = struct.unpack_from("<I", commands, place + 8)
            yield _text(commands[place + name : place + length]).rpartition("/")[2]
        place += max(length, 8)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")
