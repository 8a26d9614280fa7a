"""What layers take from the project in the same file: dependency groups and extras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.index import Index
from support.projects import Project
from support.specs import RUNTIME, application, framework, mistakes, stack
from support.stacks import lock_all, spec_and_layout
from venvlayers.lock.state import lock_states

MakeProject = Callable[..., Project]

PROJECT = """
[project]
name = "My.Project"
version = "1.0"

[project.optional-dependencies]
gpu = ["torch>=2", "numpy"]
Web_UI = ["flask"]
all = ["my-project[gpu, web-ui]", "rich"]

[dependency-groups]
base = ["numpy"]
ML = ["scikit-learn", { include-group = "base" }]
"""


def requirements(root: Path, *lines: str) -> tuple[str, ...]:
    spec = stack(root, RUNTIME, framework("f", *lines), PROJECT)
    return spec.layer("framework-f").requirements


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('dependency_groups = ["ml"]', ("scikit-learn", "numpy")),
        ('dependency-groups = ["base", "ml"]', ("numpy", "scikit-learn")),
        ('extras = ["gpu"]', ("torch>=2", "numpy")),
        ('extras = ["web-ui"]', ("flask",)),
        ('extras = ["all"]', ("torch>=2", "numpy", "flask", "rich")),
        ('extras = ["gpu"]\ndependency_groups = ["ml"]', ("scikit-learn", "numpy", "torch>=2")),
    ],
)
def test_groups_and_extras_become_requirements(
    tmp_path: Path, line: str, expected: tuple[str, ...]
) -> None:
    """Each once; an extra that names the project's own extras is that of all of them."""
    assert requirements(tmp_path, line) == expected


@pytest.mark.parametrize(
    ("line", "tables", "expected"),
    [
        (
            'dependency_groups = ["lm"]',
            PROJECT,
            (
                "frameworks[0].dependency_groups[0]: there is no 'lm' in [dependency-groups] "
                "(it has: base, ML)"
            ),
        ),
        (
            'extras = ["gpus"]',
            PROJECT,
            (
                "frameworks[0].extras[0]: there is no 'gpus' in [project.optional-dependencies] "
                "(did you mean 'gpu'?)"
            ),
        ),
        (
            'extras = ["gpu"]',
            '[project]\nname = "x"\ndynamic = ["optional-dependencies"]\n',
            (
                "frameworks[0].extras[0]: there is no 'gpu' in [project.optional-dependencies] "
                "(this project's extras are computed by its build backend, which is not asked)"
            ),
        ),
        (
            'dependency_groups = ["a"]',
            '[dependency-groups]\na = [{ include-group = "b" }]\nb = [{ include-group = "a" }]\n',
            (
                "dependency-groups.a: Cyclic dependency group include while resolving a: "
                "a -> b, b -> a"
            ),
        ),
        (
            'dependency_groups = ["a"]',
            '[dependency-groups]\na = [{ include-group = "b" }]\n',
            "dependency-groups.a: Dependency group 'b' not found",
        ),
        (
            'extras = ["a b"]',
            '[project]\nname = "x"\n[project.optional-dependencies]\n"a b" = "numpy"\n',
            'project.optional-dependencies."a b": must be an array of strings, not a string',
        ),
        (
            'extras = ["a"]',
            '[project]\nname = "x"\n[project.optional-dependencies]\na = ["<>", "x[b]"]\n',
            "project.optional-dependencies.a[0]: '<>' is not a requirement: ",
        ),
        (
            'extras = ["a"]',
            '[project]\nname = "x"\n[project.optional-dependencies]\na = ["x[a,b]"]\n',
            "project.optional-dependencies.a: there is no extra 'b'",
        ),
        (
            'dependency_groups = ["a"]',
            '[dependency-groups]\na = ["tool @ https://example.org/tool.tar.gz"]\n',
            "dependency-groups.a: 'tool @ https://example.org/tool.tar.gz' is not a wheel",
        ),
        (
            'extras = ["a"]',
            "project = 1\n",
            (
                "frameworks[0].extras[0]: there is no 'a' in [project.optional-dependencies] "
                "(it has: nothing)"
            ),
        ),
    ],
)
def test_mistakes_are_named_where_they_are(
    tmp_path: Path, line: str, tables: str, expected: str
) -> None:
    # A value of the whole file's own stands before its first table.
    parts = (RUNTIME, framework("f", line), tables)
    ordered = parts if tables.lstrip().startswith("[") else (tables, *parts[:2])
    assert mistakes(tmp_path, *ordered)[0].startswith(expected)


def test_editing_a_group_outdates_the_locks_that_use_it(
    make_project: MakeProject, index: Index
) -> None:
    """Exactly those: a layer beside it stays as it is."""
    for name in ("one", "two"):
        index.add(name)
    project = make_project(
        RUNTIME.replace('python_implementation = "cpython@3.12"\n', "")
        + framework("uses", 'dependency_groups = ["g"]')
        + framework("other")
        + application("top", on='frameworks = ["other"]'),
        files={"main.py": ""},
    )
    pyproject = project.root / "pyproject.toml"
    before = pyproject.read_text("utf-8")
    pyproject.write_text(f'{before}\n[dependency-groups]\ng = ["one"]\n', "utf-8")
    lock_all(project)
    pyproject.write_text(f'{before}\n[dependency-groups]\ng = ["one", "two"]\n', "utf-8")
    states = lock_states(*spec_and_layout(project))
    assert [name for name, state in states.items() if state.outdated] == ["framework-uses"]
