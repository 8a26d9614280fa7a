"""Finding uv, and keeping it from what it should not see."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from pathlib import Path

import pytest

from support.wheels import make_wheel
from venvlayers import uv
from venvlayers.errors import ToolError
from venvlayers.platforms import PLATFORMS, PythonVersion, Targets
from venvlayers.uv.running import MINIMUM_VERSION, require_new_enough

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
    require_new_enough(found.path)


def test_the_oldest_uv_is_the_one_that_is_required_and_run() -> None:
    """``nox -s minimums`` runs what our own metadata says."""
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    (text,) = [text for text in pyproject["project"]["dependencies"] if text.startswith("uv>")]
    assert text == f"uv>={'.'.join(map(str, MINIMUM_VERSION))}"


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
        require_new_enough(tmp_path / "uv")


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


def install_for(directory: Path, platform: str, tag: str, targets: Targets) -> None:
    """Install a wheel with this tag as for these systems."""
    wheel = make_wheel(directory / "wheels", "lib", tag=f"py3-none-{tag}")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    found = f'name = "{wheel.name}", path = "{wheel}", hashes = {{ sha256 = "{digest}" }}'
    package = f'name = "lib"\nversion = "1.0"\nwheels = [{{ {found} }}]\n'
    text = f'lock-version = "1.0"\ncreated-by = "tests"\n[[packages]]\n{package}'
    (directory / "pylock.toml").write_text(text, "utf-8")
    (directory / "pyproject.toml").touch()
    uv.find_uv().install(
        directory,
        directory / "prefix",
        python=PythonVersion(3, 12, 1),
        platform=PLATFORMS[platform],
        targets=targets,
    )


@pytest.mark.parametrize(
    ("platform", "tag", "targets"),
    [
        ("macosx_arm64", "macosx_14_0_arm64", Targets(macos=(14, 2))),
        ("macosx_x86_64", "macosx_12_0_x86_64", Targets(macos=(12, 0))),
        ("linux_x86_64", "manylinux_2_29_x86_64", Targets(glibc=(2, 29))),
        ("linux_aarch64", "manylinux_2_40_aarch64", Targets(glibc=(2, 50))),
    ],
)
def test_b6_b7_uv_installs_what_fits_the_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, tag: str, targets: Targets
) -> None:
    """B6, B7: whatever this machine is, and whatever its environment says."""
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "10.9")
    install_for(tmp_path, platform, tag, targets)
    assert list((tmp_path / "prefix").rglob("lib.py"))


@pytest.mark.parametrize(
    ("platform", "tag", "targets"),
    [
        ("macosx_arm64", "macosx_14_0_arm64", Targets(macos=(13, 0))),
        ("linux_aarch64", "manylinux_2_35_aarch64", Targets(glibc=(2, 34))),
    ],
)
def test_b6_b7_uv_refuses_what_is_for_later_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, tag: str, targets: Targets
) -> None:
    """B6, B7."""
    monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "15.0")
    with pytest.raises(uv.UvFailure):
        install_for(tmp_path, platform, tag, targets)
