"""What shared objects need, held against the tool that knows ELF best."""

from __future__ import annotations

import os
import shutil
import struct
import sys
from pathlib import Path

import pytest

from venvlayers.build.binaries import needed_libraries
from venvlayers.build.runtime.patchelf import find_patchelf

MODULES = sorted(Path(os.__file__).with_name("lib-dynload").glob("*.so"))[:12]


@pytest.mark.skipif(sys.platform != "linux", reason="its modules are ELF files")
def test_elf_files_as_patchelf_reads_them(tmp_path: Path) -> None:
    tool = find_patchelf()
    assert MODULES
    for module in MODULES:
        assert needed_libraries(module) == tool.needed([module])
    changed = tmp_path / "changed.so"
    shutil.copyfile(MODULES[0], changed)
    before = needed_libraries(changed)
    tool._run(["--add-needed", "libcudart.so.12", "--add-needed", "libübung.so"], [changed])
    assert needed_libraries(changed) == {*before, "libcudart.so.12", "libübung.so"}


def mach(*names: str, kind: int = 0xC) -> bytes:
    commands = b""
    for name in names:
        text = name.encode() + b"\0"
        text += b"\0" * (-len(text) % 8)
        commands += struct.pack("<IIIIII", kind, 24 + len(text), 24, 0, 0, 0) + text
    commands += struct.pack("<II", 0x1D, 16) + bytes(8)
    header = struct.pack("<IIIIIIII", 0xFEEDFACF, 0, 0, 6, len(names) + 1, len(commands), 0, 0)
    return header + commands


@pytest.mark.parametrize("kind", [0xC, 0x80000018, 0x8000001F])
def test_mach_o_files(tmp_path: Path, kind: int) -> None:
    file = tmp_path / "lib.dylib"
    names = ("@rpath/libfirst.1.dylib", "/usr/lib/libSystem.B.dylib", "libplain.dylib")
    file.write_bytes(mach(*names, kind=kind))
    expected = {"libfirst.1.dylib", "libSystem.B.dylib", "libplain.dylib"}
    assert needed_libraries(file) == expected


def test_mach_o_files_for_two_architectures(tmp_path: Path) -> None:
    file = tmp_path / "lib.dylib"
    first, second = mach("@rpath/one.dylib"), mach("@rpath/two.dylib")
    entries = struct.pack(">IIIII", 7, 3, 4096, len(first), 12)
    entries += struct.pack(">IIIII", 12, 0, 8192, len(second), 12)
    header = struct.pack(">II", 0xCAFEBABE, 2) + entries
    file.write_bytes(header.ljust(4096, b"\0") + first.ljust(4096, b"\0") + second)
    assert needed_libraries(file) == {"one.dylib", "two.dylib"}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\x7fELF", b"INPUT(libfoo.so.1)\n", b"\x7fELF\x02\x01" + bytes(60)),
        *(struct.pack("<I", 0xFEEDFACF), struct.pack(">II", 0xCAFEBABE, 1 << 30)),
        struct.pack("<IIIIIIII", 0xFEEDFACF, 0, 0, 6, 5, 1 << 30, 0, 0),
        b"\x7fELF\x02\x01".ljust(32, b"\0") + b"\xff" * 32,
        b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<QQ6xHH", (1 << 63) - 9, 0, 56, 9),
    ],
)
def test_what_is_something_else_needs_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lib.so"
    file.write_bytes(content)
    assert needed_libraries(file) == frozenset()


@pytest.mark.skipif(sys.platform != "linux", reason="its modules are ELF files")
def test_wherever_a_file_is_cut_it_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "cut.so"
    content = MODULES[0].read_bytes()
    for size in (*range(0, 1200, 7), *range(1200, len(content), 997)):
        file.write_bytes(content[:size])
        assert needed_libraries(file) <= needed_libraries(MODULES[0]) | {""}
