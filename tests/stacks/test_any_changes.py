"""Changes in whatever order: what is published is what a fresh clone would publish.

The changes are random; pytest-randomly prints the seed with which they come again.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.journeys import Journey, change, layer_table
from support.projects import Project
from venvlayers.errors import LockError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

STACK = """
[[runtimes]]
name = "base"
requirements = ["p0"]

[[frameworks]]
name = "a"
runtime = "base"
requirements = ["p1"]

[[frameworks]]
name = "b"
runtime = "base"
requirements = ["p2"]

[[applications]]
name = "x"
launch_module = "apps/x"
support_modules = ["apps/helper.py"]
frameworks = ["a", "b"]
requirements = []

[[applications]]
name = "y"
launch_module = "apps/y.py"
frameworks = ["b"]
requirements = ["p3"]
"""
LAYERS = ("base", "framework-a", "framework-b", "app-x", "app-y")
STEPS = 6


@pytest.fixture
def journey(tmp_path: Path, index: Index) -> Journey:
    for number in range(6):
        for version in ("1.0", "2.0"):
            requires = [f"p{number - 1}"] if number % 2 else []
            index.add(f"p{number}", version, requires=requires)
    files = {"apps/x/__main__.py": "", "apps/helper.py": "", "apps/y.py": ""}
    return Journey(Project.create(tmp_path / "project", STACK, index=index, files=files), tmp_path)


Change = Callable[[Project], str]


def toggle_a_requirement(project: Project) -> str:
    name, what = random.choice(LAYERS), random.choice(["p0", "p1==1.0", "p1==2.0", "p3<2", "p5"])

    def edit(tool: dict[str, Any]) -> None:
        requirements = layer_table(tool, name)["requirements"]
        (requirements.remove if what in requirements else requirements.append)(what)

    change(project, edit)
    return f"toggle {what} of {name}"


def edit_a_module(project: Project) -> str:
    name = random.choice(["apps/x/__main__.py", "apps/helper.py", "apps/y.py", "apps/x/more.py"])
    project.write(name, f"number = {random.randint(0, 9)}\n")
    return f"edit {name}"


def delete_a_file(project: Project) -> str:
    (project.root / "apps/x/more.py").unlink(missing_ok=True)
    return "delete more.py"


def toggle_versioned(project: Project) -> str:
    name = random.choice(LAYERS)

    def edit(tool: dict[str, Any]) -> None:
        table = layer_table(tool, name)
        table["versioned"] = not table.get("versioned", False)

    change(project, edit)
    return f"toggle versioned of {name}"


def swap_frameworks(project: Project) -> str:
    change(project, lambda tool: layer_table(tool, "app-x")["frameworks"].reverse())
    return "swap frameworks"


def toggle_support_modules(project: Project) -> str:
    def edit(tool: dict[str, Any]) -> None:
        table = layer_table(tool, "app-x")
        if table.pop("support_modules", None) is None:
            table["support_modules"] = ["apps/helper.py"]

    change(project, edit)
    return "toggle support modules"


def disable_or_enable(project: Project) -> str:
    def edit(tool: dict[str, Any]) -> None:
        table = layer_table(tool, "app-y")
        if table.pop("platforms", None) is None:
            table["platforms"] = []

    change(project, edit)
    return "disable or enable app-y"


def toggle_an_override(project: Project) -> str:
    def edit(tool: dict[str, Any]) -> None:
        if tool["uv"].pop("override-dependencies", None) is None:
            tool["uv"]["override-dependencies"] = ["p2==1.0"]

    change(project, edit)
    return "toggle an override"


CHANGES: tuple[Change, ...] = (
    toggle_a_requirement,
    edit_a_module,
    delete_a_file,
    toggle_versioned,
    swap_frameworks,
    toggle_support_modules,
    disable_or_enable,
    toggle_an_override,
)


def test_any_changes(journey: Journey) -> None:
    """X2 to X5, X12: after each, what is deployed is locked; in the end nothing is left over."""
    journey.go()
    done = []
    for _ in range(STEPS):
        before = journey.project.pyproject.read_text("utf-8")
        done.append(random.choice(CHANGES)(journey.project))
        try:
            journey.go()
        except LockError:  # layers that cannot live together
            journey.project.pyproject.write_text(before, "utf-8")
    journey.go()
    journey.expect_done()
    journey.expect_same_from_scratch(done)
