"""Which layers there are, whatever state the specification is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.projects import Project
from venvlayers.develop.layers import declared_layers


def names(project: Path) -> list[tuple[str, str | None]]:
    return [(layer.env_name, layer.launch) for layer in declared_layers(project)]


def test_layers_with_what_starts_them(small_project: Project) -> None:
    expected = [("base", None), ("framework-middle", None), ("app-top", "top")]
    assert names(small_project.root) == expected
    assert names(small_project.pyproject) == expected


def test_mistakes_leave_the_names(small_project: Project) -> None:
    (small_project.root / "top.py").unlink()
    assert names(small_project.root) == [
        ("base", None),
        ("framework-middle", None),
        ("app-top", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tool = 1",
        "[tool]\nvenvstacks = 1",
        "[tool.venvstacks]\nruntimes = 1\nframeworks = [1, {name = 1}, {name = '../up'}, {}]",
        "no toml",
    ],
)
def test_anything_else_has_no_layers(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert names(tmp_path) == []


def test_no_file_has_no_layers(tmp_path: Path) -> None:
    assert names(tmp_path) == []


def test_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "venvstacks.toml").write_text("[[runtimes]]\nname = 'base'\n[[runtimes]]\n")
    assert names(tmp_path) == [("base", None)]
