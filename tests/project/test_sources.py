"""Which files a project's wheel is made from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from venvlayers.project.git import git_state
from venvlayers.project.model import ProjectPlace
from venvlayers.project.sources import SourceFile, read_sources, source_files


def place(root: Path, **more: object) -> ProjectPlace:
    return ProjectPlace(**{"root": root, "name": "demo", "store": root / "_build/p", **more})  # type: ignore[arg-type]


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def found(root: Path, **more: object) -> list[str]:
    return [path for path, _file in source_files(place(root, **more))]


def test_caches_environments_and_outputs_are_none(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "src/demo/__init__.py", "build/hook.py")
    (tmp_path / ".gitignore").write_text("")
    write(tmp_path, ".venv/pyvenv.cfg", ".venv/lib/x.py", ".cache/CACHEDIR.TAG", ".cache/x")
    write(tmp_path, "src/demo/__pycache__/a.pyc", "a.pyc", "src/demo.egg-info/PKG-INFO")
    write(tmp_path, "node_modules/x/x.js", "dist/demo.whl", ".git/HEAD", "locks/a", "made/a")
    write(tmp_path, "out/__venvstacks__/venvstacks.json", "out/a.tar.zst", ".venvstacks-try/x")
    outputs = (tmp_path / "locks", tmp_path / "made", tmp_path, tmp_path.parent)
    expected = [".gitignore", "build/hook.py", "pyproject.toml", "src/demo/__init__.py"]
    assert found(tmp_path, outputs=outputs) == expected


@pytest.mark.parametrize("checkout", [True, False])
def test_nor_is_what_git_would_ignore(tmp_path: Path, *, checkout: bool) -> None:
    """Also in an unpacked archive, as backends see it."""
    project = tmp_path / "project"
    write(project, "a.py", "a.log", "sub/.gitignore", "sub/b.py", "sub/made.py")
    (project / ".gitignore").write_text("*.log\n")
    (project / "sub" / ".gitignore").write_text("made.py\n")
    if checkout:
        (tmp_path / ".git").mkdir()
    assert found(project) == [".gitignore", "a.py", "sub/.gitignore", "sub/b.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_followed_once(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(tmp_path, "shared/b.py")
    write(project, "a.py")
    (project / "shared").symlink_to("../shared")
    (project / "again").symlink_to(".")
    (project / "dangling").symlink_to("nowhere")
    (tmp_path / "shared" / "back").symlink_to("../project")
    assert found(project) == ["a.py", "shared/b.py"]


def test_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.py", "b.py")
    first = read_sources(place(tmp_path)).digest
    assert read_sources(place(tmp_path)).digest == first
    os.utime(tmp_path / "a.py", (1, 1))
    assert read_sources(place(tmp_path)).digest == first
    (tmp_path / "c.py").touch()
    assert read_sources(place(tmp_path)).digest != first
    (tmp_path / "c.py").unlink()
    with monkeypatch.context() as patch:
        patch.setenv("SETUPTOOLS_SCM_PRETEND_VERSION", "1")
        assert read_sources(place(tmp_path)).digest != first
    if sys.platform != "win32":
        (tmp_path / "a.py").chmod(0o755)
        assert read_sources(place(tmp_path)).digest != first
    generated = [read_sources(place(tmp_path), generated=["g"]).digest]
    write(tmp_path, ".gitignore", "g")
    (tmp_path / ".gitignore").write_text("g\n")
    generated += [read_sources(place(tmp_path), generated=names).digest for names in ([], ["g"])]
    assert len(set(generated)) == 3


def test_files_are_read_again_only_if_their_status_changed(tmp_path: Path) -> None:
    write(tmp_path, "old.py", "new.py")
    long_ago = time.time() - 3600
    os.utime(tmp_path / "old.py", (long_ago, long_ago))
    os.utime(tmp_path / "new.py", (time.time() + 3600,) * 2)
    fresh = read_sources(place(tmp_path))
    assert fresh.files["new.py"].status is None, "it may be written to again within a tick"
    status = (tmp_path / "old.py").stat()
    times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    claimed = {"old.py": SourceFile("sha256:claimed", executable=False, status=times)}
    assert read_sources(place(tmp_path), known=claimed).files["old.py"].hash == "sha256:claimed"
    (tmp_path / "old.py").write_text("OLD.PY")
    os.utime(tmp_path / "old.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    read = read_sources(place(tmp_path), known=claimed).files["old.py"].hash
    assert read != "sha256:claimed", "although its size and time are the same"


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=b"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def test_what_git_says(tmp_path: Path) -> None:
    """As ``git describe`` would: another commit or tag, not another branch or a packed one."""
    assert git_state(tmp_path) is None
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init")
    states = [git_state(root)]
    git(root, "commit", "--allow-empty", "-m", "first")
    states.append(git_state(root))
    git(root, "tag", "-a", "v1", "-m", "first")
    states.append(git_state(root))
    git(root, "branch", "other")
    git(root, "pack-refs", "--all")
    (root / "sub").mkdir()
    assert git_state(root / "sub") == git_state(root) != None  # noqa: E711
    git(root, "worktree", "add", "-b", "third", str(tmp_path / "tree"))
    states.append(git_state(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "--allow-empty", "-m", "second")
    states.append(git_state(tmp_path / "tree"))
    git(root, "checkout", "--detach")
    states.append(git_state(root))
    git(root, "tag", "v2")
    states.append(git_state(root))
    assert len(set(states)) == len(states)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / ".git").mkdir()
    assert git_state(tmp_path / "plain"), "of an empty one too"
