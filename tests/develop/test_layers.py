"""Which layers there are, whatever state the specification is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.projects import Project
from venvlayers.develop.layers import LAUNCHER, declared_layers
from venvlayers.spec.parse import load

EVERYTHING = """
[build-system]
requires = ["hatchling"]

[project]
name = "demo"
version = "1.0"
[project.scripts]
serve = "demo.cli:main [fast]"
"a b" = "demo:main"
[project.gui-scripts]
window = "demo.window:main"

[[tool.venvstacks.runtimes]]
name = "base"
python-implementation = "cpython@3.11.7"
requirements = []
[[tool.venvstacks.runtimes]]
name = "nowhere"
python_implementation = "cpython@3.11.7"
requirements = []
platforms = []

[[tool.venvstacks.frameworks]]
name = "middle"
runtime = "base"
requirements = []
[[tool.venvstacks.frameworks]]
name = "disabled"
runtime = "base"
requirements = []
platforms = []
[[tool.venvstacks.frameworks]]
name = "above-nowhere"
runtime = "nowhere"
requirements = []
[[tool.venvstacks.frameworks]]
name = "one"
runtime = "base"
platforms = ["win_amd64"]
requirements = []

[[tool.venvstacks.applications]]
name = "file"
launch-module = "dir/top.py"
frameworks = ["middle"]
requirements = []
[[tool.venvstacks.applications]]
name = "package"
launch_module = "dir/package"
runtime = "base"
requirements = []
[[tool.venvstacks.applications]]
name = "module"
launch = "demo.cli"
frameworks = ["middle", "one"]
requirements = []
[[tool.venvstacks.applications]]
name = "function"
launch = "demo.cli:main"
frameworks = ["middle"]
requirements = []
[[tool.venvstacks.applications]]
name = "script"
launch = "serve"
frameworks = ["middle"]
requirements = []
[[tool.venvstacks.applications]]
name = "spaced"
launch = "a b"
frameworks = ["middle"]
requirements = []
[[tool.venvstacks.applications]]
name = "window"
launch = "window"
frameworks = ["middle"]
requirements = []
[[tool.venvstacks.applications]]
name = "above-disabled"
launch_module = "not-there.py"
frameworks = ["middle", "disabled"]
requirements = []
"""


def names(pyproject: Path) -> list[tuple[str, str | None]]:
    return [(layer.env_name, layer.launch) for layer in declared_layers(pyproject)]


def parsed_names(pyproject: Path) -> list[tuple[str, str | None]]:
    """What `names` has to be, by the word of the parser."""
    found: list[tuple[str, str | None]] = []
    for layer in load(pyproject).layers:
        launch = layer.launch
        module = launch and (LAUNCHER if launch.attribute else launch.module)
        found.append((layer.env_name, module))
    return found


def test_layers_with_what_starts_them(small_project: Project) -> None:
    expected = [("base", None), ("framework-middle", None), ("app-top", "top")]
    assert names(small_project.pyproject) == expected


@pytest.mark.parametrize("default", ["", "platforms = []", "platforms = ['linux_x86_64']"])
def test_they_are_those_that_the_parser_finds(tmp_path: Path, default: str) -> None:
    """Hyphens, disabled layers, and everything that an application can be started by."""
    pyproject = tmp_path / "pyproject.toml"
    text = EVERYTHING.replace("win_amd64", "linux_x86_64") if "linux" in default else EVERYTHING
    pyproject.write_text(f"{text}\n[tool.venvstacks]\n{default}\n")
    for path in ("dir/top.py", "dir/package/__init__.py", "dir/package/__main__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert names(pyproject) == parsed_names(pyproject)


def test_mistakes_leave_the_layers(small_project: Project) -> None:
    found = names(small_project.pyproject)
    (small_project.root / "top.py").unlink()
    stack = small_project.stack()
    stack["frameworks"][0]["requirments"] = stack["frameworks"][0].pop("requirements")
    small_project.set_stack(stack)
    assert names(small_project.pyproject) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "project = 1",
        "tool = 1",
        "[tool]\nvenvstacks = 1",
        "[tool.venvstacks]\nruntimes = 1\nframeworks = [1, {name = 1}, {name = '../up'}, {}]",
        "no toml",
    ],
)
def test_anything_else_has_no_layers(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(text)
    assert names(file) == []


def test_values_of_any_type(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(
        "[tool.venvstacks]\napplications = ["
        "{name = 'a', launch = 1, frameworks = 1}, {name = 'b', launch = 's', runtime = 1},"
        "{name = 'c', frameworks = [1], launch_module = 1}]\n[project]\nscripts = {s = 1}\n"
    )
    assert names(file) == [("app-a", None), ("app-b", "1"), ("app-c", None)]


def test_no_file_has_no_layers(tmp_path: Path) -> None:
    assert names(tmp_path / "pyproject.toml") == []
