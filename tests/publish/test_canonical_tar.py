from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.layers import LOCKED_AT, FileContent, Link, Program, make_layer
from venvlayers.build.model import LayerEnvironment
from venvlayers.build.sources import AppModules
from venvlayers.errors import PublishError
from venvlayers.publish import canonical_tar
from venvlayers.publish.canonical_tar import CHUNK, END_GROUP, archive_time, tar_parts
from venvlayers.publish.contents import Entry, EntryKind, Group, LayerContents, plan_contents

MTIME = 1_700_000_000

GOLDEN: dict[str, FileContent] = {
    "bin/python": Link("../../cpython-3.12/bin/python3.12"),
    "bin/run me": Program(),
    "d" * 99: None,
    "long/" + "n" * 120: b"long name",
    "link": Link("x" * 150),
    "umlauts/gr\u00fc\u00df gott \U0001f600.txt": b"hello",
    "umlauts/link": Link("gr\u00fc\u00df gott \U0001f600.txt"),
    "zero": b"",
}
"""Everything that needs care in a header."""

GOLDEN_SHA256 = "0db759595dd5e06296e693c99c36b27057b5d9ffccefea6da007b00b77a3d5b5"


def tar_of(environment: LayerEnvironment) -> bytes:
    parts = tar_parts(plan_contents(environment), MTIME)
    return b"".join(chunk for part in parts for chunk in part.chunks())


def test_members_have_nothing_of_the_file_system(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    for path in env.path.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or path.name == "tool" else 0o600)
    with tarfile.open(fileobj=io.BytesIO(tar_of(env))) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", MTIME)}
    modes = {m.name: m.mode for m in members}
    assert modes["app-demo"] == modes["app-demo/bin/tool"] == 0o755
    assert modes["app-demo/site/beta.py"] == 0o644
    assert modes["app-demo/bin/python"] == 0o777
    assert all(set(m.pax_headers) <= {"path", "linkpath"} for m in members)


def test_the_bytes_are_these_on_every_python(tmp_path: Path) -> None:
    """A changed digest means that every archive of every user changes its identity."""
    found = hashlib.sha256(tar_of(make_layer(tmp_path / "env", GOLDEN))).hexdigest()
    assert found == GOLDEN_SHA256


def test_extended_headers_only_where_needed(tmp_path: Path) -> None:
    files: dict[str, FileContent] = {
        "n" * (99 - len("app-demo/")): b"",
        "d" * (98 - len("app-demo/")): None,
        "l" * 10: Link("t" * 100),
    }
    tar = tar_of(make_layer(tmp_path / "env", files))
    assert b"PaxHeader" not in tar
    assert b"PaxHeader" in tar_of(make_layer(tmp_path / "env", {"l": Link("t" * 101)}))


@pytest.mark.parametrize(
    "name",
    [
        *("with space", "gr\u00fc\u00df", "n" * 90, "n" * 91, "n" * 92, "n" * 150),
        *("/".join(["deep" * 20] * 5), "new\nline", "\u65e5\u672c\u8a9e" * 20, "tab\t", "q?*"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"x" * 511, b"x" * 512, b"x" * 513, None])
def test_sizes_are_known_beforehand(tmp_path: Path, name: str, content: FileContent) -> None:
    env = make_layer(tmp_path / "env", {name: content, "link": Link(name)}, {"alpha": (name,)})
    for part in tar_parts(plan_contents(env), MTIME):
        assert sum(map(len, part.chunks())) == part.size
    with tarfile.open(fileobj=io.BytesIO(tar_of(env))) as tar:
        assert f"app-demo/{name}" in tar.getnames()
        assert tar.getmember("app-demo/link").linkname == name


def test_the_size_of_huge_files_is_known_beforehand(tmp_path: Path) -> None:
    huge = Entry(path="huge", kind=EntryKind.FILE, size=8**11)
    group = Group(name=".", entries=(huge,))
    contents = LayerContents(layer="x", root=tmp_path, deployed_name="x", groups=(group,))
    part, _end = tar_parts(contents, MTIME)
    assert part.size == 8**11 + 3 * 512


def test_the_end_is_a_part_of_its_own(tmp_path: Path) -> None:
    *_others, end = tar_parts(plan_contents(make_layer(tmp_path / "env")), MTIME)
    assert (end.name, b"".join(end.chunks())) == (END_GROUP, bytes(1024))


def test_pieces_are_of_one_size(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {"a": b"a" * (CHUNK + 5), "b": b"b", "c": bytes(2 * CHUNK)})
    part, _end = tar_parts(plan_contents(env), MTIME)
    *full, last = map(len, part.chunks())
    assert full == [CHUNK] * 3
    assert 0 < last < CHUNK


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def shrink(path: Path) -> None:
    os.truncate(path, 3)


def become_a_link(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (grow, "site/beta.py changed while it was packed"),
        (shrink, "site/beta.py changed while it was packed"),
        (Path.unlink, "cannot read site/beta.py"),
        (become_a_link, "cannot read site/beta.py"),
    ],
)
def test_a_file_that_changes_is_an_error(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    env = make_layer(tmp_path / "env")
    parts = tar_parts(plan_contents(env), MTIME)
    change(env.path / "site" / "beta.py")
    with pytest.raises(PublishError, match=f"app-demo: {message}"):
        list(parts[2].chunks())


def test_reading_in_other_pieces_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_layer(tmp_path / "env", {"a": os.urandom(300_000), "b": b"b"})
    expected = tar_of(env)
    monkeypatch.setattr(canonical_tar, "CHUNK", 1000)
    assert tar_of(env) == expected


def test_the_time_is_the_lock_s_unless_given() -> None:
    assert archive_time(LOCKED_AT, None) == int(LOCKED_AT.timestamp())
    made = [AppModules(launch=f"sha256:{number:064x}") for number in range(1, 100)]
    assert archive_time(LOCKED_AT, 0) == archive_time(LOCKED_AT, 0, made[-1].all) == 0
    other = {archive_time(LOCKED_AT, None, modules.all) for modules in made}
    assert len(other) == 99
    assert 0 < archive_time(LOCKED_AT, None) - min(other) < 24 * 60 * 60
