"""What was read is remembered, unless a write could have gone unnoticed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from venvlayers.build import verified
from venvlayers.build.verified import Verified

SECOND = 10**9


def status(path: Path, time: int) -> os.stat_result:
    path.write_text("x")
    os.utime(path, ns=(time, time))
    return path.stat()


@pytest.mark.parametrize(
    ("age", "fraction", "known"),
    [
        (SECOND, 123, True),
        (SECOND // 100, 123, False),  # two writes in one tick of the clock
        (SECOND, 0, False),  # perhaps a file system that keeps seconds
        (3 * SECOND, 0, True),
    ],
)
def test_what_was_written_just_now_is_read_again(
    tmp_path: Path, age: int, fraction: int, *, known: bool
) -> None:
    begun = 1_700_000_000 * SECOND
    written = (begun - age) // SECOND * SECOND if not fraction else begun - age + fraction
    files = [status(tmp_path / "file", written)]
    memory = Verified(tmp_path / "memory")
    memory.remember("seal", files, begun)
    assert memory.knows("seal") is known


def test_every_change_gives_another_seal(tmp_path: Path) -> None:
    memory, path = Verified(tmp_path), tmp_path / "file"
    before = status(path, SECOND)
    other = status(tmp_path / "other", SECOND)
    seals = {memory.seal([("sha256=a", before)]), memory.seal([("sha256=b", before)])}
    seals |= {memory.seal([("sha256=a", other)]), memory.seal([])}
    seals.add(memory.seal([("sha256=a", status(path, 2 * SECOND))]))
    path.write_text("longer")
    os.utime(path, ns=(SECOND, SECOND))
    seals.add(memory.seal([("sha256=a", path.stat())]))
    assert len(seals) == 6


def test_too_many_seals_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "_MOST", 2)
    memory = Verified(tmp_path / "memory")
    files = [status(tmp_path / "file", time.time_ns() - 5 * SECOND)]
    for name in "abc":
        memory.remember(name, files, time.time_ns())
    assert [memory.knows(name) for name in "abc"] == [False, False, True]


def test_a_memory_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Verified(tmp_path / "file" / "memory")
    memory.remember("seal", [status(tmp_path / "old", SECOND)], 9 * SECOND)
    assert not memory.knows("seal")
