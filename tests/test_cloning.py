"""Copies that share their bytes on disk: on file systems that can, and elsewhere."""

from __future__ import annotations

import errno
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.index import Index
from support.layers import make_layer
from support.projects import Project
from support.stacks import run
from venvlayers import cloning
from venvlayers.cloning import Copier, clone
from venvlayers.deploy.export import exporting
from venvlayers.plan import Goal
from venvlayers.report import silent

MAKERS = {"btrfs": ["mkfs.btrfs", "-q"], "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"]}
PATH = f"{os.defpath}:/usr/sbin:/sbin"
SIZE = 40_000_000


@pytest.fixture(scope="module", params=MAKERS)
def sharing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Give a directory on a file system that can share bytes, made in a file and mounted."""
    maker = MAKERS[request.param]
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which(maker[0], path=PATH):
        pytest.skip(f"needs Linux, root and {maker[0]}")
    place = tmp_path_factory.mktemp(request.param)
    image, mount = place / "image", place / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(400_000_000)
    environment = {**os.environ, "PATH": PATH}
    subprocess.run([*maker, image], check=True, env=environment, capture_output=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", image, mount], check=False, env=environment, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount here: {mounted.stderr!r}")
    yield mount
    subprocess.run(["umount", mount], check=True, env=environment)


def used(directory: Path) -> int:
    """Return the bytes in use on a file system."""
    os.sync()
    status = os.statvfs(directory)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_x9_an_export_shares_bytes_and_not_edits(sharing: Path) -> None:
    """X9, #205: where the file system can, an export takes neither time nor room."""
    env = make_layer(sharing / "env")
    (env.path / "large.so").write_bytes(os.urandom(SIZE))
    before = used(sharing)
    with exporting([env], sharing / "out", timestamp=1, reporter=silent()):
        pass
    assert used(sharing) - before < SIZE // 4
    exported = sharing / "out" / env.deployed_name / "large.so"
    original = (env.path / "large.so").read_bytes()
    assert exported.read_bytes() == original
    with exported.open("r+b") as file:
        file.write(b"edited")
    assert (env.path / "large.so").read_bytes() == original
    with (env.path / "large.so").open("r+b") as file:
        file.write(b"rebuilt")
    assert exported.read_bytes()[:7] == b"edited" + original[6:7]
    assert exported.stat().st_nlink == 1


