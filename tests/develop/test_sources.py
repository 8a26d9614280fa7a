"""Where the sources of a layer in development are."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.projects import Project
from venvlayers.develop.sources import project_directories, source_directories
from venvlayers.layout import Layout
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.spec.parse import load


def directories(spec: StackSpec, layer: LayerSpec) -> tuple[Path, ...]:
    return source_directories(spec, layer, Layout.of(spec))


NAMED = "[project]\nname = 'My.Tool'\n"


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        (NAMED, ["src/my_tool/__init__.py"], ["src"]),
        (NAMED, ["my_tool/__init__.py"], ["."]),
        (NAMED, ["my_tool.py"], ["."]),
        (NAMED, ["other/__init__.py"], []),
        (NAMED, ["src/__init__.py"], []),
        ("", ["src/my_tool/__init__.py"], []),
        ("no toml", ["src/my_tool/__init__.py"], []),
        ("[tool.hatch.build]\ndev-mode-dirs = ['lib', 'more']", [], ["lib", "more"]),
        ("[tool.hatch.build.targets.wheel]\ndev-mode-dirs = ['.']", [], ["."]),
        (f"{NAMED}[tool.hatch.build]\ndev-mode-dirs = 1", ["src/x.py"], ["src"]),
        (f"{NAMED}[tool.hatch.build]\ndev-mode-dirs = ['', 1]", ["src/x.py"], ["src"]),
    ],
)
def test_the_project(tmp_path: Path, text: str, files: list[str], expected: list[str]) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert project_directories(tmp_path, None) == tuple(tmp_path / name for name in expected)


def test_a_stack_without_a_project(tmp_path: Path) -> None:
    assert project_directories(tmp_path, None) == ()


def test_modules_come_before_the_project_where_that_is_contained(small_project: Project) -> None:
    root = small_project.root
    small_project.write("src/demo/__init__.py", "")
    small_project.write("parts/helper.py", "")
    stack = small_project.stack()
    stack["applications"][0]["support_modules"] = ["parts/helper.py"]
    small_project.set_stack(stack)
    spec = load(root)
    assert directories(spec, spec.layer("app-top")) == (root, root / "parts")
    assert directories(spec, spec.layer("framework-middle")) == ()
    stack["frameworks"][0]["project"] = True
    small_project.set_stack(stack)
    spec = load(root)
    assert directories(spec, spec.layer("app-top")) == (root, root / "parts", root / "src")
    assert directories(spec, spec.layer("framework-middle")) == (root / "src",)
    assert directories(spec, spec.layer("base")) == ()
