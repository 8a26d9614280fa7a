from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.layers import FileContent, Link, Program, make_layer
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.publish import canonical_tar
from venvlayers.publish.canonical_tar import (
    BLOCK,
    CHUNK,
    END_GROUP,
    NAME_SIZE,
    TarPart,
    tar_parts,
)
from venvlayers.publish.contents import (
    EPOCH,
    LARGE,
    Entry,
    EntryKind,
    Group,
    LayerContents,
    plan_contents,
)

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

GOLDEN_SHA256 = "d5e6380a34ced2890004d51435abdf994d2fa00eb60df7c21ad92ce263d46a52"


def tar_of(environment: LayerEnvironment) -> bytes:
    parts = tar_parts(plan_contents(environment))
    return b"".join(chunk for part in parts for chunk in part.chunks())


def test_members_have_nothing_of_the_file_system(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    for path in env.path.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or path.name == "tool" else 0o600)
    with tarfile.open(fileobj=io.BytesIO(tar_of(env))) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert {m.mtime for m in members if not m.isfile()} == {EPOCH}
    assert all(EPOCH - 24 * 60 * 60 < m.mtime <= EPOCH for m in members)
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
        *(f"{'x' * 230}/{'y' * n}" for n in (*range(240, 255), 100)),
        *("/".join(["deep" * 20] * 5), "new\nline", "\u65e5\u672c\u8a9e" * 20, "tab\t", "q?*"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"x" * 511, b"x" * 512, b"x" * 513, None])
def test_sizes_are_known_beforehand(tmp_path: Path, name: str, content: FileContent) -> None:
    env = make_layer(tmp_path / "env", {name: content, "link": Link(name)}, {"alpha": (name,)})
    for part in tar_parts(plan_contents(env)):
        assert sum(map(len, part.chunks())) == part.size
    with tarfile.open(fileobj=io.BytesIO(tar_of(env))) as tar:
        assert f"app-demo/{name}" in tar.getnames()
        assert tar.getmember("app-demo/link").linkname == name


def test_the_size_of_huge_files_is_known_beforehand(tmp_path: Path) -> None:
    huge = Entry(path="huge", kind=EntryKind.FILE, size=8**11)
    group = Group(name=".", entries=(huge,))
    contents = LayerContents(layer="x", root=tmp_path, deployed_name="x", groups=(group,))
    header, content, _end = tar_parts(contents)
    assert (header.size, content.size) == (3 * 512, 8**11)


def test_the_end_is_a_part_of_its_own(tmp_path: Path) -> None:
    *_others, end = tar_parts(plan_contents(make_layer(tmp_path / "env")))
    assert (end.name, b"".join(end.chunks())) == (END_GROUP, bytes(1024))


def test_pieces_are_of_one_size(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {"a": b"a" * (CHUNK + 5), "b": b"b", "c": bytes(2 * CHUNK)})
    _root, part, _end = tar_parts(plan_contents(env))
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


