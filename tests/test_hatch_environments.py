"""Layers as Hatch's environments, with the real hatch, as a user works with them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from support.deployments import Deployment, layers
from support.hatch import Hatch
from support.projects import Project
from support.stock import Stock
from support.typed import Typing

pytestmark = [
    pytest.mark.hatch,
    pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux"),
]

PRINTED = "versions: 1.0 1.0 1.0\n"
SWITCHED_ON = {"requires": ["hatch-venvstacks"], "collectors": {"venvstacks": {}}}


@pytest.fixture
def hatched(hatch: Hatch, stock: Stock, tmp_path: Path) -> Hatch:
    """A hatch whose builds find what `published_project` was made from."""
    layers = {**hatch.environment, **stock.caches, "COLUMNS": "200"}
    return replace(hatch, environment=layers)


@pytest.fixture
def switch_on(published_project: Project) -> Callable[..., Project]:
    """Give a function that switches the collector on, with environments of the project's own."""

    def write(envs: dict[str, Any] | None = None, **env: Any) -> Project:
        tool = published_project.read_pyproject()["tool"]
        tool["hatch"] = {"env": env or SWITCHED_ON, "envs": envs or {}}
        published_project.write_pyproject(tool)
        return published_project

    return write


def recording_uv(directory: Path) -> tuple[dict[str, str], Path]:
    """Return variables with a uv that fails, and the file in which it tells of its calls."""
    program, started = directory / "not-uv", directory / "started"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{started}'\nexit 1\n")
    program.chmod(0o755)
    return {"VENVSTACKS_UV": str(program)}, started


WARM = {
    *(f"hatch_venvstacks.{name}" for name in ("collector", "environment", "host")),
    *("venvlayers", "venvlayers.errors", "venvlayers.files", "venvlayers.values"),
    *("venvlayers.develop", "venvlayers.develop.layers", "venvlayers.develop.record"),
    *("venvlayers.spec", "venvlayers.spec.kinds", "venvlayers.spec.names"),
}
"""All that we import to find an environment up to date: 10 ms, of which most is Python's own."""


