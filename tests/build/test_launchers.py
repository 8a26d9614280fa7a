"""The bytes of programs, for platforms that are not this one too."""

from __future__ import annotations

import io
import os
import runpy
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from venvlayers.build.launchers import (
    beside_python,
    is_relocatable,
    posix_program,
    windows_program,
)
from venvlayers.build.scheme import Scheme
from venvlayers.build.scripts import code, program, without_shebang
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion
from venvlayers.spec.model import Launch

PYTHON = Interpreter("cpython", PythonVersion(3, 12, 1))
WINDOWS = [platform for platform in PLATFORMS.values() if platform.is_windows]
BODY = b"import sys\nprint(sys.argv[1:], sys.executable)\n"


@pytest.mark.parametrize(
    "head",
    [
        b"#!/somewhere/bin/python\n",
        b"#!/somewhere/bin/python3.11 -E\n",
        b"#!/usr/bin/env python3\n",
        b"#!python\n",
        b"#!/bin/sh\n'''exec' '/some where/bin/python' \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_every_form_of_python_script_is_known(head: bytes) -> None:
    assert without_shebang(head + BODY) == BODY


@pytest.mark.parametrize("text", [b"#!/bin/sh\necho hello\n", b"#!/usr/bin/perl\n", b"\x7fELF"])
def test_other_programs_are_not(text: bytes) -> None:
    assert without_shebang(text) is None


def test_a_program_is_python_and_says_what_it_said(tmp_path: Path) -> None:
    scripts = {
        "plain": BODY,
        "future": b"from __future__ import annotations\n",
        "both": b'# what\n\n"""Documented."""\nfrom __future__ import annotations\n',
        "raw": b'r"""Documented \\d."""\n',
        "coding": '# coding: latin-1\n"""Documentäd."""\nassert ord("ä") == 228\n'.encode(
            "latin-1"
        ),
        "no docstring": b'"text".upper()\n',
        "of another Python": b"'%s' % print\nprint 1\n",
        "empty": b"",
    }
    for name, text in scripts.items():
        made = tmp_path / name
        made.write_bytes(posix_program(text))
        assert is_relocatable(made)
        if name == "of another Python":
            continue
        compile(made.read_bytes(), name, "exec")
        found = runpy.run_path(str(made), run_name="imported")["__doc__"]
        assert ("Document" in found) == (b"Document" in text)


@pytest.mark.skipif(os.name == "nt", reason="Windows has launchers instead")
@pytest.mark.skipif(sys.version_info < (3, 9), reason="of the tests' own Python")
def test_a_script_runs_from_anywhere(tmp_path: Path) -> None:
    bin_dir = tmp_path / "with späce" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "python").symlink_to(sys.executable)
    (bin_dir / "tool").write_bytes(posix_program(BODY))
    (bin_dir / "tool").chmod(0o755)
    (tmp_path / "link").symlink_to(bin_dir / "tool")
    for called in (bin_dir / "tool", tmp_path / "link"):
        output = subprocess.run([called, "a b", "ü"], capture_output=True, text=True, check=True)
        assert output.stdout == f"['a b', 'ü'] {bin_dir / 'python'}\n"


@pytest.mark.parametrize("platform", WINDOWS, ids=str)
def test_windows_programs(platform: object, tmp_path: Path) -> None:
    """A program for the machine, a line that is relative to it, and a zip that Python runs."""
    machines = {"AMD64": 0x8664, "ARM64": 0xAA64}  # of a COFF header
    scheme = Scheme(platform=platform, python=PYTHON)  # type: ignore[arg-type]
    function = Launch(module="json", attribute="dumps.__call__")
    for gui, python in ((False, b"python.exe"), (True, b"pythonw.exe")):
        for in_runtime, place in ((False, b""), (True, b"..\\")):
            text = code(function, exe=True)
            made = program(text, scheme, in_runtime=in_runtime, gui=gui)
            assert made[:2] == b"MZ"
            header = struct.unpack_from("<I", made, 0x3C)[0]
            assert made[header : header + 4] == b"PE\0\0"
            machine = struct.unpack_from("<H", made, header + 4)[0]
            assert machine == machines[scheme.platform.machine]
            subsystem = struct.unpack_from("<H", made, header + 24 + 68)[0]
            assert subsystem == (2 if gui else 3)  # with windows, or with a console
            start = made.index(b"PK\3\4", made.rindex(b"#!<launcher_dir>"))
            assert made[:start].endswith(b"#!<launcher_dir>\\" + place + python + b"\r\n")
            with zipfile.ZipFile(io.BytesIO(made)) as archive:
                (entry,) = archive.infolist()
                assert (entry.filename, entry.date_time) == ("__main__.py", (1980, 1, 1, 0, 0, 0))
                assert archive.read(entry) == text
            assert made == program(text, scheme, in_runtime=in_runtime, gui=gui)
            assert beside_python(made) == program(text, scheme, in_runtime=False, gui=gui)
            (tmp_path / "tool.exe").write_bytes(made)
            assert is_relocatable(tmp_path / "tool.exe")
    (tmp_path / "other.exe").write_bytes(b"MZ")
    assert not is_relocatable(tmp_path / "other.exe")
    assert not is_relocatable(tmp_path / "missing")


def test_what_windows_runs_is_python(tmp_path: Path) -> None:
    """Python is given the program itself, and reads the zip at its end."""
    (tmp_path / "demo.py").write_text(
        "import sys\ndef main():\n    print(sys.argv)\n    return 4\n"
    )
    text = code(Launch(module="demo", attribute="main"), exe=True)
    made = tmp_path / "demo.exe"
    made.write_bytes(windows_program(text, WINDOWS[0], python="python.exe"))
    result = subprocess.run(
        [sys.executable, made, "a"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (4, "")
    assert result.stdout == f"{[str(tmp_path / 'demo'), 'a']}\n"
