"""Finding uv, and keeping it from what it should not see."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from support.wheels import make_wheel
from venvlayers import uv
from venvlayers.errors import ToolError
from venvlayers.platforms import PLATFORMS, PythonVersion, Targets

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


@pytest.mark.parametrize(
    ("platform", "tag", "targets", "fits"),
    [
        ("macosx_arm64", "macosx_14_0_arm64", Targets(macos=(14, 2)), True),
        ("macosx_arm64", "macosx_14_0_arm64", Targets(macos=(13, 0)), False),
        ("macosx_x86_64", "macosx_12_0_x86_64", Targets(macos=(12, 0)), True),
        ("linux_x86_64", "manylinux_2_29_x86_64", Targets(glibc=(2, 29)), True),
        ("linux_aarch64", "manylinux_2_40_aarch64", Targets(glibc=(2, 50)), True),
        ("linux_aarch64", "manylinux_2_35_aarch64", Targets(glibc=(2, 34)), False),
    ],
)
def test_b6_b7_uv_installs_what_fits_the_targets(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    tag: str,
    targets: Targets,
    fits: bool,
) -> None:
    """B6, B7: whatever this machine is, and whatever its environment says."""
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "10.9")
    wheel = make_wheel(tmp_path / "wheels", "lib", tag=f"py3-none-{tag}")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "pylock.toml").write_text(
        f"""
        lock-version = "1.0"
        created-by = "tests"
        [[packages]]
        name = "lib"
        version = "1.0"
        wheels = [{{ name = "{wheel.name}", path = "{wheel}", hashes = {{ sha256 = "{digest}" }} }}]
        """,
        "utf-8",
    )
    (tmp_path / "pyproject.toml").touch()
    try:
        uv.find_uv().install(
            tmp_path,
            tmp_path / "prefix",
            python=PythonVersion(3, 12, 1),
            platform=PLATFORMS[platform],
            targets=targets,
        )
        installed = True
    except uv.UvFailure:
        installed = False
    assert installed == fits
