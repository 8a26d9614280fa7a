"""Layers for any platform, made on this machine: choosing platforms, and what comes out.

The runtimes are made from archives in the layout of python-build-standalone that uv
fetches by a list of our own; the packages are wheels for each platform.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.interpreters import VERSION, standalone_downloads
from support.projects import Project
from support.stacks import Messages, done, run
from venvlayers.errors import BuildError, PythonUnavailableError, SelectionError
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS, host_platform
from venvlayers.request import LockPolicy, Request
from venvlayers.workflow import preview, requested
from venvlayers.workflow.outcome import summary
from venvlayers.workflow.status import planned_status

MakeProject = Callable[..., Project]

ALL = tuple(PLATFORMS)
CP = f"cp{VERSION.major}{VERSION.minor}"
TAGS = {
    "linux_x86_64": "manylinux_2_28_x86_64",
    "linux_aarch64": "manylinux_2_28_aarch64",
    "macosx_arm64": "macosx_11_0_arm64",
    "macosx_x86_64": "macosx_10_13_x86_64",
    "win_amd64": "win_amd64",
    "win_arm64": "win_arm64",
}

STACK = """
runtime_source = "managed"

[[runtimes]]
name = "base"
requirements = ["compiled"]

[[frameworks]]
name = "middle"
runtime = "base"
requirements = ["pure"]

[[applications]]
name = "top"
launch_module = "top.py"
frameworks = ["middle"]
requirements = []
"""


@pytest.fixture
def project(
    make_project: MakeProject,
    index: Index,
    archives: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """Give a stack for all platforms, with a compiled package."""
    for name, tag in TAGS.items():
        suffix = "pyd" if name.startswith("win") else "so"
        index.add(
            "compiled",
            modules={f"compiled/native.{suffix}": name.encode(), "compiled/__init__.py": ""},
            tag=f"{CP}-{CP}-{tag}",
        )
    index.add("pure", entry_points={"pure": "pure:main"})
    served = standalone_downloads(tmp_path / "list", shared=archives)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return make_project(STACK, files={"top.py": "import compiled, pure\n"})


def asked(project: Project, goal: Goal = Goal.PUBLISH, **more: Any) -> Request:
    return Request(project=project.root, goal=goal, output_dir=project.dist, **more)


def manifests(project: Project) -> dict[str, str]:
    place = project.dist / "__venvstacks__"
    document = json.loads((place / "index.json").read_text("utf-8"))
    return {entry["target_platform"]: entry["manifest"] for entry in document["manifests"]}


def archives_of(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(project.dist.glob("*.tar.zst"))}


def test_all_platforms_are_published_side_by_side(project: Project) -> None:
    """Each has its manifest, there is one index, and nothing is to be done afterwards."""
    messages = Messages()
    outcome = run(project, messages=messages, platforms=("all",))
    assert manifests(project) == {name: f"venvstacks-{name}.json" for name in ALL}
    assert outcome.artifact == project.dist / "__venvstacks__" / "index.json"
    names = ("cpython", "middle", "top")
    assert len(archives_of(project)) == len(ALL) * len(names)
    for platform in PLATFORMS.values():
        (*_below, top) = outcome.published_for(platform)
        assert top.metadata["target_platform"] == platform.name
        assert top.archive.name == f"app-top-{platform}.tar.zst"
        native = project.root / "_build" / platform.name / "base"
        (library,) = native.rglob("compiled/native.*")
        assert library.read_bytes() == platform.name.encode()
        assert library.suffix == (".pyd" if platform.is_windows else ".so")
        assert f"building base for {platform}" in messages.of_steps()
    assert len(messages.steps("locking")) == len(names), "locks are for all platforms, made once"
    built = [one for one in outcome.done if one.action == "build"]
    assert {one.platform for one in built} == set(PLATFORMS.values())
    assert len(built) == len(ALL) * len(names)
    assert run(project, platforms=("all",)).plan.is_done
    assert run(project, platforms=ALL[:2]).plan.is_done
    before = archives_of(project)
    again = run(project, platforms=("linux_aarch64", "win_amd64"), clean=True)
    assert not any(layer.reused for layer in again.published)
    assert archives_of(project) == before, "made anew, they are the same"


def test_a_preview_shows_platforms(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--json`, and what `--show` prints."""
    two = ("linux_aarch64", "win_amd64")
    request = asked(project, platforms=two, lock=LockPolicy.IF_NEEDED)
    plan = preview(request, Messages().reporter)
    assert [one.name for one in plan.platforms] == list(two)
    locking = [step for step in plan.steps if step.action == "lock"]
    assert [step.platform for step in locking] == [None] * 3
    run(project, Goal.LOCK)
    status = planned_status(request, Messages().reporter)
    document = status.as_json()["plan"]
    assert (document["platform"], document["platforms"]) == (two[0], list(two))
    assert [step["platform"] for step in document["steps"] if step["action"] == "build"] == [
        *(two[0],) * 3,
        *(two[1],) * 3,
    ]
    assert "  build    base for win_amd64" in status.as_text()
    manifests = requested(request, Messages().reporter)["platforms"]
    assert list(manifests) == list(two)
    (app,) = manifests["win_amd64"]["layers"]["applications"]
    assert app["archive_name"] == "app-top-win_amd64.tar.zst"
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "win_arm64")
    with pytest.raises(BuildError) as caught:
        run(project, platforms=two, build=False)
    assert "base for linux_aarch64: it is not built yet" in str(caught.value)
    assert "app-top for win_amd64: it is not built yet" in str(caught.value)


