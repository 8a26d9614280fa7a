"""A runtime is made once, and copied from then on; what is kept and what was built stay apart."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from venvlayers.build.runtime import kept
from venvlayers.build.runtime.kept import provide
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.cache.place import runtimes
from venvlayers.errors import BuildError
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PLATFORMS, Platform, PythonVersion
from venvlayers.report import silent
from venvlayers.spec.model import PythonRequest

LINUX = PLATFORMS["linux_x86_64"]
PIN = PythonPin(implementation="cpython", version=PythonVersion(3, 12, 7), source="made", build="1")


class Source:
    """A runtime source, as a plugin could be; it counts."""

    name = "made"

    def __init__(self) -> None:
        self.made = 0
        self.now = "one"

    def find(
        self, request: PythonRequest, platforms: tuple[Platform, ...], context: RuntimeContext
    ) -> PythonPin:
        raise NotImplementedError

    def fingerprint(self, pin: PythonPin, platform: Platform, context: RuntimeContext) -> str:
        return self.now

    def materialize(
        self, pin: PythonPin, platform: Platform, destination: Path, context: RuntimeContext
    ) -> None:
        self.made += 1
        (destination / "bin").mkdir(parents=True)
        (destination / "lib/empty").mkdir(parents=True)
        (destination / "bin/python3.12").write_bytes(self.now.encode() * 300_000)
        (destination / "bin/python3.12").chmod(0o755)
        (destination / "bin/python").symlink_to("python3.12")
        (destination / "lib/os.py").write_text("")


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def context(tmp_path: Path) -> RuntimeContext:
    return RuntimeContext(reporter=silent(), work_dir=tmp_path)


def listing(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        told = path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        found[path.relative_to(root).as_posix()] = oct(status.st_mode), told
    return found


def test_x9_it_is_made_once_and_no_file_is_shared(
    tmp_path: Path, source: Source, context: RuntimeContext
) -> None:
    provide(source, PIN, LINUX, tmp_path / "first", context)
    provide(source, PIN, LINUX, tmp_path / "second", context)
    assert source.made == 1
    assert listing(tmp_path / "first") == listing(tmp_path / "second")
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {path.stat().st_nlink for path in files} == {1}
    (tmp_path / "first/lib/os.py").write_text("edited")
    provide(source, PIN, LINUX, tmp_path / "third", context)
    assert listing(tmp_path / "second") == listing(tmp_path / "third")


def test_another_one_is_made(tmp_path: Path, source: Source, context: RuntimeContext) -> None:
    provide(source, PIN, LINUX, tmp_path / "linux", context)
    provide(source, PIN, PLATFORMS["linux_aarch64"], tmp_path / "arm", context)
    source.now = "two"
    provide(source, PIN, LINUX, tmp_path / "newer", context)
    assert source.made == 3
    assert (tmp_path / "newer/bin/python").read_bytes()[:3] == b"two"


@pytest.mark.parametrize("name", ["lib/os.py", "bin/python3.12"])
def test_a_kept_one_that_was_touched_does_not_count(
    tmp_path: Path, source: Source, context: RuntimeContext, name: str
) -> None:
    provide(source, PIN, LINUX, tmp_path / "first", context)
    (there,) = runtimes().glob(f"*/{name}")
    with there.open("r+b") as file:
        file.write(b"edited")
    provide(source, PIN, LINUX, tmp_path / "second", context)
    assert source.made == 2
    assert listing(tmp_path / "first") == listing(tmp_path / "second")
    provide(source, PIN, LINUX, tmp_path / "third", context)
    assert source.made == 2


def test_one_that_goes_while_it_is_copied(
    tmp_path: Path, source: Source, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    provide(source, PIN, LINUX, tmp_path / "first", context)
    copy = kept._copy

    def copy_and_lose(old: Path, new: Path) -> None:
        copy(old, new)
        if new == tmp_path / "second":
            (new / "lib/os.py").unlink()
            (old / "lib/os.py").unlink()

    monkeypatch.setattr(kept, "_copy", copy_and_lose)
    provide(source, PIN, LINUX, tmp_path / "second", context)
    assert listing(tmp_path / "first") == listing(tmp_path / "second")


def test_where_no_process_can_copy(
    tmp_path: Path, source: Source, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where Python is a part of some other program: it is copied by this one."""
    (tmp_path / "no-python").write_text("#!/bin/sh\nmkdir -p $5/half\nexit 1\n")
    (tmp_path / "no-python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    provide(source, PIN, LINUX, tmp_path / "first", context)
    provide(source, PIN, LINUX, tmp_path / "second", context)
    assert source.made == 1
    assert listing(tmp_path / "first") == listing(tmp_path / "second")


def test_where_nothing_can_be_kept(
    tmp_path: Path, source: Source, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENVSTACKS_CACHE_SIZE", "0")
    provide(source, PIN, LINUX, tmp_path / "none", context)
    assert not runtimes().exists()
    monkeypatch.delenv("VENVSTACKS_CACHE_SIZE")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VENVSTACKS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    provide(source, PIN, LINUX, tmp_path / "first", context)
    provide(source, PIN, LINUX, tmp_path / "second", context)
    assert source.made == 3


def test_what_cannot_be_made_is_told(
    tmp_path: Path, source: Source, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise BuildError("no")

    monkeypatch.setattr(source, "materialize", fail)
    with pytest.raises(BuildError, match="no"):
        provide(source, PIN, LINUX, tmp_path / "first", context)
    assert not runtimes().exists()


def test_those_that_are_not_used_go(
    tmp_path: Path, source: Source, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_MOST", 2)
    for number, now in enumerate(("one", "two", "one", "three", "one")):
        source.now = now
        provide(source, PIN, LINUX, tmp_path / str(number), context)
        for seal in runtimes().glob("*.seal"):  # an hour passes
            time = seal.stat().st_mtime - 3600
            os.utime(seal, (time, time))
    assert source.made == 3
    assert len(list(runtimes().iterdir())) == 4


def test_what_a_killed_process_left_goes_after_a_day(
    tmp_path: Path, source: Source, context: RuntimeContext
) -> None:
    for name, days in (("new-old", 2), ("unsealed", 2), ("new-young", 0)):
        place = runtimes() / name
        (place / "runtime").mkdir(parents=True)
        before = place.stat().st_mtime - days * 24 * 3600
        os.utime(place, (before, before))
    provide(source, PIN, LINUX, tmp_path / "first", context)
    names = {path.name for path in runtimes().iterdir()}
    assert "new-young" in names
    assert not names & {"new-old", "unsealed"}
