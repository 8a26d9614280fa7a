"""X24: which files are read again, and which are believed to be as they were."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from venvlayers.files import file_status, settles_at, sha256_file
from venvlayers.publish.seen import (
    Seen,
    look_at,
    look_at_all,
    read_seen,
    remember_new,
    write_seen,
)

CLAIMED = "claimed"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "layer.tar.zst"
    path.write_bytes(b"0123456789")
    wait_until_settled(path)
    return path


def wait_until_settled(path: Path) -> None:
    while time.time_ns() <= settles_at(file_status(path)):
        time.sleep(0.01)


def claim(path: Path) -> Seen:
    """Return a record of a digest that no file has, to tell whether it is believed."""
    return Seen(sha256=CLAIMED, status=file_status(path))


def digest(path: Path) -> str:
    return sha256_file(path).removeprefix("sha256:")


def test_a_file_that_nobody_touched_is_not_read(archive: Path) -> None:
    found = look_at(archive, claim(archive))
    assert found is not None
    assert (found.sha256, found.was_read) == (CLAIMED, False)


def overwrite(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"9876543210")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    copy = shutil.copy2(path, path.with_suffix(".copy"))
    Path(copy).replace(path)


TOUCHED: dict[str, Callable[[Path], object]] = {
    "appended to": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "another time": os.utime,
    "replaced by a copy": replace,
}
if sys.platform != "win32":
    TOUCHED["other bytes, size and time as before"] = overwrite


@pytest.mark.parametrize("how", TOUCHED)
def test_a_file_that_somebody_touched_is_read(archive: Path, how: str) -> None:
    before = claim(archive)
    TOUCHED[how](archive)
    found = look_at(archive, before)
    assert found is not None
    assert (found.sha256, found.was_read) == (digest(archive), True)


def test_what_is_not_there_is_not_seen(archive: Path, tmp_path: Path) -> None:
    directory = tmp_path / "a directory"
    directory.mkdir()
    missing = tmp_path / "missing"
    found = look_at_all([archive, directory, missing], {archive.name: claim(archive)})
    assert {name: seen.sha256 for name, seen in found.items()} == {archive.name: CLAIMED}


def test_what_was_just_written_is_believed_from_then_on(archive: Path, tmp_path: Path) -> None:
    """Its status is waited for: a change in the same tick of the clock would not show."""
    fresh = tmp_path / "fresh"
    fresh.write_bytes(b"fresh")
    known = Seen(sha256=CLAIMED, status=file_status(archive), was_read=False)
    record = tmp_path / "records" / "seen.json"
    remember_new(record, {fresh: "of it"}, {archive.name: known})
    assert {name: seen.sha256 for name, seen in read_seen(record).items()} == {
        archive.name: CLAIMED,
        "fresh": "of it",
    }
    assert read_seen(record)["fresh"].status == file_status(fresh)


def test_a_time_that_is_not_over_is_not_believed(archive: Path, tmp_path: Path) -> None:
    """A file from the future, and one on FAT, whose times are even seconds."""
    hour = 3600 * 1_000_000_000
    os.utime(archive, ns=(time.time_ns() + hour,) * 2)
    record = tmp_path / "seen.json"
    remember_new(record, {archive: "of it"}, {})
    assert read_seen(record) == {}
    second = 1_000_000_000
    assert settles_at((1, 0, 4 * second, 0)) == 6 * second
    assert settles_at((1, 4 * second + 1, 0, 0)) < 5 * second


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 0}', '{"version": 1, "files": {"a": 1}}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    record = tmp_path / "seen.json"
    assert read_seen(record) == {}
    record.write_text(text)
    assert read_seen(record) == {}
    write_seen(record, {})
    assert read_seen(record) == {}
