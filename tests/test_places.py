"""Directories that would become part of a layer, or lie in another one's way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.projects import Project
from support.stacks import run
from venvlayers.errors import BuildError, PublishError
from venvlayers.plan import Goal

MakeProject = Callable[..., Project]

STACK = """
[[runtimes]]
name = "base"
requirements = []

[[applications]]
name = "top"
runtime = "base"
launch_module = "pkg"
support_modules = ["more"]
requirements = []
"""


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project(STACK, files={"pkg/__main__.py": "", "more/__init__.py": ""})


@pytest.mark.parametrize("place", ["pkg", "pkg/out", "more/deep/er"])
def test_nothing_is_put_into_what_is_copied(project: Project, place: str) -> None:
    copied = project.root / Path(place).parts[0]
    with pytest.raises(BuildError, match=f"is in {copied}, which app-top takes a copy of"):
        run(project, Goal.BUILD, build_dir=Path(place))
    for goal in (Goal.PUBLISH, Goal.EXPORT):
        with pytest.raises(PublishError, match=f"the output directory .* is in {copied}, which"):
            run(project, goal, output_dir=project.root / place)
    assert not (project.root / "_build").exists()
    assert not (project.root / "requirements").exists()


@pytest.mark.parametrize("place", ["_build", "_build/linux_x86_64/x"])
def test_outputs_do_not_lie_among_environments(project: Project, place: str) -> None:
    with pytest.raises(PublishError, match="is in the build directory"):
        run(project, output_dir=project.root / place)
    assert not (project.root / "_build").exists()


def test_beside_them_is_fine(project: Project) -> None:
    run(project, output_dir=project.root / "pkg-out")
    assert list((project.root / "pkg-out").glob("*.tar.zst"))
