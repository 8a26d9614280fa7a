"""Options of the whole stack, through the real command."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from support.command import venvstacks
from support.outputs import unchanged
from support.projects import Project
from venvlayers.platforms import host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")


def say(project: Project, **options: Any) -> None:
    project.set_stack(project.stack() | options)


def test_directories_format_and_names_are_the_stacks(unbuilt_project: Project) -> None:
    root = unbuilt_project.root
    (root / "meta").mkdir()
    (root / "requirements").rename(root / "meta" / "locks")
    say(
        unbuilt_project,
        **{"lock-dir": "meta/locks", "build-dir": "../built", "archive-format": "zip"},
        compression_level=1,
        tag_outputs=True,
    )
    result = venvstacks("publish", cwd=root, check=True, env={"VENVSTACKS_LOCKED": "1"})
    assert "add built/ to" not in result.stderr
    here = host_platform().name
    archives = {path.name for path in (root / "_artifacts").glob("*.zip")}
    assert archives == {f"{name}-{here}.zip" for name in ("base", "framework-middle", "app-top")}
    with zipfile.ZipFile(root / "_artifacts" / f"app-top-{here}.zip") as archive:
        assert archive.testzip() is None
    assert not (root / "_build").exists()
    assert not (root / "requirements").exists()
    assert (root.parent / "built" / here / "app-top" / "bin" / "python").exists()
    assert (root.parent / "built" / ".gitignore").read_text() == "*\n"
    untagged = venvstacks("publish", "--no-tag-outputs", cwd=root, check=True)
    assert f"-{here}.zip" not in untagged.stdout


def test_a_build_directory_with_files_of_others_stays_as_it_is(unbuilt_project: Project) -> None:
    shared = unbuilt_project.root.parent / "shared"
    shared.mkdir()
    (shared / "theirs").touch()
    say(unbuilt_project, **{"build-dir": "../shared"})
    venvstacks("build", cwd=unbuilt_project.root, check=True)
    assert not (shared / ".gitignore").exists()
    assert (shared / "theirs").exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"archive-format": "rar"}, 3, "tool.venvstacks.archive-format: unknown archive format"),
        ({"compression-level": 99}, 6, "levels 1 to"),
        ({"build-dir": ".."}, 3, "tool.venvstacks.build-dir: is a directory that has the project"),
    ],
)
def test_options_that_cannot_be(
    unbuilt_project: Project, options: dict[str, Any], code: int, said: str
) -> None:
    say(unbuilt_project, **options)
    with unchanged(unbuilt_project):
        result = venvstacks("publish", cwd=unbuilt_project.root)
    assert (result.returncode, "Traceback" in result.output) == (code, False), result.output
    assert said in result.stderr


def test_a_build_directory_named_to_the_command_is_apart_from_the_project(
    unbuilt_project: Project,
) -> None:
    root = unbuilt_project.root
    result = venvstacks("build", "--build-dir", str(Path("..")), cwd=root)
    assert result.returncode == 5, result.output
    assert "has the project in it" in result.stderr
