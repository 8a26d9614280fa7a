"""Reading ELF, Mach-O and PE files of any platform, wherever this runs.

By our own reading of headers, because it is done after every build. pefile took 10 times as
long for a file, macholib and pyelftools 24 to 28 times, with the same results for 2,268 files
of some 68 installed packages; and they are three more dependencies. What is read is little:
the machine, the libraries that are needed, where the loader looks for them, and how new a
system has to be.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from venvlayers.check.binary import Binary, Bytes
from venvlayers.check.elf import read_elf
from venvlayers.check.mach_o import FAT, THIN, read_mach_o
from venvlayers.check.pe import read_pe


def read_binary(path: Path | str) -> tuple[Binary, ...]:
    """Return what is in a program file, once for each machine; nothing if it is something else.

    Raises:
        OSError: It cannot be read.
        UnreadableError: It is damaged.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a thousand times a layer
        if _reader(file.read(4)) is None:
            return ()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return read_bytes(data)


def read_bytes(data: mmap.mmap | bytes) -> tuple[Binary, ...]:
    """Do what `read_binary` does, for the content of a file.

    Raises:
        UnreadableError: It is damaged.
    """
    read = _reader(data[:4])
    return read(Bytes(data)) if read else ()


def exports_module(path: Path | str, module: str) -> bool:
    """Tell whether a file of any format has the function that makes it an extension module.

    As a text, which is what it is in the symbol tables of all formats (PEP 489).

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # an empty file
            return False
        with data:
            return data.find(f"PyInit_{module}\0".encode()) >= 0


def _reader(magic: bytes) -> Callable[[Bytes], tuple[Binary, ...]] | None:
    if magic == b"\x7fELF":
        return read_elf
    if magic in THIN or magic in FAT:
        return read_mach_o
    return read_pe if magic[:2] == b"MZ" else None
