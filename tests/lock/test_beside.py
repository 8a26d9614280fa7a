"""Layers that do not stand on each other are locked side by side, and as if they were not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.backends import builds, with_own_backend
from support.command import start_venvstacks
from support.index import Index
from support.projects import Project
from support.stacks import Messages, lock_files, run
from venvlayers.errors import BuildError, LockError
from venvlayers.plan import Goal
from venvlayers.report import Kind

MakeProject = Callable[..., Project]

LAYERS = ("base", "framework-left", "framework-right", "app-both")
STACK = """
[[runtimes]]
name = "base"
requirements = []

[[frameworks]]
name = "left"
runtime = "base"
requirements = ["port"]

[[frameworks]]
name = "right"
runtime = "base"
requirements = ["starboard"]

[[applications]]
name = "both"
launch_module = "both.py"
frameworks = ["left", "right"]
requirements = ["keel"]
"""


@pytest.fixture
def project(make_project: MakeProject, index: Index) -> Project:
    """Give a stack of two frameworks on one runtime, and an application on both."""
    for name in ("port", "starboard", "keel"):
        index.add(name)
    made = make_project(STACK)
    made.write("both.py", "import keel, port, starboard\n")
    return made


def assert_nothing_is_locked(project: Project) -> None:
    assert not list(project.root.rglob("pylock*"))


def test_layers_on_one_runtime_are_resolved_side_by_side(project: Project, index: Index) -> None:
    """The index answers nobody before both have asked."""
    index.meet("port", "starboard")
    messages = Messages()
    outcome = run(project, Goal.LOCK, messages)
    assert index.met == [True]
    assert [done.env_name for done in outcome.done] == list(LAYERS)
    told = [text for kind, text in messages.lines if kind in (Kind.STEP, Kind.INFO)]
    assert [text.partition(":")[0] for text in told if "changes" not in text] == [
        f"locking {layer}" for layer in LAYERS for _begun_and_done in range(2)
    ]
    uv = [text for text in messages.of(Kind.DETAIL) if "pip compile" in text]
    assert len(uv) == 3, "nothing is asked for a layer without requirements"
    files = lock_files(project.root)
    run(project, Goal.LOCK)
    assert lock_files(project.root) == files


def test_all_that_cannot_be_locked_is_told_at_once(project: Project, index: Index) -> None:
    stack = project.stack()
    stack["frameworks"][0]["requirements"] = ["port>=2"]
    stack["frameworks"][1]["requirements"] = ["starboard>=2"]
    project.set_stack(stack)
    index.meet("port", "starboard")
    with pytest.raises(LockError) as caught:
        run(project, Goal.LOCK)
    assert_nothing_is_locked(project)
    text = str(caught.value)
    assert text.startswith("2 layers cannot be locked\n")
    assert text.index("port>=2") < text.index("starboard>=2")
    assert "app-both" not in text


def test_the_wheel_of_the_project_is_made_while_layers_are_resolved(
    project: Project, index: Index, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    stack = project.stack()
    stack["applications"][0] = {"name": "both", "requirements": [], "project": True}
    stack["applications"][0] |= {"frameworks": ["left", "right"], "launch": "demo"}
    stack["frameworks"][0]["requirements"] = ["port"]
    project.set_stack(stack)
    project.write("demo/__init__.py", "")
    project.write("demo/__main__.py", "print('demo')\n")
    project.set_project(dependencies=["keel"])
    with_own_backend(project, log, asks=f"{index.url}the-wheel/", fail="not today")
    index.meet("port", "the-wheel")
    messages = Messages()
    with pytest.raises(BuildError, match="the wheel of demo cannot be built"):
        run(project, Goal.BUILD, messages)
    assert index.met == [True]
    assert builds(log) == 1
    assert len(list(project.root.glob("requirements/*/pylock.*.toml"))) == 4, (
        "what was locked stays locked"
    )
    assert messages.steps("building") == ["the"]


def test_ctrl_c_ends_all_resolutions(project: Project, index: Index) -> None:
    """The command alone is told; its programs wait for an index that does not answer."""
    index.meet("port", "starboard", "nobody asks for this")
    process = start_venvstacks("lock", cwd=project.root)
    index.wait_for("port", "starboard")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=50)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted; earlier outputs are as they were"
    assert_nothing_is_locked(project)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
