"""The project in the same file, as layers contain it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import application, framework
from venvlayers.errors import SpecError
from venvlayers.spec.model import ProjectSpec, ProjectUse, StackSpec
from venvlayers.spec.parse import load

PROJECT = """
[project]
name = "My.Project"
version = "1.0"
dependencies = ["requests", "rich>=13.7; python_version >= '3'"]

[project.optional-dependencies]
Web_UI = ["flask"]
cli = ["click"]
all = ["my_project[cli,web-ui]", "uvicorn[standard]"]

[dependency-groups]
test = ["pytest", "my-project[cli]"]
"""
COMPUTED = """
[project]
name = "x"
dynamic = ["dependencies", "optional-dependencies", "version"]
"""
RUNTIME = """
[[tool.venvstacks.runtimes]]
name = "base"
python_implementation = "cpython@3.12"
requirements = []
"""
PLAIN = ("requests", 'rich>=13.7; python_version >= "3"')


def read(root: Path, *layers: str, project: str = PROJECT) -> StackSpec:
    (root / "main.py").touch()
    tables = [table.replace("[[", "[[tool.venvstacks.") for table in layers]
    (root / "pyproject.toml").write_text("\n".join((project, RUNTIME, *tables)), "utf-8")
    return load(root)


def refused(root: Path, *layers: str, project: str = PROJECT) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(root, *layers, project=project)
    found = [str(problem) for problem in caught.value.problems]
    return [problem.removeprefix("tool.venvstacks.") for problem in found]


@pytest.mark.parametrize(
    ("line", "extras", "requirements"),
    [
        ("project = true", (), PLAIN),
        ("project = {}", (), PLAIN),
        ('project = { extras = ["web.ui"] }', ("web-ui",), (*PLAIN, "flask")),
        (
            'project = { extras = ["all", "cli"] }',
            ("all", "cli"),
            (*PLAIN, "click", "flask", "uvicorn[standard]"),
        ),
        ('project = true\nrequirements = ["httpx"]', (), ("httpx", *PLAIN)),
        ('project = true\ndependency_groups = ["plain"]', (), ("idna", *PLAIN)),
    ],
)
def test_a_layer_needs_what_the_project_needs(
    tmp_path: Path, line: str, extras: tuple[str, ...], requirements: tuple[str, ...]
) -> None:
    table = application("app", line)
    if "requirements" in line:
        table = table.replace("requirements = []\n", "")
    groups = 'plain = ["idna"]\n'
    layer = read(tmp_path, table, project=f"{PROJECT}{groups}").layer("app-app")
    assert layer.project == ProjectUse(extras=extras)
    assert layer.requirements == requirements
    assert layer.has_wheel


@pytest.mark.parametrize("line", ["", "project = false"])
def test_or_it_does_not(tmp_path: Path, line: str) -> None:
    spec = read(tmp_path, framework("f", line))
    assert spec.layer("framework-f").project is None
    assert spec.layer("framework-f").requirements == ()
    assert spec.project == ProjectSpec(name="my-project", computed=frozenset())


def test_above_a_layer_with_the_project_only_extras_are_new(tmp_path: Path) -> None:
    on = 'frameworks = ["f"]'
    spec = read(
        tmp_path,
        framework("f", "project = true"),
        application("more", 'project = { extras = ["cli"] }', on=on),
        application("plain", on=on),
    )
    above = spec.layer("app-more")
    assert above.project == ProjectUse(extras=("cli",), is_below=True)
    assert above.requirements == (*PLAIN, "click")
    assert [layer.env_name for layer in spec.layers if layer.has_wheel] == ["framework-f"]
    assert spec.has_project(spec.layer("app-plain"))
    assert not spec.has_project(spec.layer("base"))


def test_what_the_backend_computes_is_not_known_here(tmp_path: Path) -> None:
    layers = (framework("f", 'project = { extras = ["any"] }'),)
    spec = read(tmp_path, *layers, project=COMPUTED)
    assert spec.layer("framework-f").project == ProjectUse(extras=("any",), is_computed=True)
    assert spec.layer("framework-f").requirements == ()


@pytest.mark.parametrize(
    ("layer", "project", "expected"),
    [
        (
            framework("f", "project = 1"),
            PROJECT,
            (
                "frameworks[0].project: must be true, false or a table, not an integer "
                '(write { extras = ["name"] } or true)'
            ),
        ),
        (
            framework("f", 'project = ["cli"]'),
            PROJECT,
            (
                "frameworks[0].project: must be true, false or a table, not an array "
                '(write { extras = ["name"] } or true)'
            ),
        ),
        (
            framework("f", 'project = { extra = ["cli"] }'),
            PROJECT,
            "frameworks[0].project.extra: unknown key (did you mean 'extras'?)",
        ),
        (
            framework("f", 'project = { extras = "cli" }'),
            PROJECT,
            (
                "frameworks[0].project.extras: must be an array of strings, not a string "
                '(write ["cli"])'
            ),
        ),
        (
            framework("f", 'project = { extras = ["cly"] }'),
            PROJECT,
            (
                "frameworks[0].project.extras[0]: there is no 'cly' in "
                "[project.optional-dependencies] (did you mean 'cli'?)"
            ),
        ),
        (
            framework("f", 'project = { extras = ["x"] }'),
            '[project]\nname = "x"\nversion = "1"\n',
            (
                "frameworks[0].project.extras[0]: there is no 'x' in "
                "[project.optional-dependencies] (it has: nothing)"
            ),
        ),
        (
            framework("f", "project = true"),
            "",
            (
                "frameworks[0].project: there is no [project] with a name in this file "
                "(it is for a project's pyproject.toml, which has the project's name there)"
            ),
        ),
        (
            framework("f", "project = true"),
            '[project]\nname = "x"\nversion = "1"\ndependencies = "numpy"\n',
            "project.dependencies: must be an array of strings, not a string",
        ),
        (
            framework("f", "project = true"),
            '[project]\nname = "x"\nversion = "1"\ndependencies = ["a @ https://e.org/a.tar.gz"]\n',
            (
                "project.dependencies[0]: 'a @ https://e.org/a.tar.gz' is not a wheel, and nothing "
                "is built from source"
            ),
        ),
        (
            framework("f", "project = true", 'dependency_groups = ["test"]'),
            PROJECT,
            (
                "frameworks[0]: 'my-project[cli]' is the project itself, which is there from its "
                "own wheel (leave it out, and name its extras in `project = { extras = [...] }`)"
            ),
        ),
        (
            framework("f", "project = true", "versioned = true"),
            COMPUTED,
            (
                "frameworks[0].versioned: cannot be for a layer with the project, whose version "
                "its build backend computes (the project's version tells deployments apart; "
                "leave out 'versioned')"
            ),
        ),
    ],
)
def test_mistakes(tmp_path: Path, layer: str, project: str, expected: str) -> None:
    assert refused(tmp_path, layer, project=project) == [expected]


def test_a_runtime_contains_no_project(tmp_path: Path) -> None:
    table = RUNTIME.replace('"base"', '"other"').replace("tool.venvstacks.", "")
    assert refused(tmp_path, f"{table}project = true\n")[0].startswith("runtimes[1].project: ")


def test_a_file_of_a_stack_alone_has_no_project(tmp_path: Path) -> None:
    (tmp_path / "venvstacks.toml").write_text(
        PROJECT + RUNTIME.replace("tool.venvstacks.", "") + framework("f", "project = true")
    )
    with pytest.raises(SpecError, match=r"frameworks\[0\].project: there is no \[project\]"):
        load(tmp_path)


def test_a_name_that_is_none_is_the_backends_business(tmp_path: Path) -> None:
    spec = read(tmp_path, framework("f"), project='[project]\nname = 1\ndynamic = ["version"]\n')
    assert spec.project is None
