"""Finding uv, and keeping it from what it should not see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from venvlayers import uv
from venvlayers.errors import ToolError
from venvlayers.platforms import PLATFORMS, PythonVersion

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def stand_in(directory: Path, says: str, status: int = 0) -> Path:
    """Make a program that answers as some uv would."""
    program = directory / "uv"
    program.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    program.chmod(0o755)
    return program


def test_the_uv_beside_us_is_found_and_is_new_enough() -> None:
    found = uv.find_uv()
    assert found.path.is_file()
    uv.require_new_enough(found.path)


def test_uv_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENVSTACKS_UV", str(tmp_path / "uv"))
    assert uv.find_uv().path == tmp_path / "uv"


def test_uv_of_hatch_or_on_the_path_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="uv was not found") as caught:
        uv.find_uv()
    assert "VENVSTACKS_UV" in str(caught.value)
    program = stand_in(tmp_path, "uv 99.0.0")
    assert uv.find_uv().path == program
    monkeypatch.setenv("HATCH_UV", "/hatch/uv")
    assert uv.find_uv().path == Path("/hatch/uv")


@pytest.mark.parametrize(
    ("says", "status", "message"),
    [
        ("uv 0.4.30 (61ed2a236 2024-11-04)", 0, "uv 0.4.30 is too old"),
        ("pip 25.0", 0, "this is not uv"),
        ("uv 99.0.0", 1, "this is not uv"),
    ],
)
def test_programs_that_will_not_do(tmp_path: Path, says: str, status: int, message: str) -> None:
    program = stand_in(tmp_path, says, status)
    with pytest.raises(ToolError, match=message):
        uv.Uv(path=program).managed_pythons(PLATFORMS["linux_x86_64"])


def test_a_uv_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be started"):
        uv.require_new_enough(tmp_path / "uv")


def test_managed_pythons_are_final_releases_newest_first() -> None:
    for platform in PLATFORMS.values():
        found = uv.find_uv().managed_pythons(platform)
        versions = [python.version for python in found]
        assert versions == sorted(versions, reverse=True)
        assert PythonVersion(3, 14, 0) in versions
        assert all(python.build and python.build.isdigit() for python in found[:5])


def test_failures_carry_what_uv_said(tmp_path: Path) -> None:
    with pytest.raises(uv.UvFailure) as caught:
        uv.find_uv().install(
            tmp_path,
            tmp_path / "prefix",
            python=PythonVersion(3, 12, 1),
            platform=PLATFORMS["linux_x86_64"],
        )
    assert "pylock.toml" in caught.value.output
