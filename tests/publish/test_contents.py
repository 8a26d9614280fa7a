from __future__ import annotations

import hashlib
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from support.layers import FileContent, Link, Program, make_layer, make_runtime
from venvlayers.build.record import recorded_hash
from venvlayers.errors import PublishError
from venvlayers.publish import contents
from venvlayers.publish.contents import LARGE, OWN_GROUP, EntryKind, LayerContents, plan_contents
from venvlayers.publish.contents import _digest as digest
from venvlayers.publish.links import link_destination


def paths(contents: LayerContents, group: str = OWN_GROUP) -> list[str]:
    (found,) = [found for found in contents.groups if found.name == group]
    return [entry.path for entry in found.entries]


def test_what_no_distribution_owns_comes_first_with_all_directories(tmp_path: Path) -> None:
    contents = plan_contents(make_layer(tmp_path / "env"))
    names = [group.name for group in contents.groups]
    assert names == [OWN_GROUP, "./", "./bin", "./site", "alpha", "beta"]
    directories = ["", "bin", "empty-dir", "site", "site/alpha", "site/alpha-1.0.dist-info"]
    assert paths(contents) == [*directories, "bin/python"]
    assert paths(contents, "./") == ["empty", "postinstall.py"]
    assert paths(contents, "./bin") == ["bin/tool"]
    assert paths(contents, "./site") == ["site/gr\u00fc\u00df gott.txt"]
    assert paths(contents, "alpha") == ["site/alpha-1.0.dist-info/RECORD", "site/alpha/__init__.py"]
    assert contents.unpacked_size == sum(
        path.stat().st_size
        for path in (tmp_path / "env").rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def test_entries_say_all_that_an_archive_needs(tmp_path: Path) -> None:
    contents = plan_contents(make_layer(tmp_path / "env"))
    entries = {entry.path: entry for group in contents.groups for entry in group.entries}
    assert entries["bin/python"].target == "../../cpython-3.12/bin/python3.12"
    assert entries["bin/python"].kind is EntryKind.SYMLINK
    assert entries["bin/tool"].executable
    assert not entries["site/beta.py"].executable
    assert entries["site/beta.py"].size == 300
    assert entries["empty-dir"].kind is EntryKind.DIRECTORY


def test_order_is_that_of_code_points_in_whole_paths(tmp_path: Path) -> None:
    names = ["a/z", "a-b", "a.b", "a", "Z", "\u00e4", "\U0001f600", "\uffee"]
    contents = plan_contents(make_layer(tmp_path / "env", dict.fromkeys(names)))
    assert paths(contents) == ["", *sorted(names)]


def test_files_that_resemble_each_other_stand_together(tmp_path: Path) -> None:
    names = ["a.py", "b.so", "c.py", "d.so.1.2", "e.txt", "f.cpython-312-x86_64-linux-gnu.so"]
    files: dict[str, FileContent] = dict.fromkeys([*names, "big.py"], b"")
    env = make_layer(tmp_path / "env", files, {"alpha": tuple(files)})
    (env.path / "big.py").write_bytes(bytes(LARGE))
    assert paths(plan_contents(env), "alpha") == [
        *("a.py", "big.py", "c.py"),
        *("b.so", "d.so.1.2", "f.cpython-312-x86_64-linux-gnu.so"),
        "e.txt",
    ]


def test_what_a_record_tells_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_layer(tmp_path / "env")
    told = {
        path: recorded_hash(hashlib.sha256((env.path / path).read_bytes()))
        for path in ("site/alpha/__init__.py", "site/beta.py")
    }
    distributions = tuple(
        replace(one, hashes={path: told[path] for path in one.files if path in told})
        for one in env.distributions
    )
    expected = plan_contents(env)
    read: list[str] = []
    monkeypatch.setattr(contents, "_digest", lambda path: read.append(path) or digest(path))
    found = plan_contents(replace(env, distributions=distributions))
    assert found.digest == expected.digest
    assert not {str(env.path / path) for path in told} & set(read)
    assert {entry.path for group in found.groups for entry in group.entries if entry.recorded} == {
        *told
    }


def test_the_identity_can_be_found_out_from_what_was_unpacked(tmp_path: Path) -> None:
    """As docs/reference.md describes it, without anything of ours."""
    env = make_layer(tmp_path / "env")
    expected = plan_contents(env).digest
    assert plan_contents(make_layer(tmp_path / "env2", name="app-other")).digest == expected
    listed = hashlib.sha256()
    paths = {path.relative_to(env.path).as_posix(): path for path in env.path.rglob("*")}
    for name, path in sorted(({"": env.path} | paths).items()):
        if path.is_symlink():
            fields = ["symlink", "777", str(path.readlink())]
        elif path.is_dir():
            fields = ["directory", "755", ""]
        else:
            mode = "755" if os.access(path, os.X_OK) else "644"
            fields = ["file", mode, hashlib.sha256(path.read_bytes()).hexdigest()]
        listed.update("".join(f"{field}\0" for field in [name, *fields]).encode())
    assert listed.hexdigest() == expected


def test_a_file_of_two_distributions_belongs_to_the_first(tmp_path: Path) -> None:
    owners = {"zeta": ("shared", "z"), "alpha": ("shared",)}
    contents = plan_contents(make_layer(tmp_path / "env", {"shared": b"", "z": b""}, owners))
    assert paths(contents, "alpha") == ["shared"]
    assert paths(contents, "zeta") == ["z"]


def test_a_distribution_without_files_has_no_group(tmp_path: Path) -> None:
    contents = plan_contents(make_layer(tmp_path / "env", {}, {"ghost": ("gone.pyc",)}))
    assert [group.name for group in contents.groups] == [OWN_GROUP]


def test_bytecode_is_left_out_everywhere(tmp_path: Path) -> None:
    left_out = [
        *("__pycache__/m.cpython-312.pyc", "site/__pycache__/x/kept.py", "site/m.pyc"),
        *("site/m.pyo", "site/deep/er/__pycache__/m.txt"),
    ]
    kept = ["site/m.py", "site/pycache/m.py", "site/pyc", "site/dir.pyc/data"]
    env = make_layer(tmp_path / "env", dict.fromkeys([*left_out, *kept], b""))
    listed = [entry.path for group in plan_contents(env).groups for entry in group.entries]
    assert set(kept) <= set(listed)
    assert not set(left_out) & set(listed)
    assert not [path for path in listed if "__pycache__" in path]


def test_x8_a_nested_sitecustomize_is_just_a_file(tmp_path: Path) -> None:
    name = "site/opentelemetry/auto/sitecustomize.py"
    contents = plan_contents(make_layer(tmp_path / "env", {name: b""}, {"otel": (name,)}))
    assert paths(contents, "otel") == [name]


def test_what_cannot_be_carried_is_named(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    os.mkfifo(env.path / "site" / "pipe")
    with pytest.raises(PublishError, match=r"app-demo: site/pipe is neither") as failure:
        plan_contents(env)
    assert failure.value.hint


def test_sockets_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_layer(tmp_path / "env")
    monkeypatch.chdir(env.path)  # the name of a socket is at most a hundred bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("listening")
        with pytest.raises(PublishError, match="listening"):
            plan_contents(env)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_names_are_utf8(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    Path(os.fsdecode(os.fsencode(env.path) + b"/caf\xe9")).write_bytes(b"")
    with pytest.raises(PublishError, match=r"app-demo: .*caf.* not UTF-8"):
        plan_contents(env)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_symlink_targets_are_utf8(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    (env.path / "link").symlink_to(os.fsdecode(b"caf\xe9"))
    with pytest.raises(PublishError, match="not UTF-8"):
        plan_contents(env)


@pytest.mark.parametrize(
    "target",
    [
        *("/etc/passwd", "../../other-layer/x", "../..", "../../..", "../../../cpython-3.12/x"),
        *("../../cpython-3.12", "../../cpython-3.12-evil/x", "C:/x", "a\\b", "x/../../y"),
    ],
)
def test_symlinks_stay_inside(tmp_path: Path, target: str) -> None:
    env = make_layer(tmp_path / "env", {"bin/link": Link(target)})
    with pytest.raises(PublishError, match="app-demo: the symlink bin/link leads out"):
        plan_contents(env)


@pytest.mark.parametrize(
    "target", ["../x", "x", "./x", "../../cpython-3.12/bin/x", "../../app-demo/x", ".."]
)
def test_symlinks_to_the_layer_and_its_runtime_are_kept(tmp_path: Path, target: str) -> None:
    env = make_layer(tmp_path / "env", {"bin/link": Link(target)})
    assert "bin/link" in paths(plan_contents(env))


def test_a_runtime_links_to_itself(tmp_path: Path) -> None:
    assert "bin/python" in paths(plan_contents(make_runtime(tmp_path / "env")))


def test_an_environment_that_is_gone_is_named(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    env.path.rename(tmp_path / "elsewhere")
    with pytest.raises(PublishError, match=r"app-demo: cannot read .*env"):
        plan_contents(env)


def test_only_the_owner_s_executable_bit_counts(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {"a": Program(), "b": b""})
    (env.path / "a").chmod(0o700)
    (env.path / "b").chmod(0o611)
    found = {entry.path: entry.executable for entry in plan_contents(env).groups[1].entries}
    assert found == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("member", "target", "place"),
    [
        ("app/bin/python", "../../rt/bin/python", "rt/bin/python"),
        ("app/a/b", "c", "app/a/c"),
        ("app/a", ".", "app"),
        ("app/a", "..", None),
        ("app/a", "../..", None),
        ("app/a", "", None),
        ("app/a", "x/..", None),
        ("app/a", "x/../../../etc", None),
        ("app/a", "//etc", None),
        ("app/a", "z:x", None),
    ],
)
def test_where_links_lead(member: str, target: str, place: str | None) -> None:
    assert link_destination(member, target) == place


def test_what_a_distribution_brought_has_to_be_there(tmp_path: Path) -> None:
    files: dict[str, FileContent] = {
        "tool.py": b"",
        "tool.pyc": b"",
        "__pycache__/tool.pyc": b"",
        "gone.py": b"",
    }
    env = make_layer(tmp_path / "env", files, {"alpha": tuple(files)})
    (env.path / "tool.pyc").unlink()
    (env.path / "__pycache__/tool.pyc").unlink()
    assert paths(plan_contents(env), "alpha") == ["gone.py", "tool.py"]
    (env.path / "gone.py").unlink()
    with pytest.raises(PublishError, match=r"gone\.py was installed, and is not there") as failure:
        plan_contents(env)
    assert str(env.path) in str(failure.value.hint)


def test_the_size_that_is_recorded_of_a_link_is_not_its_own(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {"a": b"abc", "b": Link("a")}, {"alpha": ("a", "b")})
    (alpha,) = env.distributions
    env = replace(env, distributions=(replace(alpha, sizes={"a": 3, "b": 3}),))
    assert paths(plan_contents(env), "alpha") == ["a", "b"]
