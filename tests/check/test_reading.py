"""What program files say of themselves: held against the tool that knows ELF, made by hand, cut."""

from __future__ import annotations

import os
import random
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

import distlib
import pytest

from support import program_files as binaries
from support.program_files import elf, mach_o, pe, universal
from venvlayers.build.runtime.patchelf import find_patchelf
from venvlayers.check.binary import Binary, Bytes, Format, UnreadableError
from venvlayers.check.elf import read_elf
from venvlayers.check.pe import read_pe
from venvlayers.check.reading import exports_module, read_binary, read_bytes

MODULES = sorted(Path(os.__file__).with_name("lib-dynload").glob("*.so"))[:12]
WHOLE = {
    "elf": elf("libm.so.6", "libc.so.6", versions=[("libc.so.6", "GLIBC_2.17")], runpath="$ORIGIN"),
    "mach": mach_o("@rpath/libone.dylib", rpaths=["@loader_path/.dylibs"], name="/x/libx.dylib"),
    "fat": universal(mach_o("a"), mach_o("b", machine=binaries.MACH_X86_64)),
    "pe": pe("KERNEL32.dll", "python312.dll"),
    "old pe": pe("KERNEL32.dll", machine=binaries.PE_X86),
}


def read_one(content: bytes) -> Binary:
    (found,) = read_bytes(content)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="its modules are ELF files")
def test_elf_files_as_patchelf_reads_them(tmp_path: Path) -> None:
    tool = find_patchelf()
    assert MODULES
    for module in MODULES:
        (found,) = read_binary(module)
        assert set(found.needed) == tool.needed([module])
        assert exports_module(module, module.name.partition(".")[0])
        assert not exports_module(module, "something_else")
    changed = tmp_path / "changed.so"
    shutil.copyfile(MODULES[0], changed)
    before = read_one(MODULES[0].read_bytes()).needed
    tool._run(["--add-needed", "libcudart.so.12", "--add-needed", "libübung.so"], [changed])
    tool._run(["--set-soname", "libme.so.1"], [changed])
    tool.set_rpath(["$ORIGIN/../lib", "/opt"], [changed])
    (found,) = read_binary(changed)
    assert set(found.needed) == {*before, "libcudart.so.12", "libübung.so"}
    assert (found.name, found.search) == ("libme.so.1", ("$ORIGIN/../lib", "/opt"))


def test_elf_files() -> None:
    content = elf(
        "libm.so.6",
        soname="libx.so.1",
        rpath="/not/looked/at",
        runpath="$ORIGIN/a:$ORIGIN/b",
        versions=[("libc.so.6", "GLIBC_2.34"), ("libstdc++.so.6", "GLIBCXX_3.4.29")],
        weak=[("libc.so.6", "GLIBC_2.99")],
    )
    assert read_one(content) == Binary(
        format=Format.ELF,
        machine="x86_64",
        name="libx.so.1",
        needed=("libm.so.6",),
        search=("$ORIGIN/a", "$ORIGIN/b"),
        versions=frozenset([("libc.so.6", "GLIBC_2.34"), ("libstdc++.so.6", "GLIBCXX_3.4.29")]),
    )
    assert read_one(elf(rpath="$ORIGIN")).search == ("$ORIGIN",)
    assert read_one(elf(machine=binaries.AARCH64)).machine == "aarch64"
    assert read_one(elf(machine=999)).machine == "machine 999"


def test_elf_files_of_other_machines_are_only_named() -> None:
    small = b"\x7fELF\x01\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 3, binaries.I386)
    assert read_one(small).machine == "i386 with 32 bits, little-endian"
    big = b"\x7fELF\x02\x02\x01".ljust(16, b"\0") + struct.pack(">HH", 3, 22)
    assert read_one(big).machine == "s390x with 64 bits, big-endian"


def test_static_programs_need_nothing() -> None:
    content = bytearray(elf())
    struct.pack_into("<I", content, 64 + 56, 4)  # a note, in the place of what is dynamic
    assert read_one(bytes(content)) == Binary(format=Format.ELF, machine="x86_64")


@pytest.mark.parametrize("kind", [0xC, 0x8000001F, 0x80000023])
def test_mach_o_files(kind: int) -> None:
    names = ("@rpath/libfirst.1.dylib", "/usr/lib/libSystem.B.dylib", "libplain.dylib")
    rpaths = ["@loader_path/.dylibs", "/opt/lib"]
    content = mach_o(*names, name="/DLC/libme.1.dylib", rpaths=rpaths, macos=(14, 2), kind=kind)
    assert read_one(content) == Binary(
        format=Format.MACH_O,
        machine="arm64",
        name="libme.1.dylib",
        needed=names,
        search=("@loader_path/.dylibs", "/opt/lib"),
        oldest_macos=(14, 2),
    )


def test_libraries_that_macos_can_do_without_are_not_needed() -> None:
    assert read_one(mach_o("@rpath/libmaybe.dylib", kind=0x80000018)).needed == ()


