"""``venvstacks cache``: what is kept, and removing it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from support.command import venvstacks
from support.hatch import Result
from support.mounts import needs_mounts, read_only
from venvlayers.cache.held import using
from venvlayers.cache.place import cache_directory, download_cache, frame_cache, local_record
from venvlayers.cache.store import FrameStore
from venvlayers.cli import main

KEYS = tuple(f"{number:02x}" * 32 for number in range(6))


def apart(*arguments: str, **more: Any) -> Result:
    """Run ``venvstacks cache`` in a process of its own, in an empty directory."""
    return venvstacks("cache", *arguments, cwd=cache_directory().parent, **more)


def cache(*arguments: str, check: bool = False, env: Mapping[str, str] | None = None) -> Result:
    """Run ``venvstacks cache`` in this process."""
    output, errors = io.StringIO(), io.StringIO()
    status: Any = 0
    with patch.dict(os.environ, env or {}), redirect_stdout(output), redirect_stderr(errors):
        try:
            main(["cache", *arguments])
        except SystemExit as end:
            status = end.code
    assert not (check and status), errors.getvalue()
    return Result(returncode=status, stdout=output.getvalue(), stderr=errors.getvalue(), seconds=0)


def said(*arguments: str, run: Callable[..., Result] = cache, **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*arguments, "--json", check=True, **more).stdout)
    return document


@pytest.fixture
def filled() -> FrameStore:
    """Give the user's store with six frames, oldest first, and the rest of a cache."""
    store = FrameStore(frame_cache())
    for number, key in enumerate(KEYS):
        with store.new(key) as new:
            new.write(bytes(100_000))
            new.commit({}).close()
        os.utime(store.directory / "v1" / key[:2] / key, (number, number))
    download_cache().mkdir()
    (download_cache() / "abc-cpython.tar.gz").write_bytes(bytes(5000))
    local_record().write_text("{}")
    (cache_directory() / "verified").mkdir()
    (cache_directory() / "verified" / ("0" * 64)).touch()
    (cache_directory() / "headers").mkdir()
    (cache_directory() / "headers" / ("0" * 64)).write_bytes(bytes(20))
    (cache_directory() / "checks").mkdir()
    (cache_directory() / "checks" / ("0" * 64)).write_bytes(bytes(30))
    return store


def everything() -> list[str]:
    root = cache_directory()
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache("dir", check=True).stdout == f"{cache_directory()}\n"
    monkeypatch.delenv("VENVSTACKS_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = venvstacks("cache", "dir", cwd=tmp_path, check=True).stdout
    assert shown == f"{cache_directory()}\n"
    assert Path(shown.strip()).name == "venvstacks"
    assert not Path(shown.strip()).exists()


def test_an_empty_cache() -> None:
    assert cache("info", check=True).stdout == (
        f"directory: {cache_directory()}\nframes: 0, 0 B (at most 5.00 GB)\n"
    )
    assert cache("prune", check=True).stdout.startswith("removed: 0 frames, 0 B\n")
    assert cache("clean", check=True).stdout == f"removed: 0 B from {cache_directory()}\n"
    assert not cache_directory().exists()


def test_what_is_there_is_shown(filled: FrameStore) -> None:
    (filled.directory / "v2" / "ab").mkdir(parents=True)
    (filled.directory / "v2" / "ab" / "later").write_bytes(bytes(10))
    (cache_directory() / "notes.txt").touch()
    _count, size = filled.usage()
    lines = cache("info", check=True, env={"VENVSTACKS_CACHE_SIZE": "400k"}).stdout.splitlines()
    assert lines == [
        f"directory: {cache_directory()}",
        "frames: 6, 601.3 kB (at most 400.0 kB)",
        "python-downloads: 1, 5.0 kB (interpreters that were fetched)",
        "local-pythons.json: 1, 2 B (which Pythons this machine has)",
        "headers: 1, 20 B (what libraries of packages need)",
        "checks: 1, 30 B (what was found in layers)",
        "verified: 1, 0 B (which files of uv's cache were read)",
        "frames/v2: 1, 10 B (frames of another release)",
        "not ours: notes.txt",
    ]
    document = said("info")
    assert document["directory"] == str(cache_directory())
    assert document["frames"] == {"count": 6, "size": size, "limit": 5_000_000_000}
    assert document["others"][0] == {"name": "python-downloads", "files": 1, "size": 5000}
    assert document["foreign"] == ["notes.txt"]
    off = cache("info", check=True, env={"VENVSTACKS_CACHE_SIZE": "0"})
    assert "(not used: VENVSTACKS_CACHE_SIZE is 0)" in off.stdout


def test_pruning_keeps_what_was_used_last(filled: FrameStore) -> None:
    each = filled.usage()[1] // 6
    assert cache("prune", check=True).stdout.startswith("removed: 0 frames, 0 B\nkept: 6 frames, ")
    document = said("prune", env={"VENVSTACKS_CACHE_SIZE": str(4 * each)})
    assert (document["removed"], document["freed"], document["unfinished"]) == (2, 2 * each, 0)
    assert document["frames"] == {"count": 4, "size": 4 * each, "limit": 4 * each}
    result = cache("prune", "--size", "0.25M", check=True)
    assert result.stdout == "removed: 2 frames, 200.4 kB\nkept: 2 frames, 200.4 kB\n"
    assert [key for key in KEYS if filled.find(key)] == list(KEYS[4:])
    assert said("prune", "--size=0")["frames"]["count"] == 0
    assert "python-downloads/abc-cpython.tar.gz" in everything()


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (("info",), {"VENVSTACKS_CACHE_SIZE": "5X"}, "error: VENVSTACKS_CACHE_SIZE must be a size"),
        (("prune",), {"VENVSTACKS_CACHE_SIZE": "-1"}, "must be a size, not '-1'\nhint: write a n"),
        (("prune", "--size", "big"), {}, "Error: Invalid value for '--size': 'big' is no size"),
        (("info", "more"), {}, "Error: Got unexpected extra argument"),
        (("sell",), {}, "Error: No such command 'sell'"),
        ((), {}, "Usage: "),
    ],
)
def test_wrong_usage(
    filled: FrameStore, arguments: tuple[str, ...], env: dict[str, str], message: str
) -> None:
    result = cache(*arguments, env=env)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert filled.usage()[0] == 6


