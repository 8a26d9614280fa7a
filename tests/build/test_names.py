"""`names.py`: what could not be unpacked on the target is refused, every such name at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.layers import FileContent, write_files
from venvlayers.build.names import require_names
from venvlayers.errors import BuildError
from venvlayers.platforms import PLATFORMS
from venvlayers.report import Kind, LineReporter

LINUX, MAC, WINDOWS = (PLATFORMS[name] for name in ("linux_x86_64", "macosx_arm64", "win_arm64"))


def checked(env: Path, name: str) -> tuple[str, list[str]]:
    """Return what is said against a layer for this platform, and the warnings."""
    warnings: list[str] = []

    def say(kind: Kind, text: str) -> None:
        assert kind is Kind.WARNING
        warnings.append(text)

    try:
        require_names(env, PLATFORMS[name], "app-demo", LineReporter(say))
    except BuildError as error:
        return str(error), warnings
    return "", warnings


def made(root: Path, *names: str, **files: FileContent) -> Path:
    write_files(root, {**dict.fromkeys(names, b""), **files})
    return root


def test_ordinary_names_are_fine(tmp_path: Path) -> None:
    env = made(tmp_path / "e", "Lib/site-packages/con_x.py", "Lib/aux1/x.y.z", "Scripts/a b.exe")
    for name in PLATFORMS:
        assert checked(env, name) == ("", [])


@pytest.mark.parametrize(
    "name",
    ["pkg/aux.py", "pkg/NUL", "com1/x", "pkg/LPT9.tar.gz", "pkg/end.", "pkg/end ", "pkg/a:b", "a?"],
)
def test_names_that_windows_cannot_have(tmp_path: Path, name: str) -> None:
    env = made(tmp_path / "e", name)
    said, _ = checked(env, "win_amd64")
    assert said.startswith("app-demo cannot be unpacked on win_amd64:\n  - ")
    assert name.partition("/")[0] in said
    assert "leave win_amd64 out of `platforms`" in said
    assert checked(env, "macosx_arm64") == checked(env, "linux_aarch64") == ("", [])


def test_names_that_differ_by_case_alone(tmp_path: Path) -> None:
    env = made(
        tmp_path / "e", "pkg/Data.py", "pkg/data.py", "lib/x", "Lib/y", "de/\u00e9", "de/e\u0301"
    )
    assert checked(env, "linux_x86_64") == ("", [])
    for name in ("macosx_arm64", "win_amd64"):
        said, _ = checked(env, name)
        assert "pkg/Data.py and pkg/data.py are the same file there" in said
        assert "de/e\u0301 and de/\u00e9 are the same file there" in said
        assert said.count("  - ") == 2, "directories may differ by that"


def test_a_link_has_no_place_on_windows(tmp_path: Path) -> None:
    env = made(tmp_path / "e", "bin/a")
    (env / "bin" / "b").symlink_to("a")
    assert "bin/b is a symlink" in checked(env, "win_amd64")[0]
    assert checked(env, "macosx_x86_64") == ("", [])


def test_long_paths(tmp_path: Path) -> None:
    """MAX_PATH: a warning names the room that is left; what fits nowhere is refused."""
    deep = "x" * 90
    env = made(tmp_path / "e", f"{deep}/{'y' * 85}.py")
    said, (warning,) = checked(env, "win_amd64")
    assert said == ""
    assert "directories of at most 70 characters" in warning
    assert f"because of {deep}/" in warning
    (env / deep / ("z" * 158)).write_bytes(b"")
    said, warnings = checked(env, "win_amd64")
    assert f"{deep}/zzz" in said
    assert "is longer than any path may be" in said
    assert "yyy" not in said
    assert warnings == []
    assert checked(env, "macosx_x86_64") == ("", [])


def test_a_great_many_are_counted(tmp_path: Path) -> None:
    env = made(tmp_path / "e", *(f"{number}." for number in range(14)))
    said, _ = checked(env, "win_amd64")
    assert said.count("ends with a dot") == 10
    assert "  - and 4 more" in said