def test_copies_where_bytes_cannot_be_shared(tmp_path: Path, sharing: Path) -> None:
    """From one file system to another."""
    source, target = tmp_path / "source", sharing / "copied"
    source.write_bytes(b"content")
    copier = Copier()
    copier.copy(str(source), str(target))
    assert target.read_bytes() == b"content"
    assert not copier.clones


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        clone(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_source_that_is_gone_is_no_reason_to_stop_cloning(tmp_path: Path) -> None:
    copier = Copier()
    with pytest.raises(FileNotFoundError):
        copier.copy(str(tmp_path / "gone"), str(tmp_path / "target"))
    assert copier.clones


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
@pytest.mark.parametrize("number", sorted(cloning._CANNOT))
def test_every_way_to_say_no_means_a_copy(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl  # noqa: PLC0415 - Windows has none

    asked: list[int] = []

    def refuse(*_args: object) -> None:
        asked.append(number)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    copier = Copier()
    for name in "ab":
        (tmp_path / name).write_bytes(b"content")
        copier.copy(str(tmp_path / name), str(tmp_path / f"{name}2"))
        assert (tmp_path / f"{name}2").read_bytes() == b"content"
    assert asked == [number]


@pytest.mark.skipif(sys.platform != "linux", reason="the call is Linux's")
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl  # noqa: PLC0415 - Windows has none

    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(OSError, match="No space left"):
        Copier().copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert not (tmp_path / "b").exists()


def test_what_macos_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in: nobody has run this on a Mac yet."""
    asked: list[tuple[bytes, bytes, int]] = []

    def clonefile(source: bytes, target: bytes, flags: int) -> int:
        asked.append((source, target, flags))
        return 0 if len(asked) == 1 else -1

    monkeypatch.setattr(sys, "platform", "darwin")
    library = SimpleNamespace(clonefile=clonefile)
    monkeypatch.setattr("ctypes.CDLL", lambda _name, *, use_errno: use_errno and library)
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.ENOTSUP)
    (tmp_path / "a").write_bytes(b"content")
    copier = Copier()
    copier.copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert asked == [(os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b"), 1)]
    assert not (tmp_path / "b").exists()
    copier.copy(str(tmp_path / "a"), str(tmp_path / "c"))
    assert (tmp_path / "c").read_bytes() == b"content"
    assert not copier.clones


def test_a_directory_is_copied_by_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its links, its modes and names that are not UTF-8; over nothing that is there."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "empty").mkdir(parents=True)
    (source / "program").write_bytes(b"content" * 100_000)
    (source / "program").chmod(0o751)
    (source / "link").symlink_to("nowhere")
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(source) + b"/\xff")).touch(0o600)
    (source / "empty").chmod(0o700)
    monkeypatch.setattr(sys, "argv", ["cloning.py", os.fspath(source), os.fspath(target)])
    runpy.run_path(cloning.__file__, run_name="__main__")
    assert described(source) == described(target)
    with pytest.raises(FileExistsError):
        runpy.run_path(cloning.__file__, run_name="__main__")


def described(root: Path) -> dict[str, tuple[int, bytes]]:
    def content(path: Path) -> bytes:
        if path.is_symlink():
            return os.fsencode(path.readlink())
        return path.read_bytes() if path.is_file() else b""

    paths = sorted(root.rglob("*"))
    return {str(path.relative_to(root)): (path.lstat().st_mode, content(path)) for path in paths}


def test_the_program_imports_next_to_nothing() -> None:
    """It is started for one copy: what it imports is a part of what that takes."""
    shown = (
        "import sys\nexec(compile(open(sys.argv[1]).read(), '', 'exec'), {'__name__': 'cloning'})"
    )
    command = [sys.executable, "-I", "-S", "-c", f"{shown}\nprint(*sys.modules)", cloning.__file__]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert {"errno", "os", "stat"} <= loaded
    assert not loaded & {"collections", "ctypes", "functools", "pathlib", "re", "typing"}


STACK = """
[[runtimes]]
name = "base"
requirements = []

[[frameworks]]
name = "heavy"
runtime = "base"
requirements = ["tool"]
"""


def built_file(project: Project) -> Path:
    """Build the framework anew, and return the one large file in it."""
    shutil.rmtree(project.root / "_build", ignore_errors=True)
    run(project, Goal.BUILD)
    (found,) = project.root.glob("_build/*/framework-heavy/lib/python*/site-packages/large.bin")
    return found


def cached_file() -> Path:
    (found,) = Path(os.environ["UV_CACHE_DIR"]).glob("archive-v*/*/large.bin")
    return found


def test_x9_an_environment_shares_bytes_with_uvs_cache_and_not_edits(
    sharing: Path, tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file system has reflinks; and uv's cache may be on another one than the build."""
    content = os.urandom(SIZE)
    index.add("tool", modules={"large.bin": content})
    monkeypatch.setenv("UV_CACHE_DIR", str(sharing / "uv-cache"))
    for place in (sharing, tmp_path):
        project = Project.create(place / "project", STACK, index=index)
        built_file(project)
        (environment,) = project.root.glob("_build/*/framework-heavy")
        shutil.rmtree(environment)
        before = used(sharing)
        run(project, Goal.BUILD)
        (installed,) = environment.glob("lib/python*/site-packages/large.bin")
        assert used(sharing) - before < SIZE // 4
        assert installed.stat().st_nlink == 1
        with installed.open("r+b") as file:
            file.write(b"edited")
        assert cached_file().read_bytes() == content
        with cached_file().open("r+b") as file:
            file.write(b"damaged")
        assert installed.read_bytes()[:7] == b"edited" + content[6:7]
        cached_file().write_bytes(content)


def test_users_may_have_copies_in_environments(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hard links share edits with uv's cache, as in every environment that uv makes."""
    index.add("tool", modules={"large.bin": b"content"})
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    project = Project.create(tmp_path / "project", STACK, index=index)
    default = built_file(project).stat().st_ino == cached_file().stat().st_ino
    monkeypatch.setenv("UV_LINK_MODE", "symlink")  # would lead out of the layer
    assert not built_file(project).is_symlink()
    assert (built_file(project).stat().st_ino == cached_file().stat().st_ino) is default
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    assert built_file(project).stat().st_nlink == 1
    built_file(project).write_bytes(b"edited")
    assert cached_file().read_bytes() == b"content"
