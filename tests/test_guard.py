"""The build directory: whose it may be, and what is put into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.stacks import Messages
from venvlayers.errors import BuildError
from venvlayers.guard import guarded
from venvlayers.layout import Layout
from venvlayers.report import Kind


def layout(root: Path, build_dir: Path) -> Layout:
    return Layout(lock_dir=root / "requirements", build_dir=build_dir)


@pytest.mark.parametrize("up", ["", "..", "../.."])
def test_a_directory_that_has_the_project_in_it(tmp_path: Path, up: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    place = Path(*root.parts[: len(root.parts) - len(Path(up).parts)])
    with (
        pytest.raises(BuildError, match="has the project in it"),
        guarded(layout(root, place), root, Messages().reporter),
    ):
        pytest.fail("the directory must not be used")
    assert list(root.iterdir()) == []


def test_a_new_directory_is_kept_out_of_git(tmp_path: Path) -> None:
    root, messages = tmp_path / "project", Messages()
    root.mkdir()
    (root / "pyproject.toml").touch()
    with guarded(layout(root, root / "_build"), root, messages.reporter):
        assert (root / "_build" / ".gitignore").read_text() == "*\n"
    (warning,) = messages.of(Kind.WARNING)
    assert warning.startswith("add _build/ to ")
    again = Messages()
    with guarded(layout(root, root / "_build"), root, again.reporter):
        assert again.of(Kind.WARNING) == []


def test_a_stack_of_its_own_has_no_source_distribution(tmp_path: Path) -> None:
    messages = Messages()
    with guarded(layout(tmp_path, tmp_path / "_build"), tmp_path, messages.reporter):
        assert (tmp_path / "_build" / ".gitignore").is_file()
    assert messages.of(Kind.WARNING) == []


def test_a_directory_outside_of_the_project_is_in_no_source_distribution(tmp_path: Path) -> None:
    root, messages = tmp_path / "project", Messages()
    with guarded(layout(root, tmp_path / "built"), root, messages.reporter):
        assert (tmp_path / "built" / ".gitignore").is_file()
    assert messages.of(Kind.WARNING) == []


def test_a_directory_that_was_there_gets_no_file_of_ours(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "theirs").touch()
    with guarded(layout(root, tmp_path / "built"), root, Messages().reporter):
        assert not (tmp_path / "built" / ".gitignore").exists()
