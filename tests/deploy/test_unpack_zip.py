"""Zips that are not what they seem."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.layers import make_layer
from venvlayers.deploy import zip_members
from venvlayers.deploy.unpack import unpack
from venvlayers.errors import UnpackError
from venvlayers.publish import zips
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.zips import Zip

Entry = tuple[zipfile.ZipInfo, bytes]


def entry(name: str, mode: int = stat.S_IFREG | 0o644, data: bytes = b"", **fields: int) -> Entry:
    info = zipfile.ZipInfo("x", (2020, 1, 1, 0, 0, 0))
    info.filename = name  # as it is: the constructor changes some
    info.create_system = 3
    info.external_attr = mode << 16
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def top() -> Entry:
    return entry("top/", stat.S_IFDIR | 0o755)


def link(name: str, target: str) -> Entry:
    return entry(name, stat.S_IFLNK | 0o777, target.encode())


def write_zip(place: Path, *entries: Entry) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in entries:
            if info.filename not in archive.namelist():
                archive.writestr(info, data)
                continue
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr(info, data)
    return place


def nothing_new(destination: Path) -> bool:
    return not destination.exists() or not list(destination.iterdir())


def refused(archive: Path, tmp_path: Path, why: str) -> None:
    with pytest.raises(UnpackError, match=why) as failure:
        unpack(archive, tmp_path / "deep" / "deployed")
    assert failure.value.hint
    assert nothing_new(tmp_path / "deep" / "deployed")


def test_the_archives_below_would_be_good_otherwise(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", top(), entry("top/x", data=b"x"), link("top/y", "x"))
    place = unpack(archive, tmp_path / "deployed")
    assert (place / "y").read_bytes() == b"x"
    assert place.stat().st_mtime == 1577836800  # 2020 in UTC, wherever this runs


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([top(), entry("../evil", data=b"evil")], "may leave"),
        ([top(), entry("top/../../evil")], "may leave"),
        ([top(), entry("/tmp/evil")], "may leave"),
        ([top(), entry("top/..\\..\\evil")], "may leave"),
        ([top(), entry("top/a\\b")], "may leave"),
        ([top(), entry("top//x")], "may leave"),
        ([top(), entry("top/./x")], "may leave"),
        ([entry("../", stat.S_IFDIR | 0o755)], "may leave"),
        ([top(), entry("top/x"), entry("top/x")], "occurs twice"),
        ([top(), top()], "occurs twice"),
        ([entry("top/x")], "is below something"),
        ([entry("file")], "is not in the layer's directory"),
        ([top(), entry("other/", stat.S_IFDIR | 0o755)], "is not in the layer's directory"),
        ([top(), entry("top/missing/x")], "is below something"),
        ([top(), link("top/x", "/etc"), entry("top/x/passwd")], "out of the destination"),
        ([top(), link("top/x", ".."), entry("top/x/evil")], "out of the destination"),
        ([top(), link("top/x", "."), entry("top/x/evil")], "is below something"),
        ([top(), link("top/x", "../other"), entry("top/x/evil")], "is below something"),
        ([top(), link("top/x", "a/../../../evil")], "out of the destination"),
        ([top(), link("top/x", "C:\\evil")], "out of the destination"),
        ([top(), link("top/x", "")], "out of the destination"),
        ([top(), link("top/x", "a" * 5000)], "too long a target"),
        ([top(), entry("top/x", stat.S_IFCHR | 0o644)], "neither a file"),
        ([top(), entry("top/x", stat.S_IFIFO | 0o644)], "neither a file"),
        ([top(), entry("top/x", stat.S_IFREG | 0o4755)], "special permissions"),
        ([top(), entry("top/x", stat.S_IFREG | 0o2755)], "special permissions"),
        ([top(), entry("top/x", create_system=0)], "was not packed with Unix modes"),
        ([top(), entry("top/x", compress_type=zipfile.ZIP_BZIP2)], "not ours"),
        ([top(), entry("top/d", stat.S_IFDIR | 0o755)], "is not called one"),
        ([top(), entry("top/d/", stat.S_IFDIR | 0o755, b"content")], "directory with content"),
        ([top(), entry("top/x/", data=b"a file?")], "may leave"),
    ],
    ids=lambda value: " ".join(i.filename for i, _ in value) if isinstance(value, list) else "",
)
def test_hostile_archives_are_refused(tmp_path: Path, entries: list[Entry], why: str) -> None:
    archive = write_zip(tmp_path / "bad.zip", *entries)
    refused(archive, tmp_path, why)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.zip", "deep"}


def test_a_link_whose_target_is_no_text(tmp_path: Path) -> None:
    bad = entry("top/x", stat.S_IFLNK | 0o777, b"caf\xe9")
    refused(write_zip(tmp_path / "bad.zip", top(), bad), tmp_path, "is damaged")


def stored(data: bytes = b"content of a file") -> Entry:
    return entry("top/x", data=data, compress_type=zipfile.ZIP_STORED)


def wrong_check(data: bytes) -> bytes:
    return data.replace(b"content", b"CONTENT")


def other_name(data: bytes) -> bytes:
    return data.replace(b"top/x", b"top/y", 1)


def longer_than_it_says(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02", 0, data.index(b"PK\x05\x06"))
    return data[: at + 24] + (4).to_bytes(4, "little") + data[at + 28 :]


def encrypted(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02", 0, data.index(b"PK\x05\x06"))
    return data[: at + 8] + b"\x01" + data[at + 9 :]


def newer(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02", 0, data.index(b"PK\x05\x06"))
    return data[: at + 6] + b"\x99" + data[at + 7 :]


def impossible_date(data: bytes) -> bytes:
    at = data.rindex(b"PK\x01\x02", 0, data.index(b"PK\x05\x06"))
    return data[: at + 14] + bytes(2) + data[at + 16 :]


def a_comment(data: bytes) -> bytes:
    return data[:-2] + (4).to_bytes(2, "little") + b"evil"


def something_before(data: bytes) -> bytes:
    return b"PK, and a program" + data


def a_second_zip_behind(data: bytes) -> bytes:
    return data + data


def a_false_locator(data: bytes) -> bytes:
    return data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:]


@pytest.mark.parametrize(
    "change",
    [
        *(wrong_check, other_name, longer_than_it_says, encrypted, newer, impossible_date),
        *(a_comment, something_before, a_second_zip_behind, a_false_locator),
        *(lambda data: data[:-1], lambda data: data[:20], lambda _data: b"PK"),
    ],
)
def test_what_is_damaged_or_padded(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    archive = write_zip(tmp_path / "bad.zip", top(), stored())
    archive.write_bytes(change(archive.read_bytes()))
    refused(archive, tmp_path, r"bad\.zip")


def test_members_that_share_bytes(tmp_path: Path) -> None:
    """A small file could fill a disk: Python notices from 3.11.8 on."""
    one, two = (entry(f"top/{name}", data=b"x" * 10_000) for name in ("one", "two"))
    archive = write_zip(tmp_path / "a.zip", top(), one, two)
    with zipfile.ZipFile(archive) as opened:
        first, second = (info.header_offset for info in opened.infolist()[1:])
    data = archive.read_bytes()
    listed = data.rindex(b"PK\x01\x02") + 42
    assert data[listed : listed + 4] == second.to_bytes(4, "little")
    archive.write_bytes(data[:listed] + first.to_bytes(4, "little") + data[listed + 4 :])
    refused(archive, tmp_path, "do not follow each other")


def test_an_empty_zip(tmp_path: Path) -> None:
    refused(write_zip(tmp_path / "bad.zip"), tmp_path, r"bad\.zip is empty")


def test_a_list_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_zip(tmp_path / "bad.zip", top(), *(entry(f"top/{n}") for n in range(50)))
    monkeypatch.setattr(zip_members, "_LONGEST_LIST", 1000)
    refused(archive, tmp_path, "list of members is too long")


@pytest.mark.parametrize("limit", ["MOST_ENTRIES", "LARGEST"])
def test_zip64_is_read_as_well(tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env, archive = make_layer(tmp_path / "env"), tmp_path / "a.zip"
    monkeypatch.setattr(zips, limit, 3)
    contents = plan_contents(env, 1 << 31)
    Zip().write(contents, archive, level=6, advance=lambda _amount: None, frames=KnownFrames())
    place = unpack(archive, tmp_path / "deployed")
    assert (place / "site" / "beta.py").read_bytes() == (env.path / "site/beta.py").read_bytes()
    assert place.stat().st_mtime == 1 << 31
    shutil.rmtree(place)
    end = struct.Struct("<4sQ2H2I4Q")
    data = bytearray(archive.read_bytes())
    at = data.rindex(b"PK\x06\x06")
    fields = list(end.unpack_from(data, at))
    fields[8] = 1 << 40
    end.pack_into(data, at, *fields)
    archive.write_bytes(data)
    with pytest.raises(UnpackError, match="list of members is too long"):
        unpack(archive, tmp_path / "deployed")


def test_a_bomb_writes_no_more_than_it_says(tmp_path: Path) -> None:
    """A megabyte that says it is ten bytes."""
    archive = write_zip(tmp_path / "bad.zip", top(), entry("top/x", data=bytes(1 << 20)))
    data = bytearray(archive.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    archive.write_bytes(io.BytesIO(bytes(data)).getvalue())
    refused(archive, tmp_path, r"bad\.zip is damaged")
