"""Reading Mach-O files, as macOS has them (<mach-o/loader.h>, <mach-o/fat.h>)."""

from __future__ import annotations

from collections.abc import Iterator

from venvlayers.check.binary import Binary, Bytes, Format, UnreadableError

_64_LITTLE = b"\xcf\xfa\xed\xfe"
THIN = (_64_LITTLE, b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
"""How files for one machine begin; all but the first are of machines that are history."""
FAT = {b"\xca\xfe\xba\xbe": (">IIIII", 20), b"\xca\xfe\xba\xbf": (">IIQQII", 32)}
"""How files for several machines begin, with the layout and the size of their entries."""

_MACHINES = {
    7: "i386",
    12: "arm",
    18: "ppc",
    0x01000007: "x86_64",
    0x0100000C: "arm64",
    0x01000012: "ppc64",
    0x0200000C: "arm64_32",
}
_LOAD, _ID, _RPATH = frozenset({0xC, 0x8000001F, 0x80000023}), 0xD, 0x8000001C
"""Needed, needed and passed on, needed by something that it is part of."""
_BUILD_VERSION, _VERSION_MIN_MACOS = 0x32, 0x24
_MACOS = 1
_MOST_COMMANDS, _MOST_MACHINES = 1_000, 40


def read_mach_o(data: Bytes) -> tuple[Binary, ...]:
    """Return what a Mach-O file says of itself, once for each machine.

    Raises:
        UnreadableError: It is damaged.
    """
    if (magic := data.raw(0, 4)) not in FAT:
        return (_thin(data, 0),)
    layout, size = FAT[magic]
    (count,) = data.unpack(">I", 4)
    if count > _MOST_MACHINES:  # a Java class begins in the same way, with its version
        return ()
    entries = [data.unpack(layout, 8 + size * number) for number in range(count)]
    return tuple(_thin(data, entry[2]) for entry in entries)


def _thin(data: Bytes, start: int) -> Binary:
    magic = data.raw(start, 4)
    if magic not in THIN:
        raise UnreadableError("a part of it is no Mach-O file")
    order = "<" if magic[3:] == b"\xfe" else ">"
    (number,) = data.unpack(f"{order}I", start + 4)
    machine = _MACHINES.get(number, f"machine {number}")
    if magic != _64_LITTLE:
        return Binary(format=Format.MACH_O, machine=machine)
    commands = list(_commands(data, start))
    named = {kind: [text for found, text in commands if found == kind] for kind in (_ID, _RPATH)}
    return Binary(
        format=Format.MACH_O,
        machine=machine,
        name="".join(named[_ID][:1]).rpartition("/")[2],
        needed=tuple(text for kind, text in commands if kind in _LOAD),
        search=tuple(named[_RPATH]),
        oldest_macos=_oldest(data, start),
    )


def _places(data: Bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield the kind and the place of each load command."""
    (count,) = data.unpack("<I", start + 16)
    place = start + 32
    for _ in range(min(count, _MOST_COMMANDS)):
        kind, length = data.unpack("<II", place)
        if length < 8:  # noqa: PLR2004 - these two numbers are part of it
            raise UnreadableError("it has a load command without a length")
        yield kind, place
        place += length


def _commands(data: Bytes, start: int) -> Iterator[tuple[int, str]]:
    """Yield the load commands that name a file or a directory, each with that name."""
    for kind, place in _places(data, start):
        if kind in _LOAD or kind in (_ID, _RPATH):
            (name,) = data.unpack("<I", place + 8)
            yield kind, data.text(place + name)


def _oldest(data: Bytes, start: int) -> tuple[int, int] | None:
    for kind, place in _places(data, start):
        if kind == _VERSION_MIN_MACOS:
            (version,) = data.unpack("<I", place + 8)
        elif kind == _BUILD_VERSION and data.unpack("<I", place + 8) == (_MACOS,):
            (version,) = data.unpack("<I", place + 12)
        else:
            continue
        return version >> 16, version >> 8 & 0xFF
    return None