def chosen(project: Project, goal: Goal = Goal.BUILD, **more: Any) -> list[str]:
    plan = preview(asked(project, goal, **more), Messages().reporter)
    return [platform.name for platform in plan.platforms]


def test_who_says_what_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, the environment, the shell's own default, this machine: in this order."""
    here = host_platform().name
    assert chosen(project) == [here]
    assert chosen(project, platforms_by_default=("win_arm64",)) == ["win_arm64"]
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "macosx_arm64, linux_aarch64")
    assert chosen(project, platforms_by_default=("all",)) == ["linux_aarch64", "macosx_arm64"]
    assert chosen(project, platforms=("win_amd64",)) == ["win_amd64"]
    assert chosen(project, platforms=("host",)) == [here]
    assert set(chosen(project, platforms=("host", "win_amd64"))) == {here, "win_amd64"}
    assert chosen(project, platforms=("all", "win_amd64")) == list(ALL)
    assert chosen(project, Goal.LOCK, platforms=("win_amd64",)) == [here]
    assert chosen(project, Goal.EXPORT) == [here], "an export is local, unless somebody insists"
    assert chosen(project, Goal.EXPORT, platforms=("all",)) == list(ALL)
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", " ")
    assert chosen(project) == [here]


def test_all_are_those_that_layers_are_for(project: Project) -> None:
    two = ["linux_aarch64", "win_amd64"]
    project.set_stack(project.stack() | {"platforms": two})
    assert chosen(project, platforms=("all",)) == two
    with pytest.raises(BuildError) as caught:
        chosen(project, platforms=("all", "win_arm64", "macosx_arm64"))
    assert "--platform: no layer is made for macosx_arm64, win_arm64" in str(caught.value)
    assert "made for linux_aarch64, win_amd64" in str(caught.value)


def test_platforms_that_there_are_not(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SelectionError) as caught:
        chosen(project, platforms=("linux_x86-64", "solaris", "win_amd64"))
    assert str(caught.value).startswith(
        "--platform: there is no platform 'linux_x86-64' (did you mean 'linux_x86_64'?)\n"
        "--platform: there is no platform 'solaris'\n"
    )
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "everything")
    with pytest.raises(SelectionError, match="VENVSTACKS_PLATFORMS: there is no platform"):
        chosen(project)


def test_outputs_of_platforms_have_names_of_their_own(project: Project) -> None:
    """Whoever names a platform may name another one tomorrow."""
    choose = {"lock": LockPolicy.IF_NEEDED, "platforms": ("win_amd64",)}
    with pytest.raises(SelectionError, match="need the platform in their names"):
        run(project, tag_outputs=False, platforms=("all",))
    outcome = run(project, **choose)
    assert outcome.artifact.name == "venvstacks-win_amd64.json"
    assert run(project, **choose).plan.is_done
    run(project, tag_outputs=False, **choose)
    assert (project.dist / "app-top.tar.zst").is_file()
    assert summary(run(project, Goal.BUILD, clean=True, platforms=("win_amd64",)))[0] == (
        "clean: base"
    )


def test_exports_of_several_platforms_are_apart(project: Project) -> None:
    place = project.root / "_export"
    two = ("linux_aarch64", "macosx_arm64")
    outcome = run(project, Goal.EXPORT, output_dir=place, platforms=two)
    assert outcome.artifact == place
    assert sorted(path.name for path in place.iterdir()) == list(two)
    assert (place / two[1] / "app-top" / "bin" / "python").is_symlink()
    assert "local-export: app-top for macosx_arm64" in summary(outcome)
    assert run(project, Goal.EXPORT, output_dir=place, platforms=two).plan.is_done


def test_a_python_of_this_machine_serves_no_other(project: Project) -> None:
    project.set_stack(project.stack() | {"runtime_source": "local"})
    with pytest.raises(PythonUnavailableError) as caught:
        run(project, platforms=("win_amd64",))
    assert "it cannot be had for win_amd64" in str(caught.value)
    assert 'runtime-source = "managed"' in str(caught.value)
    assert "UV_PYTHON_INSTALL_MIRROR" in str(caught.value)
    assert done(run(project)) != (), "it serves this machine"