def test_older_mach_o_files_say_their_macos_in_another_way() -> None:
    content = mach_o(macos=(10, 9)).replace(
        struct.pack("<IIIIII", 0x32, 24, 1, 10 << 16 | 9 << 8, 10 << 16 | 9 << 8, 0),
        struct.pack("<IIIIII", 0x24, 24, 10 << 16 | 9 << 8, 0, 0, 0),
    )
    assert read_one(content).oldest_macos == (10, 9)
    assert read_one(mach_o(macos=None)).oldest_macos is None


def test_mach_o_files_for_two_machines() -> None:
    one, two = read_bytes(WHOLE["fat"])
    assert (one.machine, one.needed) == ("arm64", ("a",))
    assert (two.machine, two.needed) == ("x86_64", ("b",))


def test_mach_o_files_for_machines_of_the_past() -> None:
    content = struct.pack(">II", 0xFEEDFACE, 18)
    assert read_one(content) == Binary(format=Format.MACH_O, machine="ppc")


def test_pe_files() -> None:
    found = read_one(WHOLE["pe"])
    assert found == Binary(
        format=Format.PE, machine="AMD64", needed=("kernel32.dll", "python312.dll")
    )
    assert read_one(pe(machine=binaries.PE_ARM64)).needed == ()
    assert read_one(WHOLE["old pe"]).machine == "x86"
    assert read_one(WHOLE["old pe"]).needed == ("kernel32.dll",)


def test_real_pe_files() -> None:
    """Launchers, which a library brings that everybody has who works on this."""
    programs = Path(distlib.__file__).parent
    (found,) = read_binary(programs / "t64.exe")
    assert found.machine == "AMD64"
    assert "kernel32.dll" in found.needed
    assert read_one((programs / "t64-arm.exe").read_bytes()).machine == "ARM64"
    assert read_one((programs / "t32.exe").read_bytes()).machine == "x86"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"MZ".ljust(64, b"\0"), b"INPUT(libfoo.so.1)\n", b"#!/bin/sh\n"),
        struct.pack(">IHH", 0xCAFEBABE, 0, 65),  # a class of Java
    ],
)
def test_what_is_something_else_is_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lib.so"
    file.write_bytes(content)
    assert read_binary(file) == ()
    assert not exports_module(file, "lib")


@pytest.mark.parametrize(
    "content",
    [
        *(b"\x7fELF", b"\x7fELF\x02\x01" + bytes(12)),
        b"\x7fELF\x02\x01".ljust(32, b"\0") + b"\xff" * 32,
        b"\x7fELF\x02\x01".ljust(32, b"\0") + struct.pack("<QQ6xHH", (1 << 63) - 9, 0, 56, 9),
        struct.pack("<I", 0xFEEDFACF),
        struct.pack("<IIIIIIII", 0xFEEDFACF, 0, 0, 6, 5, 1 << 30, 0, 0),
        struct.pack("<IIIIIIII", 0xFEEDFACF, 0, 0, 6, 5, 64, 0, 0) + bytes(64),
        struct.pack(">II", 0xCAFEBABE, 1) + bytes(40),
        b"MZ",
        b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64) + b"PE\0\0",
        WHOLE["pe"].replace(b"\x0b\x02", b"\x0b\x09", 1),
    ],
)
def test_damaged_files_are_said_to_be(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lib.so"
    file.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"^(it|its|a part of it) "):
        read_binary(file)


class Counted(Bytes):
    """Counts how often something is read of a table."""

    tables = 0

    def unpack(self, layout: str, offset: int) -> tuple[Any, ...]:
        self.tables += 1
        return super().unpack(layout, offset)


def test_tables_without_an_end_are_given_up_soon() -> None:
    """Files of a megabyte whose headers promise 65 million entries."""
    version, wanted = struct.pack("<HHIII", 1, 1, 1, 16, 0)[:4], struct.pack("<qQ", 0x6FFFFFFF, 1)
    content = elf(versions=[("libc.so.6", "GLIBC_2.17")])
    content = content.replace(wanted, struct.pack("<qQ", 0x6FFFFFFF, 10_000))
    # Read as either kind of entry, it leads to the next.
    endless = struct.pack("<HHIII", 1, 0xFFFF, 0, 16, 16) * 70_000
    damaged = Counted(content[: content.rindex(version)] + endless)
    with pytest.raises(UnreadableError, match="more entries than those of any sound file"):
        read_elf(damaged)
    assert 50_000 < damaged.tables < 200_000
    many = Counted(pe(*(f"library-{number}.dll" for number in range(3000))))
    (found,) = read_pe(many)
    assert len(found.needed) == 1000
    assert many.tables < 3000


@pytest.mark.parametrize("name", WHOLE)
def test_hostile_files_are_damaged_at_worst(name: str) -> None:
    """Cut anywhere, or with any bytes changed: no other error than this one gets out."""
    content = WHOLE[name]
    chance = random.Random(name)
    step = max(len(content) // 300, 1)
    samples = [content[:size] for size in range(0, len(content), step)]
    for _ in range(1000):
        changed = bytearray(content)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(min(len(changed), 600))] = chance.choice([0, 1, 127, 128, 255])
        samples.append(bytes(changed))
    for sample in samples:
        try:
            read_bytes(sample)
        except UnreadableError:
            continue
