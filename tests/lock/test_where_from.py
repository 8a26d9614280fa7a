"""Where packages come from: indexes with credentials, sources, local wheels, addresses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import lock_all, lock_files, run, versions
from support.wheels import make_wheel
from venvlayers.errors import LockError, SpecError
from venvlayers.plan import Goal
from venvlayers.platforms import host_platform

MakeProject = Callable[..., Project]


def base(*requirements: str) -> str:
    listed = ", ".join(f"'{requirement}'" for requirement in requirements)
    return f"[[runtimes]]\nname = 'base'\nrequirements = [{listed}]\n"


def installed(project: Project) -> list[str]:
    environment = project.root / "_build" / host_platform().name / "base"
    return sorted(path.name for path in environment.rglob("*.dist-info"))


def test_credentials_of_an_index_come_from_uvs_variables_alone(
    make_project: MakeProject, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E9: and are in no file that we write."""
    index.add("lib")
    index.credentials = ("somebody", "s3cret")
    project = make_project(
        base("lib"), index=None, uv={"index": [{"name": "corp", "url": index.url, "default": True}]}
    )
    with pytest.raises(LockError):
        run(project, Goal.LOCK)
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", "somebody")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "s3cret")
    run(project, Goal.BUILD)
    assert installed(project) == ["lib-1.0.dist-info"]
    written = [path for path in project.root.rglob("*") if path.is_file()]
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


def test_a_package_takes_the_index_that_its_source_names(
    make_project: MakeProject, index: Index, tmp_path: Path
) -> None:
    """Also where a source is a list with markers: taking it from elsewhere would be a mix-up."""
    index.add("lib", "9.0")
    with Index(tmp_path / "private") as private:
        private.add("lib", "1.0")
        uv = {
            "index": [
                {"name": "private", "url": private.url, "explicit": True},
                {"name": "main", "url": index.url, "default": True},
            ],
            "sources": {"lib": [{"index": "private", "marker": "python_version >= '3'"}]},
        }
        project = make_project(base("lib"), index=None, uv=uv)
        assert versions(lock_all(project)["base"]) == {"lib": "1.0"}


@pytest.mark.parametrize(
    "source", [{"workspace": True}, {"path": "../lib"}, {"git": "https://example.org/lib"}]
)
def test_other_sources_are_refused_for_packages_that_a_layer_needs(
    make_project: MakeProject, index: Index, source: dict[str, object]
) -> None:
    index.add("my-lib")
    index.add("other")
    uv = {"sources": {"My_Lib": source}}
    with pytest.raises(SpecError, match=r"tool\.uv\.sources\.my-lib: a layer needs it"):
        lock_all(make_project(base("my-lib"), uv=uv, directory="needed"))
    unneeded = make_project(base("other"), uv=uv, directory="unneeded")
    assert versions(lock_all(unneeded)["base"]) == {"other": "1.0"}


def test_local_wheels_are_referred_to_from_the_lock(
    make_project: MakeProject, tmp_path: Path
) -> None:
    """H11: so that the lock is good in another clone."""
    project = make_project(
        base("lib"), index=None, uv={"no-index": True, "find-links": ["wheels here"]}
    )
    make_wheel(project.root / "wheels here", "lib")
    lock_all(project)
    text = lock_files(project.root)["requirements/base/pylock.base.toml"]
    assert 'path = "../../wheels here/lib-1.0-py3-none-any.whl"' in text
    assert str(tmp_path) not in text
    clone = Project(tmp_path / "clone")
    shutil.copytree(project.root, clone.root, ignore=shutil.ignore_patterns("_build"))
    shutil.rmtree(project.root)
    run(clone, Goal.BUILD, locked=True)
    assert installed(clone) == ["lib-1.0.dist-info"]


def test_a_wheel_can_be_required_by_its_address(make_project: MakeProject, index: Index) -> None:
    wheel = index.add("lib")
    address = index.url.replace("/simple/", f"/files/{wheel.name}")
    project = make_project(base(f"lib @ {address}"))
    run(project, Goal.BUILD)
    assert installed(project) == ["lib-1.0.dist-info"]
