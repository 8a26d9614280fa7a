"""Program files made by hand: as small as readers of headers take them, and of any platform."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from venvlayers.platforms import Platform

X86_64, AARCH64, I386 = 62, 183, 3
"""Machines of ELF files."""
MACH_X86_64, MACH_ARM64 = 0x01000007, 0x0100000C
PE_AMD64, PE_ARM64, PE_X86 = 0x8664, 0xAA64, 0x014C

_MACHINES = {"arm64": MACH_ARM64, "aarch64": AARCH64, "AMD64": PE_AMD64, "ARM64": PE_ARM64}


def binary(platform: Platform, note: str = "") -> bytes:
    """Return a library for *platform* that needs nothing, with *note* in it."""
    if platform.sys_platform == "darwin":
        return mach_o(machine=_MACHINES.get(platform.machine, MACH_X86_64), exports=note)
    machine = _MACHINES.get(platform.machine, X86_64)
    return (pe if platform.is_windows else elf)(machine=machine, exports=note)


class _Strings:
    """A table of texts that end with zeros."""

    def __init__(self) -> None:
        self.raw = b"\0"

    def add(self, text: str) -> int:
        place = len(self.raw)
        self.raw += text.encode() + b"\0"
        return place


def elf(
    *needed: str,
    machine: int = X86_64,
    soname: str = "",
    runpath: str = "",
    rpath: str = "",
    versions: Sequence[tuple[str, str]] = (),
    weak: Sequence[tuple[str, str]] = (),
    exports: str = "",
) -> bytes:
    """Return a shared object for Linux.

    Args:
        needed: The libraries that it needs.
        machine: What it is for.
        soname: What others call it.
        runpath: Where it looks for libraries.
        rpath: The older form of that.
        versions: The versions of symbols that it needs, each with its library.
        weak: Those that it can do without.
        exports: A name in its table of symbols.
    """
    strings = _Strings()
    dynamic = [(1, strings.add(name)) for name in needed]
    for tag, text in ((14, soname), (29, runpath), (15, rpath)):
        if text:
            dynamic.append((tag, strings.add(text)))
    strings.add(exports)
    wanted = [(*pair, 0) for pair in versions] + [(*pair, 2) for pair in weak]
    verneed = _verneed(wanted, strings)
    table_at = 64 + 2 * 56
    strings_at = table_at + 16 * (len(dynamic) + 4)
    verneed_at = strings_at + len(strings.raw)
    dynamic += [(5, strings_at), (0x6FFFFFFE, verneed_at), (0x6FFFFFFF, len(wanted)), (0, 0)]
    if not wanted:
        dynamic = [entry for entry in dynamic if entry[0] < 0x6FFFFFFE]
    table = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
    content = table.ljust(strings_at - table_at, b"\0") + strings.raw + verneed
    size = table_at + len(content)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    points = struct.pack("<IIQQQQQQ", 2, 6, table_at, table_at, 0, len(table), len(table), 8)
    return header + load + points + content


def _verneed(wanted: Sequence[tuple[str, str, int]], strings: _Strings) -> bytes:
    raw = b""
    for number, (library, version, flags) in enumerate(wanted):
        following = 32 if number + 1 < len(wanted) else 0
        raw += struct.pack("<HHIII", 1, 1, strings.add(library), 16, following)
        raw += struct.pack("<IHHII", 0, flags, 2, strings.add(version), 0)
    return raw


def mach_o(
    *needed: str,
    machine: int = MACH_ARM64,
    name: str = "",
    rpaths: Sequence[str] = (),
    macos: tuple[int, int] | None = (11, 0),
    exports: str = "",
    kind: int = 0xC,
) -> bytes:
    """Return a library for macOS.

    Args:
        needed: The libraries that it needs.
        machine: What it is for.
        name: Its install name.
        rpaths: What ``@rpath`` stands for.
        macos: The oldest release that it runs on.
        exports: A text at its end.
        kind: Of the commands that name what is needed.
    """
    commands = [_named(0xD, name)] if name else []
    commands += [_named(kind, text) for text in needed]
    commands += [_path(text) for text in rpaths]
    if macos:
        version = macos[0] << 16 | macos[1] << 8
        commands.append(struct.pack("<IIIIII", 0x32, 24, 1, version, version, 0))
    commands.append(struct.pack("<II", 0x1D, 16) + bytes(8))
    raw = b"".join(commands)
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, machine, 0, 6, len(commands), len(raw), 0, 0)
    return header + raw + exports.encode() + b"\0"


def _padded(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return raw + b"\0" * (-len(raw) % 8)


def _named(kind: int, text: str) -> bytes:
    raw = _padded(text)
    return struct.pack("<IIIIII", kind, 24 + len(raw), 24, 0, 0, 0) + raw


def _path(text: str) -> bytes:
    raw = _padded(text)
    return struct.pack("<III", 0x8000001C, 12 + len(raw), 12) + raw


def universal(*parts: bytes) -> bytes:
    """Return a file for macOS that holds *parts*, each for its machine."""
    entries, content, place = b"", b"", 4096
    for part in parts:
        machine = struct.unpack_from("<I", part, 4)[0]
        entries += struct.pack(">IIIII", machine, 0, place + len(content), len(part), 12)
        content += part.ljust(-(-len(part) // 4096) * 4096, b"\0")
    return (struct.pack(">II", 0xCAFEBABE, len(parts)) + entries).ljust(place, b"\0") + content


def pe(*needed: str, machine: int = PE_AMD64, exports: str = "") -> bytes:
    """Return a library for Windows.

    Args:
        needed: The libraries that it needs.
        machine: What it is for; a file for 32 bits has another header.
        exports: A text at its end.
    """
    wide = machine != PE_X86
    directories, size = (112, 240) if wide else (96, 224)
    section, raw_at, address = 64 + 24 + size, 1024, 0x1000
    optional = struct.pack("<H", 0x20B if wide else 0x10B).ljust(directories - 4, b"\0")
    optional += struct.pack("<IIIII", 16, 0, 0, address if needed else 0, 20)
    names, entries = b"", b""
    first = address + 20 * (len(needed) + 1)
    for library in needed:
        entries += struct.pack("<IIIII", 0, 0, 0, first + len(names), 0)
        names += library.encode() + b"\0"
    content = entries + bytes(20) + names + exports.encode() + b"\0"
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64)
    header += b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, size, 0x2022)
    header += optional.ljust(size, b"\0")
    assert len(header) == section
    header += b".idata\0\0" + struct.pack("<IIII", len(content), address, len(content), raw_at)
    return header.ljust(raw_at, b"\0") + content