@pytest.mark.parametrize("at_once", [CHUNK, 100_001, 511])
def test_blocks_are_whole_and_of_some_size_however_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Some file systems give less than they are asked for; then no file may pile up in memory."""
    content = os.urandom(3_000_000)
    env = make_layer(tmp_path / "env", {"a": b"a", "b": content, "c": b"c" * 700})
    parts = tar_parts(plan_contents(env))
    expected = b"".join(chunk for part in parts for chunk in part.chunks())
    monkeypatch.setattr(canonical_tar, "CHUNK", at_once)
    blocks = [block for part in parts for block in part.blocks()]
    assert b"".join(blocks) == expected
    assert {len(block) % BLOCK for block in blocks} == {0}
    assert max(map(len, blocks)) <= 2 * max(at_once, BLOCK)


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
    parts = tar_parts(plan_contents(env))
    change(env.path / "site" / "beta.py")
    with pytest.raises(PublishError, match=f"app-demo: {message}"):
        [list(part.chunks()) for part in parts if part.name == "beta"]


def test_reading_in_other_pieces_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_layer(tmp_path / "env", {"a": os.urandom(300_000), "b": b"b"})
    expected = tar_of(env)
    monkeypatch.setattr(canonical_tar, "CHUNK", 1000)
    assert tar_of(env) == expected


def times(contents: LayerContents) -> dict[str, int]:
    return {group.name: group.mtime for group in contents.groups}


def test_times_depend_on_what_is_in_a_group_alone(tmp_path: Path) -> None:
    """X6, and bytecode of an older layer must not pass for that of a newer one."""
    env = make_layer(tmp_path / "env")
    before = times(plan_contents(env))
    (env.path / "site" / "beta.py").write_bytes(b"B = 3\n" * 50)
    (env.path / "another").mkdir()
    after = times(plan_contents(env))
    assert [name for name in before if after[name] != before[name]] == ["beta"]
    assert all(time % 2 == 0 for time in after.values()), "a zip has no odd seconds"
    assert times(plan_contents(env, 1_000_000_000))["."] == 1_000_000_000
    assert set(times(plan_contents(env, 0)).values()) == {0}, "nothing is before 1970"


def test_as_many_times_as_contents(tmp_path: Path) -> None:
    made = {
        Group(name="a", entries=(Entry(path="a", kind=EntryKind.FILE, sha256=f"{n:064x}"),)).mtime
        for n in range(100)
    }
    assert len(made) > 98, "of 43,200"


def digests(env: LayerEnvironment) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in tar_parts(plan_contents(env)):
        found.setdefault(part.name, []).append(part.digest)
    return found


def test_a_digest_tells_a_part_from_every_other(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    before = digests(env)
    (env.path / "site" / "beta.py").chmod(0o755)
    after = digests(env)
    assert [name for name in before if after[name] != before[name]] == ["beta"]
    renamed = digests(make_layer(tmp_path / "other", name="app-other"))
    assert all(renamed[name] != before[name] for name in before if name != END_GROUP)
    later = {part.name: part.digest for part in tar_parts(plan_contents(env, EPOCH + 2))}
    assert all(later[name] != after[name][0] for name in after if name != END_GROUP)


def test_large_files_are_known_by_their_content(tmp_path: Path) -> None:
    """A layer that is renamed, as versioned ones are, has the same parts for them."""

    def parts(name: str) -> list[TarPart]:
        files: dict[str, FileContent] = {"big": bytes(LARGE), "big2": b"x" * LARGE, "small": b"s"}
        env = make_layer(tmp_path / name, files, {"alpha": tuple(files)}, name=name)
        (_root, *found, _end) = tar_parts(plan_contents(env))
        assert tar_of(env) == b"".join(b"".join(part.chunks()) for part in (_root, *found, _end))
        return found

    one, two = parts("app-one"), parts("app-two")
    assert [part.size for part in one] == [512 * 2, 512, LARGE, 512, LARGE]
    assert [part.digest for part in one[1:]] == [part.digest for part in two[1:]]
    assert (one[1].digest, one[3].digest) == ("", ""), "a header alone is not worth knowing"
    assert one[2].digest != one[4].digest


def test_large_files_that_are_equal_stay_together(tmp_path: Path) -> None:
    """Qt's packages bring a library under three names."""
    files: dict[str, FileContent] = {"lib.so": bytes(LARGE), "lib.so.1": bytes(LARGE)}
    env = make_layer(tmp_path / "env", files, {"alpha": tuple(files)})
    (_root, part, _end) = tar_parts(plan_contents(env))
    assert [piece.entry.path for piece in part.pieces] == ["lib.so", "lib.so.1"]


SITE = "lib/python3.12/site-packages/"
UNDER_ANY_NAME: dict[str, FileContent] = {
    "bin/run": Program(),
    f"{SITE}a.py": b"a = 1\n" * 1000,
    f"{SITE}link.py": Link("a.py"),
    f"{SITE}{'m' * 95}.py": b"m = 1\n",
    f"{SITE}deep/{'n' * 95}.py": b"n = 1\n",
}


@pytest.mark.parametrize("name", ["a", "framework-scikit-learn@12", "-" * 30, "z" * 40])
def test_nothing_but_the_name_depends_on_the_name(tmp_path: Path, name: str) -> None:
    """What frames that have no name rely on."""
    told = {"alpha": tuple(UNDER_ANY_NAME)}
    parts = {
        layer: tar_parts(
            plan_contents(make_layer(tmp_path / layer, UNDER_ANY_NAME, told, name=layer))
        )
        for layer in ("app-demo", name)
    }
    fields = 0
    for one, two in zip(*parts.values(), strict=True):
        assert (one.name, one.likeness, one.size) == (
            two.name,
            two.likeness,
            two.size,
        ) or one.name == "."
        if not one.name_field:
            continue
        first, second = (bytearray(b"".join(part.chunks())) for part in (one, two))
        for place in one.name_places():
            assert first[place : place + NAME_SIZE] == one.name_field
            first[place : place + NAME_SIZE] = two.name_field
            fields += 1
        assert first == second
        assert one.digest != two.digest
    assert fields == len(UNDER_ANY_NAME)
    tar = b"".join(chunk for part in parts[name] for chunk in part.chunks())
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        names = opened.getnames()
    assert {f"{name}/{path}" for path in UNDER_ANY_NAME} <= set(names)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("gr\u00fc\u00df", "a"),
        ("n" * 96, "a"),
        ("n" * 80, f"{SITE}a"),
        ("app-demo", "gr\u00fc\u00df"),
        ("app-demo", "n" * 100),
        ("app-demo", f"{'deep/' * 40}a"),
    ],
)
def test_what_does_not_fit_has_a_header_for_the_one_name(
    tmp_path: Path, name: str, path: str
) -> None:
    env = make_layer(tmp_path / "env", {path: b"x", "b": b"y"}, {"alpha": (path, "b")}, name=name)
    parts = {
        piece.entry.path: part for part in tar_parts(plan_contents(env)) for piece in part.pieces
    }
    assert parts[path].name_field == b""
    assert list(parts[path].name_places()) == []
    with tarfile.open(fileobj=io.BytesIO(tar_of(env))) as opened:
        assert {f"{name}/{path}", f"{name}/b"} <= set(opened.getnames())
