"""What is said about platforms, against what knows better: packaging and the running machine."""

from __future__ import annotations

import platform as running
import sys

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import sys_tags

from venvlayers.lock.divide import marker_for
from venvlayers.lock.wheels import supported_tags
from venvlayers.platforms import (
    PLATFORMS,
    Interpreter,
    PythonVersion,
    host_platform,
    platform_called_otherwise,
)

HERE = Interpreter("cpython", PythonVersion.parse(running.python_version()))
PYPY = Interpreter("pypy", PythonVersion(3, 9, 16), "7.3.11")
LINUX = PLATFORMS["linux_x86_64"]


def test_markers_of_this_machine_are_those_of_packaging() -> None:
    """#331, H8."""
    ours = host_platform().marker_environment(HERE)
    theirs = dict(default_environment())
    for unknowable in ("platform_release", "platform_version"):
        assert ours.pop(unknowable) == ""
        theirs.pop(unknowable)
    assert ours == {name: theirs[name] for name in ours}
    assert set(ours) == set(theirs)


def test_markers_of_pypy_are_what_it_says_of_itself() -> None:
    """#331, C1: what `packaging` finds under Debian's PyPy 7.3.11."""
    told = {
        "implementation_name": "pypy",
        "implementation_version": "7.3.11",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "PyPy",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.9.16",
        "python_version": "3.9",
        "sys_platform": "linux",
    }
    assert LINUX.marker_environment(PYPY) == told
    unknown = LINUX.marker_environment(Interpreter("pypy", PYPY.version))
    assert unknown == {**told, "implementation_version": "3.9.16"}


def test_the_marker_of_a_python_is_true_for_it_alone() -> None:
    """#331."""
    other = Interpreter("pypy", PythonVersion(3, 9, 17), "7.3.12")
    pythons = [HERE, Interpreter("cpython", PYPY.version), PYPY, other]
    for python in pythons:
        marker = Marker(python.marker)
        true = [p for p in pythons if marker.evaluate(dict(LINUX.marker_environment(p)))]
        assert true == [python]


def test_tags_of_pypy_are_those_of_its_own_extensions_and_of_any_python() -> None:
    """C1."""
    tags = [str(tag) for tag in supported_tags(LINUX, PYPY)]
    assert tags[:2] == ["pp39-pypy39_pp73-linux_x86_64", "pp39-pypy39_pp73-manylinux_2_28_x86_64"]
    assert {"pp39-none-manylinux2014_x86_64", "py39-none-any", "pp3-none-any"} <= set(tags)
    assert not [tag for tag in tags if tag.startswith("cp") or "abi3" in tag]
    later = Interpreter("pypy", PythonVersion(3, 12, 15), "8.0.1")
    assert later.pypy_abi == "pypy312_pp80"
    unknown = supported_tags(LINUX, Interpreter("pypy", PYPY.version))
    assert {tag.abi for tag in unknown} == {"none"}
    assert HERE.pypy_abi is None


def test_pypy_has_a_library_and_programs_of_its_own_name() -> None:
    """C1."""
    assert LINUX.site_packages(PYPY) == "lib/pypy3.9/site-packages"
    assert LINUX.runtime_python(PYPY) == "bin/pypy3.9"
    assert PYPY.aliases == ("python3", "python3.9", "pypy", "pypy3", "pypy3.9")
    windows = PLATFORMS["win_amd64"]
    assert windows.site_packages(PYPY) == "Lib/site-packages"
    assert windows.runtime_python(PYPY) == "python.exe"
    assert str(PYPY) == "PyPy 3.9.16"


@pytest.mark.skipif(sys.platform != "linux", reason="the tags of Linux")
def test_tags_of_this_machine_are_a_part_of_those_of_packaging_in_their_order() -> None:
    ours = supported_tags(host_platform(), HERE)
    theirs = [tag for tag in sys_tags() if tag in set(ours)]
    assert [tag for tag in ours if tag in set(theirs)] == theirs
    assert len(theirs) > 200


def test_each_marker_is_true_on_its_platform_alone() -> None:
    for name, platform in PLATFORMS.items():
        true_on = [
            other
            for other, value in PLATFORMS.items()
            if Marker(platform.marker).evaluate(dict(value.marker_environment(HERE)))
        ]
        assert true_on == [name]


@pytest.mark.parametrize("count", range(1, 64))
def test_markers_for_any_set_of_platforms_are_exact(count: int) -> None:
    everything = list(PLATFORMS.values())
    chosen = [platform for bit, platform in enumerate(everything) if count >> bit & 1]
    text = marker_for(chosen, everything)
    true_on = [
        platform
        for platform in everything
        if text is None or Marker(text).evaluate(dict(platform.marker_environment(HERE)))
    ]
    assert true_on == chosen


def test_versions() -> None:
    series, exact = PythonVersion.parse("3.12"), PythonVersion.parse("3.12.7")
    assert (str(series), str(exact), exact.series) == ("3.12", "3.12.7", "3.12")
    assert series.admits(exact)
    assert exact.admits(exact)
    assert not exact.admits(PythonVersion(3, 12, 8))
    assert not series.admits(PythonVersion(3, 13, 7))
    for text in ("3", "3.12.7.1", "3.x", "", "3.12rc1", "3.१२"):
        with pytest.raises(ValueError, match="not a Python version"):
            PythonVersion.parse(text)


def test_windows_has_its_own_layout() -> None:
    windows = PLATFORMS["win_arm64"]
    assert windows.site_packages(HERE) == "Lib/site-packages"
    assert windows.environment_python == "Scripts/python.exe"
    assert windows.runtime_python(HERE) == "python.exe"
    assert windows.bin_dir == "Scripts"
    assert windows.wheel_platforms() == ("win_arm64",)
    assert windows.uv_platform() == "aarch64-pc-windows-msvc"


def test_macos_goes_back_to_its_oldest_version() -> None:
    tags = PLATFORMS["macosx_arm64"].wheel_platforms()
    assert tags[0] == "macosx_13_0_arm64"
    assert "macosx_11_0_universal2" in tags
    assert PLATFORMS["macosx_arm64"].uv_platform() == "aarch64-apple-darwin"


def test_a_machine_that_is_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "machine", lambda: "riscv64")
    with pytest.raises(LookupError, match="riscv64"):
        host_platform()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("linux_amd64", "linux_x86_64"),
        ("linux-arm64", "linux_aarch64"),
        ("macos_x64", "macosx_x86_64"),
        ("darwin-aarch64", "macosx_arm64"),
        ("win-arm64", "win_arm64"),
        ("Windows-x64", "win_amd64"),
    ],
)
def test_what_others_call_a_platform(theirs: str, ours: str) -> None:
    assert platform_called_otherwise(theirs) is PLATFORMS[ours]


def test_a_platform_that_nobody_makes() -> None:
    assert platform_called_otherwise("plan9_mips") is None
    assert platform_called_otherwise("linux") is None
