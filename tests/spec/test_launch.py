"""`launch` and `scripts`, as declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w

from support.specs import RUNTIME, application, framework, mistake, mistakes, stack
from venvlayers.errors import SpecError
from venvlayers.spec.launch import entry_point
from venvlayers.spec.model import LayerSpec
from venvlayers.spec.parse import load

SCRIPTS = {"scripts": {"serve": "demo.cli:serve", "other": "demo:other"}}


def declared(root: Path, launch: str, project: dict[str, Any] | None = None) -> LayerSpec:
    """Read the application of a ``pyproject.toml`` with this ``[project]``."""
    (root / "main.py").touch()
    runtime = {"name": "base", "python_implementation": "cpython@3.12", "requirements": []}
    top = {"name": "top", "runtime": "base", "requirements": [], "launch": launch}
    document = {
        "project": {"name": "demo", "version": "1", **(project or {})},
        "tool": {"venvstacks": {"runtimes": [runtime], "applications": [top]}},
    }
    (root / "pyproject.toml").write_text(tomli_w.dumps(document), "utf-8")
    return load(root).layer("app-top")


def refused(root: Path, launch: str, project: dict[str, Any] | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        declared(root, launch, project)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("launch", "means", "gui"),
    [
        ("demo", "demo", False),
        ("demo.cli", "demo.cli", False),
        ("demo.cli:main", "demo.cli:main", False),
        ("demo.cli:App.run", "demo.cli:App.run", False),
        ("serve", "demo.cli:serve", False),
        ("window", "demo.window:main", True),
        ("dömo", "dömo", False),
    ],
)
def test_a_module_a_function_or_a_script(
    tmp_path: Path, launch: str, means: str, *, gui: bool
) -> None:
    project = {**SCRIPTS, "gui-scripts": {"window": "demo.window : main [extra]"}}
    layer = declared(tmp_path, launch, project)
    assert layer.launch is not None
    assert (str(layer.launch), layer.launch.gui) == (means, gui)
    assert layer.launch_module is None
    assert layer.modules == ()
    if not gui and launch != "serve":
        assert layer.launch.scripts == ("serve", "other", "window"), "one may have been meant"


@pytest.mark.parametrize(
    ("launch", "suggestion"),
    [
        ("src/main.py", "a file of the project is given as launch_module = 'src/main.py'"),
        ("ser-ve", "did you mean 'serve'?"),
        ("my-tool", "write 'module' or 'module:function'; its scripts are 'serve', 'other'"),
        ("demo:", "write 'module' or"),
        (":main", "write 'module' or"),
        ("demo..cli", "write 'module' or"),
        ("demo:main:more", "write 'module' or"),
        ("demo:main [extra]", "write 'module' or"),
        ("import", "write 'module' or"),
        ("", "write 'module' or"),
    ],
)
def test_what_is_none_of_these(tmp_path: Path, launch: str, suggestion: str) -> None:
    message = refused(tmp_path, launch, SCRIPTS)
    assert message.startswith(f"tool.venvstacks.applications[0].launch: {launch!r} is neither")
    assert suggestion in message


def test_scripts_of_the_project_that_cannot_be_used(tmp_path: Path) -> None:
    computed = refused(tmp_path, "my-tool", {"dynamic": ["scripts"]})
    assert "this project's scripts are computed by its build backend" in computed
    assert "write 'module' or 'module:function')" in refused(tmp_path, "a-b", {"scripts": []})
    for value in ("demo", "demo:", 1):
        message = refused(tmp_path, "serve it", {"scripts": {"serve it": value}})
        assert message.startswith(f'project.scripts."serve it": {value!r} does not name a function')


def test_one_thing_starts_an_application(tmp_path: Path) -> None:
    both = mistake(tmp_path, RUNTIME, application("top", 'launch_module="main.py"', 'launch="x"'))
    assert both.startswith("applications[0]: has both 'launch' and 'launch_module'")
    wrong = mistakes(tmp_path, RUNTIME, application("top", "launch = 1"))
    assert wrong == ['applications[0].launch: must be a string, not an integer (write "1")']
    elsewhere = mistake(tmp_path, RUNTIME, framework("kit", 'launch = "x"'))
    assert elsewhere == "frameworks[0].launch: unknown key"


def test_without_a_project(tmp_path: Path) -> None:
    spec = stack(tmp_path, RUNTIME, application("top", 'launch = "serve"'))
    assert str(spec.layer("app-top").launch) == "serve"


@pytest.mark.parametrize("name", ["python", "Python3", "python3.12", "pythonw.exe", "pypy3"])
def test_a_launcher_is_not_called_as_python_is(tmp_path: Path, name: str) -> None:
    message = mistake(tmp_path, RUNTIME, application(name))
    assert "is what Python itself is called" in message
    assert stack(tmp_path, RUNTIME, application(f"{name}-app"))


@pytest.mark.parametrize(
    ("value", "kept"),
    [("true", None), ("false", ()), ('["a", "b*"]', ("a", "b*")), ("[]", ())],
)
def test_scripts_to_keep(tmp_path: Path, value: str, kept: tuple[str, ...] | None) -> None:
    spec = stack(tmp_path, RUNTIME, framework("kit", f"scripts = {value}"), application("top"))
    assert spec.layer("framework-kit").scripts == kept
    assert spec.layer("app-top").scripts is None


def test_scripts_that_cannot_be_read(tmp_path: Path) -> None:
    text = mistake(tmp_path, RUNTIME, framework("kit", 'scripts = "uvicorn"'))
    assert text == (
        "frameworks[0].scripts: must be true, false or an array of strings, not a string "
        '(write ["uvicorn"])'
    )
    assert "not an integer" in mistake(tmp_path, RUNTIME, framework("kit", "scripts = 1"))
    item = mistake(tmp_path, RUNTIME, framework("kit", "scripts = [1]"))
    assert item == "frameworks[0].scripts[0]: must be a string, not an integer"


@pytest.mark.parametrize("text", ["a b", "a:b c", "1", "a.b.", "", "[x]", "a:b]"])
def test_no_entry_points(text: str) -> None:
    assert entry_point(text) is None
