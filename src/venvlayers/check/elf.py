"""Reading ELF files, as Linux has them (System V ABI; symbol versions: LSB).

Only files for 64 bits and little-endian are read whole: all our platforms are so.
Of others it is said what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from venvlayers.check.binary import Binary, Bytes, Format, UnreadableError

_MACHINES = {
    3: "i386",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_64_BIT_LITTLE = b"\x02\x01"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 5, 14, 15, 29
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_VER_FLG_WEAK = 2
_MOST = 1_000
"""No sound file has more entries in any of its tables."""

_Segment = tuple[int, int, int]
"""Offset in the file, address when loaded, size in the file."""


def read_elf(data: Bytes) -> tuple[Binary, ...]:
    """Return what an ELF file says of itself.

    Raises:
        UnreadableError: It is damaged.
    """
    kind = data.raw(4, 2)
    order = ">" if kind[1:] == b"\x02" else "<"
    (number,) = data.unpack(f"{order}H", 18)
    machine = _MACHINES.get(number, f"machine {number}")
    if kind != _64_BIT_LITTLE:
        return (Binary(format=Format.ELF, machine=_other(kind, machine)),)
    dynamic, segments = _program_headers(data)
    entries = list(_dynamic_entries(data, dynamic)) if dynamic else []
    if not entries:
        return (Binary(format=Format.ELF, machine=machine),)
    values = dict(entries)
    strings = _offset(values.get(_DT_STRTAB, -1), segments)

    def texts(wanted: int) -> list[str]:
        return [data.text(strings + value) for tag, value in entries if tag == wanted]

    # Where there is a RUNPATH, the loader pays no attention to an RPATH.
    search = (texts(_DT_RUNPATH) or texts(_DT_RPATH))[:1]
    return (
        Binary(
            format=Format.ELF,
            machine=machine,
            name="".join(texts(_DT_SONAME)[:1]),
            needed=tuple(texts(_DT_NEEDED)),
            search=tuple(part for text in search for part in text.split(":") if part),
            versions=frozenset(_versions(data, values, segments, strings)),
        ),
    )


def _other(kind: bytes, machine: str) -> str:
    bits = "32 bits" if kind[:1] == b"\x01" else "64 bits"
    end = "big" if kind[1:] == b"\x02" else "little"
    return f"{machine} with {bits}, {end}-endian"


def _program_headers(data: Bytes) -> tuple[_Segment | None, list[_Segment]]:
    """Return where the dynamic section is, and what is loaded where."""
    (table,) = data.unpack("<Q", 32)
    size, count = data.unpack("<HH", 54)
    dynamic: _Segment | None = None
    loaded: list[_Segment] = []
    for number in range(min(count, _MOST)):
        kind, _flags, offset, address, _physical, length = data.unpack(
            "<IIQQQQ", table + size * number
        )
        if kind == _PT_DYNAMIC:
            dynamic = (offset, address, length)
        elif kind == _PT_LOAD:
            loaded.append((offset, address, length))
    return dynamic, loaded


def _dynamic_entries(data: Bytes, dynamic: _Segment) -> Iterator[tuple[int, int]]:
    offset, _address, length = dynamic
    for number in range(min(length // 16, _MOST)):
        tag, value = data.unpack("<qQ", offset + 16 * number)
        if tag == 0:  # the end; the rest is room
            return
        yield tag, value


def _offset(address: int, segments: list[_Segment]) -> int:
    for offset, start, length in segments:
        if start <= address < start + length:
            return offset + address - start
    raise UnreadableError("it has a table at an address that is not loaded")


def _versions(
    data: Bytes, values: dict[int, int], segments: list[_Segment], strings: int
) -> Iterator[tuple[str, str]]:
    """Yield the versions of symbols that have to be there."""
    if _DT_VERNEED not in values:
        return
    start = _offset(values[_DT_VERNEED], segments)
    count = min(values.get(_DT_VERNEEDNUM, 0), _MOST)
    for place in _chained(start, count, lambda at: data.unpack("<I", at + 12)[0]):
        _version, entries, library, first = data.unpack("<HHII", place)
        auxiliary = _chained(place + first, entries, lambda at: data.unpack("<I", at + 12)[0])
        for entry in auxiliary:
            _hash, flags, _other_index, name = data.unpack("<IHHI", entry)
            if not flags & _VER_FLG_WEAK:
                yield data.text(strings + library), data.text(strings + name)


def _chained(place: int, count: int, following: Callable[[int], int]) -> Iterator[int]:
    """Yield the places of *count* entries, each of which says how far the next one is."""
    for _ in range(count):
        yield place
        distance = following(place)
        if distance == 0:
            return
        place += distance