@pytest.mark.parametrize("command", ["info", "prune", "clean"])
def test_what_is_no_directory_is_no_cache(tmp_path: Path, command: str) -> None:
    place = tmp_path / "file"
    place.write_text("mine")
    result = cache(command, env={"VENVSTACKS_CACHE_DIR": str(place)})
    assert (result.returncode, result.stdout) == (10, "")
    assert result.stderr == (
        f"error: the cache cannot be used: Not a directory: {place}\n"
        "hint: VENVSTACKS_CACHE_DIR names another place for it\n"
    )
    assert place.read_text() == "mine"


def test_cleaning_removes_all_of_ours(filled: FrameStore) -> None:
    (cache_directory() / ".local-pythons.json.killed").touch()
    (cache_directory() / "headers" / f".{'0' * 64}.ab_12xyz").touch()
    freed = said("clean", run=apart)["freed"]
    assert freed > 600_000
    assert not cache_directory().exists()
    assert filled.find(KEYS[0]) is None


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "frames/mine",
        "frames/v1/mine",
        "frames/v1/ab/mine",
        "verified/mine",
        "headers/mine",
        "checks/mine",
    ],
)
def test_cleaning_takes_nothing_that_is_not_ours(filled: FrameStore, name: str) -> None:
    place = cache_directory() / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("mine")
    before = everything()
    result = cache("clean")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(
        f"error: {cache_directory()} has what is not ours, so nothing was removed: {name}\nhint: "
    )
    assert everything() == before
    assert filled.usage()[0] == 6


def test_cleaning_a_directory_of_somebody(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"photo-{number}").touch()
    result = cache("clean", env={"VENVSTACKS_CACHE_DIR": str(tmp_path)})
    assert result.returncode == 2
    assert "photo-3, photo-4 and 4 more\n" in result.stderr
    assert len(list(tmp_path.iterdir())) == 9


WRITER = """
import sys
from venvlayers.cache.store import user_frames
new = user_frames().new("ab" * 32)
new.write(bytes(3 << 20))
print("written", flush=True)
sys.stdin.read()
new.commit({})
"""


def test_cleaning_takes_nothing_that_is_used(filled: FrameStore) -> None:
    command = [sys.executable, "-c", WRITER]
    frame = filled.find(KEYS[0])
    assert frame is not None
    later = filled.directory / "v2" / "later"
    later.parent.mkdir()
    later.touch()
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer,
        using(download_cache()),
        using(download_cache()),
    ):
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        cleaned = said("clean", run=apart)
        writer.communicate(b"")
    assert cleaned["left"] == ["python-downloads", "frames/v1/partial", "frames/v2"]
    assert writer.returncode == 0
    assert b"".join(frame.chunks()) == bytes(100_000)
    assert filled.usage()[0] == 1
    left = cache("clean", check=True).stdout.splitlines()
    assert left[1:] == ["left, being used or not ours to remove: frames/v2"]
    tags = ["frames/.gitignore", "frames/CACHEDIR.TAG"]
    assert everything() == [*tags, "frames/v2/later"]


def test_parts_that_are_elsewhere(filled: FrameStore, tmp_path: Path) -> None:
    """A part can be a link to another disk: the link stays, what it leads to is emptied."""
    for part in (frame_cache(), download_cache()):
        part.rename(tmp_path / part.name)
        part.symlink_to(tmp_path / part.name)
    (download_cache() / "unpacked").mkdir()
    (download_cache() / "unpacked" / "file").touch()
    cache("clean", check=True)
    assert everything() == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["frames", "python-downloads"]


def test_a_cache_that_is_read_only(filled: FrameStore) -> None:
    needs_mounts()
    wrapper = read_only(cache_directory())
    result = apart("prune", "--size", "0", wrapper=wrapper)
    assert result.returncode == 10
    assert "can be removed: 601.3 kB are left\nhint: " in result.stderr
    cleaned = said("clean", run=apart, wrapper=wrapper)
    assert cleaned["freed"] == 0
    assert cleaned["left"][:2] == ["frames/v1", "python-downloads"]
    assert filled.usage()[0] == 6


@pytest.mark.parametrize("command", ["info", "clean"])
def test_a_cache_that_is_a_link_to_itself(tmp_path: Path, command: str) -> None:
    (tmp_path / "cache").symlink_to(tmp_path / "cache")
    result = cache(command, env={"VENVSTACKS_CACHE_DIR": str(tmp_path / "cache")})
    assert result.returncode == 10
    assert result.stderr.startswith("error: the cache cannot be used: Too many levels of symbolic")
    assert "hint: VENVSTACKS_CACHE_DIR names another place for it" in result.stderr
