"""Reading PE files, as Windows has them ("PE Format", Microsoft).

Libraries that are loaded when something of them is first used ("delay-load") are not
looked at: a program may do without them.
"""

from __future__ import annotations

from collections.abc import Iterator

from venvlayers.check.binary import Binary, Bytes, Format, UnreadableError

_MACHINES = {
    0x014C: "x86",
    0x01C4: "ARM",
    0x8664: "AMD64",
    0xA641: "ARM64EC",
    0xAA64: "ARM64",
}
_DIRECTORIES = {0x10B: 92, 0x20B: 108}
"""Where the number of data directories is in the optional header, by its magic number."""
_IMPORTS = 1
_MOST = 1_000
"""No sound file has more sections, or needs more libraries."""


def read_pe(data: Bytes) -> tuple[Binary, ...]:
    """Return what a PE file says of itself; nothing for a program of DOS.

    Raises:
        UnreadableError: It is damaged.
    """
    (header,) = data.unpack("<I", 0x3C)
    if data.raw(header, 4) != b"PE\0\0":
        return ()
    number, sections = data.unpack("<HH", header + 4)
    machine = _MACHINES.get(number, f"machine {number:#06x}")
    (optional_size,) = data.unpack("<H", header + 20)
    optional = header + 24
    table = _import_table(data, optional) if optional_size else 0
    layout = list(_sections(data, optional + optional_size, sections))
    names = _imported(data, _offset(table, layout), layout) if table else ()
    return (Binary(format=Format.PE, machine=machine, needed=tuple(names)),)


def _import_table(data: Bytes, optional: int) -> int:
    """Return the address of the import table; 0 if there is none."""
    (magic,) = data.unpack("<H", optional)
    if magic not in _DIRECTORIES:
        raise UnreadableError("its header is of an unknown kind")
    place = optional + _DIRECTORIES[magic]
    (count,) = data.unpack("<I", place)
    return int(data.unpack("<I", place + 4 + 8 * _IMPORTS)[0]) if count > _IMPORTS else 0


def _sections(data: Bytes, table: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Yield offset in the file, address when loaded and size of each section."""
    for number in range(min(count, _MOST)):
        size, address, raw_size, offset = data.unpack("<IIII", table + 40 * number + 8)
        yield offset, address, max(size, raw_size)


def _offset(address: int, sections: list[tuple[int, int, int]]) -> int:
    for offset, start, size in sections:
        if start <= address < start + size:
            return offset + address - start
    raise UnreadableError("it has a table at an address that is not loaded")


def _imported(data: Bytes, table: int, sections: list[tuple[int, int, int]]) -> Iterator[str]:
    for number in range(_MOST):
        (name,) = data.unpack("<I", table + 20 * number + 12)
        if name == 0:
            return
        yield data.text(_offset(name, sections)).lower()
