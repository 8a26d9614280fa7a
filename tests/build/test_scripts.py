"""Console scripts find the Python beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from venvlayers.build.scripts import make_scripts_relocatable, relocatable

BODY = b"import sys\nprint(sys.argv[1:], sys.executable)\n"


@pytest.mark.parametrize(
    "head",
    [
        b"#!/somewhere/bin/python\n",
        b"#!/somewhere/bin/python3.11 -E\n",
        b"#!/usr/bin/env python3\n",
        b"#!/bin/sh\n'''exec' '/some where/bin/python' \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_every_form_of_python_script_is_rewritten(head: bytes) -> None:
    rewritten = relocatable(head + BODY)
    assert rewritten is not None
    assert b"somewhere" not in rewritten
    assert b"some where" not in rewritten
    assert rewritten.endswith(BODY)
    compile(rewritten, "script", "exec")


@pytest.mark.parametrize("text", [b"#!/bin/sh\necho hello\n", b"#!/usr/bin/perl\n", b"\x7fELF"])
def test_other_programs_stay(text: bytes) -> None:
    assert relocatable(text) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has launchers instead")
def test_a_script_runs_from_anywhere(tmp_path: Path) -> None:
    bin_dir = tmp_path / "with späce" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "python").symlink_to(sys.executable)
    (bin_dir / "tool").write_bytes(b"#!/nowhere/python\n" + BODY)
    (bin_dir / "data").write_bytes(b"no script")
    (bin_dir / "subfolder").mkdir()
    (tmp_path / "link").symlink_to(bin_dir / "tool")
    make_scripts_relocatable(bin_dir)
    for program in (bin_dir / "tool", tmp_path / "link"):
        output = subprocess.run([program, "a b", "ü"], capture_output=True, text=True, check=True)
        assert output.stdout == f"['a b', 'ü'] {bin_dir / 'python'}\n"
    assert (bin_dir / "data").read_bytes() == b"no script"


def test_an_environment_without_programs(tmp_path: Path) -> None:
    make_scripts_relocatable(tmp_path / "bin")
    assert not (tmp_path / "bin").exists()