def imported(importtime: str) -> set[str]:
    """Return the modules that ``-X importtime`` tells of: those of ``import`` statements."""
    lines = [line for line in importtime.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def layers_written(project: Project) -> dict[str, int]:
    build = project.root / "_build"
    return {str(path): path.lstat().st_mtime_ns for path in sorted(build.rglob("*"))}


def test_every_layer_has_an_environment(
    hatched: Hatch, switch_on: Callable[..., Project], tmp_path: Path
) -> None:
    project = switch_on()
    shown = hatched("env", "show", "--ascii", cwd=project.root).stdout
    for name in ("base", "framework-middle", "app-top"):
        assert f" {name} " in shown
    assert "launch" in shown

    before = layers_written(project)
    first = hatched("run", "app-top:launch", cwd=project.root)
    assert first.stdout == PRINTED
    found = Path(hatched("env", "find", "app-top", cwd=project.root).stdout.strip())
    assert found.is_relative_to(hatched.environment["HATCH_DATA_DIR"])

    project.write("top.py", "import sys; print('edited', *sys.argv[1:])\n")
    no_uv, started = recording_uv(tmp_path)
    warm = hatched("run", "app-top:launch", "an argument", cwd=project.root, env=no_uv)
    assert warm.output == "edited an argument\n", "nothing else is said, or done"
    python = hatched("run", "app-top:python", "-m", "top", cwd=project.root, env=no_uv)
    assert python.output == "edited\n"
    assert not started.exists(), started.read_text()
    assert layers_written(project) == before, "what is published stays as it was built"

    timed = hatched("run", "app-top:python", "-V", cwd=project.root, options=("-X", "importtime"))
    modules = imported(timed.stderr)
    assert {name for name in modules if name.startswith(("hatch_venvstacks", "venvlayers"))} == WARM
    ours = {Requirement(text).name.replace("-", "_") for text in requires("hatch-venvstacks") or ()}
    # pathspec comes with hatch-vcs, where that is installed: Hatch loads all plugins.
    of_hatch = {"click", "hatchling", "packaging", "pathspec", "platformdirs", "pluggy", "rich"}
    assert {name.partition(".")[0] for name in modules} & ours <= of_hatch
    assert "packaging.pylock" not in modules

    tried = hatched("run", "base:python", "-c", "import roof", cwd=project.root, check=False)
    assert tried.returncode != 0
    hatched("run", "framework-middle:python", "-c", "import storey, ground", cwd=project.root)

    hatched("env", "remove", "app-top", cwd=project.root)
    assert not found.exists()
    hatched("env", "prune", cwd=project.root)
    assert not found.with_name("framework-middle").exists()
    assert layers_written(project) == before


def test_launching_a_function(hatched: Hatch, switch_on: Callable[..., Project]) -> None:
    """A script of the project, from its sources; and by the launcher's own name."""
    project = switch_on()
    project.write("src/demo/__init__.py", "")
    code = "import sys\ndef main():\n    print({!r}, *sys.argv[1:])\n    return 3\n"
    project.write("src/demo/cli.py", code.format("built"))
    project.set_project(scripts={"serve": "demo.cli:main"})
    stack = project.stack()
    del stack["applications"][0]["launch_module"]
    stack["applications"][0] |= {"launch": "serve", "support_modules": ["src/demo"]}
    project.set_stack(stack)
    for command in ("launch", "top"):
        project.write("src/demo/cli.py", code.format(command))
        result = hatched("run", f"app-top:{command}", "a b", "$HOME", cwd=project.root, check=False)
        assert (result.stdout, result.returncode) == (f"{command} a b $HOME\n", 3), result.stderr


def test_a_shell(hatched: Hatch, switch_on: Callable[..., Project], tmp_path: Path) -> None:
    project = switch_on()
    shell = tmp_path / "shell"
    shell.write_text("#!/bin/sh\npython -m top\necho $HATCH_ENV_ACTIVE $VIRTUAL_ENV\n")
    shell.chmod(0o755)
    arguments = ("shell", "app-top", "--path", str(shell), "--name", "sh")
    result = hatched(*arguments, cwd=project.root)
    found = hatched("env", "find", "app-top", cwd=project.root).stdout.strip()
    assert result.stdout == f"{PRINTED}app-top {found}\n"


@pytest.mark.parametrize("shell", ["bash", "sh", "zsh"])
def test_a_shell_that_somebody_types_in(
    hatched: Hatch, switch_on: Callable[..., Project], shell: str
) -> None:
    """Its start-up file puts another Python first, as pyenv's users have it."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    project = switch_on()
    place = hatched(
        "run", "app-top:python", "-c", "import sys; print(sys.prefix)", cwd=project.root
    )
    home = Path(hatched.environment["HOME"])
    other = home / "shims" / "python"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho another Python\n")
    other.chmod(0o755)
    started = "PS1='ready> '\n" + ("" if shell == "sh" else f"PATH='{other.parent}':$PATH\n")
    for name in (".bashrc", ".zshrc"):
        (home / name).write_text(started)
    environment = {
        key: value
        for key, value in hatched.environment.items()
        if key not in ("NO_COLOR", "ZDOTDIR", "PROMPT_COMMAND")
    }
    with Typing(
        *(sys.executable, "-m", "hatch", "shell", "app-top", "--name", shell, "--path", program),
        cwd=project.root,
        env={**environment, "TERM": "dumb", "PS1": "ready> "},
    ) as typing:
        prompt = "ready> " if shell == "sh" else "(app-top) ready> "
        typing.wait_for(prompt)
        typing.line("python -c 'import roof, sys; print(sys.prefix, 6 * 7)'")
        typing.wait_for(f"{place.stdout.strip()} 42")
        typing.line("python -m top; type deactivate >/dev/null && deactivate && python")
        typing.wait_for(PRINTED.strip() if shell == "sh" else "another Python")
        typing.line("exit 3")
    assert typing.status == 3, typing.shown
    assert PRINTED.strip() in typing.shown


def test_a_new_requirement_is_there_in_the_next_command(
    hatched: Hatch, switch_on: Callable[..., Project], stock: Stock
) -> None:
    project = switch_on()
    assert hatched("run", "app-top:launch", cwd=project.root).stdout == PRINTED
    stock.index.add("chimney")
    stack = project.stack()
    stack["applications"][0]["requirements"] = ["roof", "chimney"]
    project.set_stack(stack)
    command = ("run", "app-top:python", "-c", "import chimney; print(chimney.__version__)")
    result = hatched(*command, cwd=project.root)
    assert result.stdout == "1.0\n"
    assert "locking app-top: its requirements changed" in result.stderr
    assert "building base" not in result.stderr

    shutil.rmtree(project.root / "_build")
    assert hatched(*command, cwd=project.root).stdout == "1.0\n"


def test_environments_declared_by_hand(hatched: Hatch, switch_on: Callable[..., Project]) -> None:
    serve = {
        "type": "venvstacks",
        "layer": "app-top",
        "env-vars": {"GREETING": "hello"},
        "scripts": {"greet": "python -c 'import os, roof; print(os.environ[\"GREETING\"])'"},
    }
    project = switch_on({"serve": serve, "app-top": {"scripts": {"mine": "python -m top"}}})
    assert hatched("run", "serve:greet", cwd=project.root).stdout == "hello\n"
    assert hatched("run", "serve:launch", cwd=project.root).stdout == PRINTED
    assert hatched("run", "app-top:mine", cwd=project.root).stdout == PRINTED
    assert hatched("run", "app-top:launch", cwd=project.root).stdout == PRINTED
    project = switch_on({"app-top": {"type": "venvstacks"}}, requires=["hatch-venvstacks"])
    command = ("run", "app-top:python", "-m", "top")
    assert hatched(*command, cwd=project.root).stdout == PRINTED, "without the collector"


def test_what_a_layer_has_no_use_for_is_refused(
    hatched: Hatch, switch_on: Callable[..., Project]
) -> None:
    by_hand = {"type": "venvstacks", "layer": "app-top"}
    project = switch_on(
        {
            "default": {"dependencies": ["pytest"], "python": "3.99"},
            "inherits": by_hand,
            "stands-alone": {**by_hand, "detached": True},
            "wrong": {**by_hand, "layer": 1, "detached": True},
            "misspelt": {**by_hand, "layer": "app-tpo", "detached": True},
        }
    )

    def refused(env: str) -> str:
        result = hatched("run", f"{env}:python", "-V", cwd=project.root, check=False)
        assert result.returncode != 0
        assert "Traceback" not in result.output
        assert result.stdout == ""
        return result.stderr

    message = refused("inherits")
    assert "tool.hatch.envs.inherits: a layer has no `dependencies` or `python` of its" in message
    assert "set `detached = true`" in message
    assert "tool.hatch.envs.wrong.layer must be a string" in refused("wrong")
    assert "no layer is called 'app-tpo'" in refused("misspelt")
    assert "'app-top'" in refused("misspelt")
    hatched("env", "show", cwd=project.root)
    assert hatched("run", "app-top:launch", cwd=project.root).stdout == PRINTED
    assert hatched("run", "stands-alone:launch", cwd=project.root).stdout == PRINTED


def test_a_broken_specification_is_in_nobodys_way(
    hatched: Hatch, switch_on: Callable[..., Project]
) -> None:
    project = switch_on()
    hatched("run", "app-top:launch", cwd=project.root)
    stack = project.stack()
    stack["applications"][0]["launch_modul"] = stack["applications"][0].pop("launch_module")
    project.set_stack(stack)
    shown = hatched("env", "show", "--ascii", cwd=project.root).stdout
    assert " app-top " in shown
    for name in ("app-top", "framework-middle"):  # made, and not made
        result = hatched("run", f"{name}:python", "-V", cwd=project.root, check=False)
        assert result.returncode != 0
        assert "launch_modul: unknown key (did you mean 'launch_module'?)" in result.stderr
        assert "Traceback" not in result.output
        hatched("env", "find", name, cwd=project.root)
    hatched("env", "prune", cwd=project.root)


def test_the_project_is_used_from_its_sources_and_ships_as_a_wheel(
    hatched: Hatch, switch_on: Callable[..., Project], wheelhouse: Path, tmp_path: Path
) -> None:
    """Its build backend is hatchling, with an index that has it and this checkout's plugin."""
    project = switch_on()
    document = project.read_pyproject()
    document["tool"]["uv"]["find-links"] = [str(wheelhouse)]
    document["tool"]["venvstacks"]["applications"][0]["project"] = True
    document["project"]["scripts"] = {"hello": "demo:main"}
    project.write_document(document)
    printing = "from importlib.metadata import version\ndef main(): print('{}', version('demo'))\n"
    project.write("src/demo/__init__.py", printing.format("one"))
    project.write("top.py", "import demo; demo.main()\n")
    first = hatched("run", "app-top:launch", cwd=project.root)
    assert first.stdout == "one 1.0\n"
    assert "building the wheel of demo" in first.stderr

    before = layers_written(project)
    project.write("src/demo/__init__.py", printing.format("two"))
    no_uv, started = recording_uv(tmp_path)
    assert hatched("run", "app-top:launch", cwd=project.root, env=no_uv).output == "two 1.0\n"
    assert hatched("run", "app-top:hello", cwd=project.root, env=no_uv).output == "two 1.0\n"
    assert not started.exists()
    assert layers_written(project) == before

    hatched("build", "-t", "venvstacks", cwd=project.root)
    assert layers(project.dist)["app-top"]["project"]["version"] == "1.0"
    here = Deployment.unpacked(project.dist, tmp_path / "there")
    project.write("src/demo/__init__.py", printing.format("three"))
    assert here.python("app-top", "-m", "top").stdout == "two 1.0\n"
    assert not list(project.dist.glob("*.whl")), "it is none of what was asked for"


def test_names_that_hatch_has_a_meaning_for() -> None:
    from hatch_venvstacks.collector import environment_name  # noqa: PLC0415 - needs hatch

    assert environment_name("default") == "runtime-default"
    assert environment_name("hatch-build") == "runtime-hatch-build"
    assert environment_name("app-default") == "app-default"
    assert environment_name("cpython-3.13") == "cpython-3.13"
