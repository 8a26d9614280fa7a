"""What a program file says of itself, whatever its format: the values, and how bytes are read.

`reading.py` knows which format a file has; `elf.py`, `mach_o.py` and `pe.py` know theirs.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Format(Enum):
    """The formats of program files; the value is the name for people."""

    ELF = "ELF"
    MACH_O = "Mach-O"
    PE = "PE"


class UnreadableError(ValueError):
    """A file begins like a program file and is none: it was cut, or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """A program, shared library or extension module, for one machine.

    Attributes:
        format: Its format.
        machine: The processor, as `platform.machine` calls it on systems with that format.
        name: What other files call it: the ``SONAME``, or the last part of the install name.
        needed: The libraries that have to be there for it to be loaded, as it names them.
        search: Where it says that these are: ``RUNPATH`` or ``RPATH``, ``LC_RPATH``.
        versions: The versions of symbols that it needs, each with the library that has them:
            ``("libc.so.6", "GLIBC_2.17")``. ELF only.
        oldest_macos: The release that it was made for. Mach-O only.
    """

    format: Format
    machine: str
    name: str = ""
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    versions: frozenset[tuple[str, str]] = frozenset()
    oldest_macos: tuple[int, int] | None = None


_MOST_READS = 100_000
"""Sound files need a few thousand at most; tables that lead into each other have no end."""


class Bytes:
    """The content of a file, as tables at offsets.

    Everything raises `UnreadableError` where the file is too short for what it promises, or
    promises more than any file has.
    """

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._data = data
        self._reads = 0

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        """Return the values at *offset*, as `struct` describes them."""
        self._reads += 1
        if self._reads > _MOST_READS:
            raise UnreadableError("its tables have more entries than those of any sound file")
        try:
            if offset < 0:  # counted from the end, for `struct`
                raise UnreadableError("it has an offset below zero")
            return struct.unpack_from(layout, self._data, offset)
        except (struct.error, OverflowError) as error:
            raise UnreadableError("it ends before what its header promises") from error

    def raw(self, offset: int, size: int) -> bytes:
        """Return *size* bytes at *offset*, or what there is of them."""
        return self._data[offset : offset + size] if offset >= 0 else b""

    def text(self, offset: int, longest: int = 4096) -> str:
        """Return the text at *offset* that ends with a zero."""
        raw, zero, _ = self.raw(offset, longest).partition(b"\0")
        if not zero:
            raise UnreadableError("it has a name without an end")
        return raw.decode("utf-8", "replace")
