"""What uv installed is what the wheels recorded; what is known to be needs no reading."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from venvlayers.build import arrived
from venvlayers.build.arrived import (
    altered_files,
    contested_files,
    of_others,
    read_records,
    record_owned,
    record_what_is_there,
)
from venvlayers.build.verified import Verified

SITE = "lib/python3.12/site-packages"
LONG_AGO = time.time_ns() - 3600 * 10**9 + 1


def digest(content: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={encoded.decode()}"


def unpack(cache: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """Make what uv has in its cache of a wheel, unpacked long ago."""
    wheel = cache / name
    for path, content in files.items():
        place = wheel / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        os.utime(place, ns=(LONG_AGO, LONG_AGO))
    return wheel


def link(wheel: Path, prefix: Path) -> Path:
    """Install a wheel as uv does it: by hard links, and a RECORD of its own."""
    rows = []
    for file in sorted(path for path in wheel.rglob("*") if path.is_file()):
        place = prefix / SITE / file.relative_to(wheel)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.hardlink_to(file)
        content = file.read_bytes()
        rows.append((file.relative_to(wheel).as_posix(), digest(content), str(len(content))))
    info = prefix / SITE / f"{wheel.name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("".join(f"{','.join(row)}\n" for row in rows))
    return info / "RECORD"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the files that are read."""
    names: list[str] = []
    measured = arrived.measured

    def noting(path: Path, algorithm: str = "sha256") -> tuple[str, str]:
        names.append(path.name)
        return measured(path, algorithm)

    monkeypatch.setattr(arrived, "measured", noting)
    return names


def test_what_was_read_once_is_not_read_again_until_somebody_writes_to_it(
    tmp_path: Path, read: list[str]
) -> None:
    """X9: an edit in any environment that shares uv's files is noticed by the next build."""
    wheel = unpack(tmp_path / "cache", "tool", {"tool.py": b"as published", "data.bin": b"1234"})
    verified = Verified(tmp_path / "verified" / "here")
    for number, expected in enumerate((["data.bin", "tool.py"], [])):
        prefix = tmp_path / f"prefix-{number}"
        link(wheel, prefix)
        read.clear()
        assert altered_files(prefix, read_records(prefix), verified) == []
        assert read == expected
    last = tmp_path / "prefix-2"
    link(wheel, last)
    elsewhere = tmp_path / "prefix-0" / SITE / "tool.py"
    with elsewhere.open("r+b") as file:  # in place, and of equal length
        file.write(b"as edited   "[:12])
    assert altered_files(last, read_records(last), verified) == [f"{SITE}/tool.py"]
    assert altered_files(last, read_records(last), verified) == [f"{SITE}/tool.py"]


def test_copies_are_always_read(tmp_path: Path, read: list[str]) -> None:
    """Of a copy nobody knows if it was made before or after an edit of the original."""
    wheel = unpack(tmp_path / "cache", "tool", {"tool.py": b"pass"})
    link(wheel, tmp_path / "prefix")
    (wheel / "tool.py").unlink()
    verified = Verified(tmp_path / "verified")
    records = read_records(tmp_path / "prefix")
    for _ in range(2):
        assert altered_files(tmp_path / "prefix", records, verified) == []
    assert read == ["tool.py", "tool.py"]
    assert not (tmp_path / "verified").exists()


def test_files_that_several_packages_bring_alike_are_always_read(
    tmp_path: Path, read: list[str]
) -> None:
    """PySide6 does so; whose link is there is chance."""
    for name in ("aaa", "bbb"):
        wheel = unpack(tmp_path / "cache", name, {f"{name}.py": b"", "shared.py": b"same"})
        link(wheel, tmp_path / "prefix")
    verified = Verified(tmp_path / "verified")
    records = read_records(tmp_path / "prefix")
    assert contested_files(records) == {}
    assert altered_files(tmp_path / "prefix", records, verified) == []
    read.clear()
    assert altered_files(tmp_path / "prefix", records, verified) == []
    assert read == ["shared.py"], "and once, as they agree on it"


def test_what_several_packages_bring_is_of_the_first(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    first = link(unpack(tmp_path / "cache", "aaa", {"shared.py": b"of aaa"}), prefix)
    link(unpack(tmp_path / "cache", "bbb", {"shared.py": b"of bbb", "b.py": b""}), prefix)
    other = prefix / SITE / "bbb-1.0.dist-info" / "RECORD"
    records = read_records(prefix)
    contested = contested_files(records)
    assert {place: owner.record for place, owner in contested.items()} == {
        f"{SITE}/shared.py": first
    }
    assert of_others(prefix, contested) == {first}
    (prefix / SITE / "shared.py").unlink()
    (prefix / SITE / "shared.py").write_bytes(b"of aaa")
    assert of_others(prefix, contested) == set()
    record_owned(prefix, records, contested)
    assert dict(row[:2] for row in csv.reader(other.read_text().splitlines())) == {
        "b.py": digest(b""),
        "shared.py": digest(b"of aaa"),
    }


def test_records_are_found_in_every_layout_and_not_inside_packages(tmp_path: Path) -> None:
    for place in ("local/lib/python3.12/dist-packages", "Lib/site-packages", "lib/x/site-packages"):
        for info in ("tool-1.dist-info", "vendor/inner-1.dist-info"):
            (tmp_path / place / info).mkdir(parents=True)
            (tmp_path / place / info / "RECORD").write_text("")
    (tmp_path / "lib/x/site-packages/none-1.dist-info").mkdir()
    (tmp_path / "lib64").symlink_to("lib")
    found = [path.relative_to(tmp_path).as_posix() for path in read_records(tmp_path)]
    assert found == [
        "Lib/site-packages/tool-1.dist-info/RECORD",
        "lib/x/site-packages/tool-1.dist-info/RECORD",
        "local/lib/python3.12/dist-packages/tool-1.dist-info/RECORD",
    ]


def test_a_record_that_errs_is_made_true(tmp_path: Path) -> None:
    record = link(unpack(tmp_path / "cache", "tool", {"tool.py": b"pass"}), tmp_path / "prefix")
    record.write_text("tool.py,sha256=wrong,9\ntool-1.0.dist-info/RECORD,,\n")
    record_what_is_there(tmp_path / "prefix")
    assert record.read_text().splitlines() == [
        f"tool.py,{digest(b'pass')},4",
        "tool-1.0.dist-info/RECORD,,",
    ]
