"""Directories of wheels beside indexes, or in their place."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import lock_all, lock_files, run, spec_and_layout, versions
from support.wheels import make_wheel
from venvlayers.errors import LockError
from venvlayers.lock.available import relative_to_lock, with_wheels
from venvlayers.lock.state import lock_states
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import LayerSpec

MakeProject = Callable[..., Project]

BASE = "[[runtimes]]\nname = 'base'\nrequirements = ['lib']\n"


def outdated(project: Project) -> str | None:
    spec, layout = spec_and_layout(project)
    return lock_states(spec, layout)["base"].outdated


def test_e11_e12_local_wheels_without_an_index(
    make_project: MakeProject, index: Index, tmp_path: Path
) -> None:
    """E11, E12, G9, G10: for one run; the lock is as good without them, and portable (H11)."""
    index.add("lib", "1.0")
    project = make_project(BASE)
    wheels = [tmp_path / "some wheels", tmp_path / "more"]
    make_wheel(wheels[0], "lib", "2.0", requires=["extra"])
    extra = make_wheel(wheels[1], "extra")
    lock = lock_all(project, local_wheels=tuple(wheels), use_index=False)["base"]
    assert versions(lock) == {"extra": "1.0", "lib": "2.0"}
    assert index.requests == []
    assert outdated(project) is None
    text = lock_files(project.root)["requirements/base/pylock.base.toml"]
    assert 'path = "../../../some wheels/lib-2.0-py3-none-any.whl"' in text
    assert hashlib.sha256(extra.read_bytes()).hexdigest() in text
    assert str(tmp_path) not in text
    run(project, Goal.BUILD)
    assert (next((project.root / "_build").rglob("lib-2.0.dist-info"))).is_dir()


def test_e12_local_wheels_beside_an_index(
    make_project: MakeProject, index: Index, tmp_path: Path
) -> None:
    """E12."""
    index.add("lib", "1.0", requires=["extra"])
    make_wheel(tmp_path / "wheels", "extra")
    lock = lock_all(make_project(BASE), local_wheels=(tmp_path / "wheels",))["base"]
    assert versions(lock) == {"extra": "1.0", "lib": "1.0"}


def test_a_directory_of_wheels_that_is_not_there(make_project: MakeProject, index: Index) -> None:
    """E11: it is said before an index is asked."""
    project = make_project(BASE)
    with pytest.raises(LockError, match=r"there is no directory .*wheles"):
        run(project, Goal.LOCK, local_wheels=(Path("wheles"),))
    assert index.requests == []


def test_e11_no_index_also_where_packages_have_indexes_of_their_own(
    make_project: MakeProject, index: Index, tmp_path: Path
) -> None:
    """E11."""
    make_wheel(tmp_path / "wheels", "lib")
    stack = json.loads('{"runtimes": [{"name": "base", "requirements": ["lib"]}]}')
    stack["runtimes"][0] |= {"package_indexes": {"lib": "test"}, "priority_indexes": ["test"]}
    project = make_project(stack)
    lock = lock_all(project, local_wheels=(tmp_path / "wheels",), use_index=False)["base"]
    assert versions(lock) == {"lib": "1.0"}
    assert index.requests == []


def test_a_local_wheel_that_changed_is_not_installed(
    make_project: MakeProject, tmp_path: Path
) -> None:
    """E12: its digest is locked."""
    project = make_project(BASE, index=None, uv={"no-index": True, "find-links": ["wheels"]})
    make_wheel(project.root / "wheels", "lib")
    run(project, Goal.LOCK)
    make_wheel(project.root / "wheels", "lib", modules={"lib.py": "changed = True\n"})
    with pytest.raises(Exception, match="packages of base cannot be installed") as caught:
        run(project, Goal.BUILD)
    assert "ash" in str(caught.value)


def test_h11_a_wheel_on_another_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    """H11."""

    def other_drive(*_args: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", other_drive)
    with pytest.raises(LockError, match="which is on another drive") as caught:
        relative_to_lock({"path": "D:\\wheels\\lib.whl"}, Path("locks"))
    assert "hint: put the directory of wheels onto the drive of the project" in str(caught.value)


def test_h11_paths_have_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """H11, PRs #294, #297."""
    monkeypatch.setattr(os.path, "relpath", lambda *_args: "..\\wheels\\lib.whl")
    monkeypatch.setattr(os, "sep", "\\")
    entry = relative_to_lock({"path": "C:\\wheels\\lib.whl"}, Path("locks"))
    assert entry == {"path": "../wheels/lib.whl"}


def test_no_wheel_is_locked_without_a_digest(tmp_path: Path) -> None:
    layer = LayerSpec(
        kind=LayerKind.RUNTIME,
        name="base",
        requirements=("lib",),
        platforms=(PLATFORMS["linux_x86_64"],),
    )
    package = {"name": "lib", "version": "1.0", "wheels": [{"name": "lib-1.0-py3-none-any.whl"}]}
    python = Interpreter("cpython", PythonVersion(3, 12, 1))
    with pytest.raises(LockError, match=r"there is no sha256 digest of lib-1\.0-py3"):
        with_wheels(layer, [(package, layer.platforms)], python, tmp_path)


def test_an_index_without_digests_gets_them_from_the_wheels(
    make_project: MakeProject, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv fetches what it needs to know."""
    wheel = index.add("lib")
    entry = index._entry
    monkeypatch.setattr(index, "_entry", lambda found: {**entry(found), "hashes": {}})
    project = make_project(BASE)
    lock_all(project)
    text = lock_files(project.root)["requirements/base/pylock.base.toml"]
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in text
