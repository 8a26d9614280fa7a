"""Extension modules for other platforms and Pythons: those that matter are found, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import program_files as binaries
from support.checked import checked_layer, found
from support.program_files import elf, mach_o, pe, universal
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PLATFORMS, PythonVersion

LINUX, MAC, WINDOWS = (PLATFORMS[name] for name in ("linux_x86_64", "macosx_arm64", "win_amd64"))
FITTING = {
    "linux_x86_64": elf(),
    "linux_aarch64": elf(machine=binaries.AARCH64),
    "macosx_arm64": mach_o(),
    "macosx_x86_64": universal(mach_o(), mach_o(machine=binaries.MACH_X86_64)),
    "win_amd64": pe(),
    "win_arm64": pe(machine=binaries.PE_ARM64),
}


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=str)
def test_modules_for_the_platform_are_all_right(tmp_path: Path, platform: object) -> None:
    """On every platform, with the name that its Python gives to modules."""
    here = PLATFORMS[str(platform)]
    python = PythonPin(implementation="cpython", version=PythonVersion(3, 12, 7), source="managed")
    files = {
        f"pkg/_speed{suffix}": FITTING[here.name]
        for suffix in here.extension_suffixes(python.interpreter)
    }
    layer = checked_layer(tmp_path, {"pkg": files}, platform=here, python=python)
    assert found(layer) == []
    for name, content in FITTING.items():
        if name != here.name and content != FITTING["macosx_x86_64"]:
            files = dict.fromkeys(files, content)
            layer = checked_layer(tmp_path, {"pkg": files}, platform=here, python=python)
            ((severity, kind, _text), *_others) = found(layer)
            assert (severity, kind) == ("error", "foreign-module")


def test_the_finding_says_what_is_where(tmp_path: Path) -> None:
    suffix = ".cpython-312-x86_64-linux-gnu.so"
    files = {
        f"pkg/_one{suffix}": elf(machine=binaries.AARCH64),
        f"pkg/_two{suffix}": elf(machine=binaries.AARCH64),
        f"pkg/_mac{suffix}": FITTING["macosx_x86_64"],
        f"pkg/_text{suffix}": b"version https://git-lfs\n",
    }
    layer = checked_layer(tmp_path, {"My.Pkg": files})
    begin = "framework-checked: my-pkg: lib/python3.12/site-packages/pkg/"
    assert sorted(text for _, _, text in found(layer)) == [
        (
            f"{begin}_mac{suffix} is for macOS on arm64 and x86_64, and the layer is for "
            "linux_x86_64; ask who made the wheel for another one [foreign-module]"
        ),
        (
            f"{begin}_one{suffix} (and 1 more) is for aarch64, and the layer is for "
            "linux_x86_64; ask who made the wheel for another one [foreign-module]"
        ),
        (
            f"{begin}_text{suffix} is neither a library nor an extension module, and the layer is "
            "for linux_x86_64; ask who made the wheel for another one [foreign-module]"
        ),
    ]


def test_a_wheel_that_claims_nothing_is_only_warned_of(tmp_path: Path) -> None:
    files = {"pkg/_speed.so": mach_o(exports="_PyInit__speed")}
    layer = checked_layer(tmp_path, {"pkg": files}, tag="py3-none-any")
    assert [entry[:2] for entry in found(layer)] == [("warning", "foreign-module")]


@pytest.mark.parametrize(
    "files",
    [
        # Tools for processes of other kinds, as debuggers have them: no modules.
        {"pkg/attach_x86.so": elf(machine=binaries.I386), "pkg/attach.dylib": mach_o()},
        {"pkg/lib/libtool.so": elf(machine=binaries.AARCH64, exports="PyInit_libtool")},
        # One for each platform, and code that takes the right one.
        {
            "pkg/linux/engine.so": elf(exports="PyInit_engine"),
            "pkg/arm/engine.so": elf(machine=binaries.AARCH64, exports="PyInit_engine"),
            "pkg/darwin/engine.so": mach_o(exports="_PyInit_engine"),
        },
        # One for each Python, and one that fits.
        {
            "pkg/_speed.cpython-311-x86_64-linux-gnu.so": elf(),
            "pkg/_speed.cpython-312-x86_64-linux-gnu.so": elf(),
            "pkg/_speed.cpython-312-darwin.so": mach_o(),
        },
        # With a module in Python beside it.
        {"pkg/_speed.cpython-311-x86_64-linux-gnu.so": elf(), "pkg/_speed.py": b""},
        {"pkg/_speed.cpython-311-x86_64-linux-gnu.so": elf(), "pkg/_speed/__init__.py": b""},
        # Where nothing can be imported from.
        {"pkg-data/_speed.cpython-312-x86_64-linux-gnu.so": mach_o()},
        {"pkg/text.so": b"INPUT(libfoo.so.1)\n"},
        {"pkg/_speed.cp39-win_amd64.pyd": pe()},
    ],
)
def test_what_packages_do_on_purpose_is_no_finding(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert found(checked_layer(tmp_path, {"pkg": files})) == []


def test_modules_for_other_pythons_only(tmp_path: Path) -> None:
    old = ".cpython-311-x86_64-linux-gnu.so"
    files = {f"pkg/_speed{old}": elf(), "pkg/_speed.pypy311-pp73-x86_64-linux-gnu.so": elf()}
    layer = checked_layer(tmp_path, {"pkg": files})
    assert found(layer) == [
        (
            "error",
            "other-python",
            (
                "framework-checked: pkg: lib/python3.12/site-packages/pkg/_speed"
                f"{old} (and 1 more) cannot be imported by CPython 3.12.7 on linux_x86_64, by its"
                " name; ask who made the wheel for another one [other-python]"
            ),
        )
    ]
    # Left over from the build of another wheel, or not needed: the rest of it works.
    files["pkg/_core.abi3.so"] = elf()
    layer = checked_layer(tmp_path, {"pkg": files})
    assert [entry[0] for entry in found(layer)] == ["warning"]
    layer = checked_layer(tmp_path, {"pkg": {f"pkg/_a{old}": elf()}}, tag="py3-none-linux_x86_64")
    assert [entry[0] for entry in found(layer)] == ["warning"]


def test_pypy_imports_its_own_modules_only(tmp_path: Path) -> None:
    """C1: and has no stable ABI."""
    pypy = PythonPin(
        implementation="pypy", version=PythonVersion(3, 11, 13), source="managed", build="7.3.20"
    )
    site = "lib/pypy3.11/site-packages"
    layer = checked_layer(tmp_path, python=pypy)
    assert found(layer) == []
    suffixes = LINUX.extension_suffixes(pypy.interpreter)
    assert suffixes == (".pypy311-pp73-x86_64-linux-gnu.so", ".so")
    layer = checked_layer(
        tmp_path,
        others={
            f"{site}/_a{suffixes[0]}": elf(),
            f"{site}/_b.abi3.so": elf(),
        },
        python=pypy,
    )
    others = [entry for entry in found(layer) if entry[1] == "other-python"]
    assert len(others) == 1
    assert "_b.abi3.so cannot be imported by PyPy 3.11.13" in others[0][2]


@pytest.mark.parametrize(("content", "severity"), [(elf()[:100], "error"), (b"\x7fELF", "error")])
def test_damaged_modules(tmp_path: Path, content: bytes, severity: str) -> None:
    files = {"pkg/_speed.abi3.so": content}
    ((said, kind, text),) = found(checked_layer(tmp_path, {"pkg": files}))
    assert (said, kind) == (severity, "damaged-file")
    assert "cannot be imported: it ends before what its header promises" in text


def test_damaged_libraries(tmp_path: Path) -> None:
    """They may never be used."""
    files = {"pkg/libs/libbroken.so.1": elf()[:100]}
    ((said, kind, text),) = found(checked_layer(tmp_path, {"pkg": files}))
    assert (said, kind) == ("warning", "damaged-file")
    assert "libbroken.so.1 cannot be read: " in text


def test_an_interpreters_own_modules_are_looked_at(tmp_path: Path) -> None:
    from support.layers import Link, Program  # noqa: PLC0415
    from venvlayers.spec.kinds import LayerKind  # noqa: PLC0415

    others = {
        "bin/python3.12": Program(elf("libc.so.6")),
        "bin/python": Link("python3.12"),
        "lib/python3.12/lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so": elf(machine=183),
        "lib/python3.12/lib-dynload/_zlib.cpython-312-x86_64-linux-gnu.so": elf(),
        "lib/python3.12/os.py": b"import sys\n",
    }
    layer = checked_layer(tmp_path, kind=LayerKind.RUNTIME, name="cpython", others=others)
    ((severity, kind, text),) = found(layer)
    assert (severity, kind) == ("error", "foreign-module")
    assert text.startswith("cpython: lib/python3.12/lib-dynload/_ssl.")
