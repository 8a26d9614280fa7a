"""The beginnings of programs and libraries for any platform: enough to tell what they are for.

None of them runs. What it is made for stands in its headers, as a linker writes them:
ELF, Mach-O (thin, without load commands) and PE.
"""

from __future__ import annotations

import struct

from venvlayers.platforms import Platform

_ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
_MACH_TYPES = {"x86_64": (0x01000007, 3), "arm64": (0x0100000C, 0)}
_PE_MACHINES = {"AMD64": 0x8664, "ARM64": 0xAA64}
_ET_DYN, _MH_DYLIB = 3, 6


def binary(platform: Platform, note: str = "") -> bytes:
    """Return a library for *platform*, with *note* behind its headers."""
    make = {"linux": _elf, "darwin": _mach_o, "win32": _pe}[platform.sys_platform]
    return make(platform.machine) + b"\0" + note.encode() + b"\0"


def _elf(machine: str) -> bytes:
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    return identity + struct.pack(
        "<HHIQQQIHHHHHH", _ET_DYN, _ELF_MACHINES[machine], 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0
    )


def _mach_o(machine: str) -> bytes:
    return struct.pack("<IIIIIIII", 0xFEEDFACF, *_MACH_TYPES[machine], _MH_DYLIB, 0, 0, 0x85, 0)


def _pe(machine: str) -> bytes:
    header = b"MZ" + bytes(58) + struct.pack("<I", 64)
    # A DLL (0x2000) with an optional header for 64 bits (PE32+), 240 bytes long.
    coff = struct.pack("<HHIIIHH", _PE_MACHINES[machine], 0, 0, 0, 0, 240, 0x2022)
    return header + b"PE\0\0" + coff + struct.pack("<H", 0x20B) + bytes(238)
