"""Staging directories: private, removed in the end, and cleared up after kills alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from venvlayers.transaction import staging_directory

HOLD = """
import sys
from pathlib import Path
from venvlayers.transaction import staging_directory
with staging_directory(Path(sys.argv[1]), purpose="lock") as staging:
    (staging / "half").write_text("made")
    print(staging, flush=True)
    sys.stdin.read()
"""


def holder(directory: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that works in a staging directory; return it with the directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_x27_what_another_process_works_in_stays(tmp_path: Path) -> None:
    """Builds with different build directories share a lock directory."""
    process, theirs = holder(tmp_path)
    with staging_directory(tmp_path, purpose="lock") as ours:
        assert ours != theirs
        assert (theirs / "half").read_text() == "made"
    assert (theirs / "half").exists()
    process.communicate()
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_x25_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    process, theirs = holder(tmp_path)
    process.kill()
    process.communicate()
    assert (theirs / "half").exists()
    with staging_directory(tmp_path, purpose="lock"):
        assert not theirs.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_two_threads_work_in_stays(tmp_path: Path) -> None:
    with staging_directory(tmp_path, purpose="lock") as first:
        with staging_directory(tmp_path, purpose="lock") as second:
            (second / "deep").mkdir()
        assert first.is_dir()
        assert not second.exists()


def test_other_purposes_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".venvstacks-export-abc").mkdir()
    with staging_directory(tmp_path, purpose="lock"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".venvstacks-export-abc"]


def test_without_locks_nothing_of_others_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on network file systems whose lock service is off."""
    fcntl = pytest.importorskip("fcntl")

    def refuse(_file: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    leftover = tmp_path / ".venvstacks-lock-abc"
    leftover.mkdir()
    with staging_directory(tmp_path, purpose="lock") as staging:
        assert staging.is_dir()
    assert not staging.exists()
    assert leftover.is_dir()


def test_a_directory_that_was_taken_for_a_leftover_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run removes leftovers between the making of ours and its lock."""
    fcntl = pytest.importorskip("fcntl")
    taken: list[Path] = []
    real = fcntl.flock

    def come_between(file: int, operation: int) -> None:
        real(file, operation)
        (found,) = tmp_path.iterdir()
        if not taken:
            taken.append(found)
            shutil.rmtree(found)

    monkeypatch.setattr(fcntl, "flock", come_between)
    with staging_directory(tmp_path, purpose="lock") as staging:
        monkeypatch.setattr(fcntl, "flock", real)
        assert taken
        assert staging.is_dir()
        assert staging != taken[0]
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_it_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def interrupt(_file: int, _operation: int) -> None:
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", interrupt)
    with pytest.raises(KeyboardInterrupt), staging_directory(tmp_path, purpose="lock"):
        pass
    assert list(tmp_path.iterdir()) == []
