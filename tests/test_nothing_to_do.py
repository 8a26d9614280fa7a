"""What an unchanged stack costs: no process, and no file beyond what its safety needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.projects import Project
from support.stacks import Messages, run
from venvlayers.plan import Goal
from venvlayers.platforms import host_platform
from venvlayers.report import Kind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

PIPELINE = ("build", "--lock-if-needed", "--publish", "--output-dir", "dist", "--tag-outputs")

WATCHED = """
import json, sys
from pathlib import Path

seen = {"open": [], "os.scandir": [], "os.listdir": [], "subprocess.Popen": []}

def watch(event, arguments):
    if event in seen:
        seen[event].append(str(arguments[0]))

from venvlayers.cli import main

sys.addaudithook(watch)
try:
    main(sys.argv[2:])
finally:
    Path(sys.argv[1]).write_text(json.dumps(seen))
"""
"""Runs the command; writes down what it opened, listed and started (PEP 578)."""


@dataclass(frozen=True)
class Watched:
    """What a run of the command did.

    Attributes:
        stdout: What it printed.
        stderr: What it said.
        looked_at: Every file that it opened, and every directory that it listed.
        started: The programs that it started.
    """

    stdout: str
    stderr: str
    looked_at: tuple[Path, ...]
    started: tuple[str, ...]

    def below(self, directory: Path) -> list[Path]:
        return [path for path in self.looked_at if path.is_relative_to(directory)]


def watched(project: Project, arguments: Sequence[str], record: Path) -> Watched:
    command = [sys.executable, "-c", WATCHED, str(record), *arguments]
    result = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    seen = json.loads(record.read_text("utf-8"))
    names = [*seen["open"], *seen["os.scandir"], *seen["os.listdir"]]
    return Watched(
        stdout=result.stdout,
        stderr=result.stderr,
        looked_at=tuple(project.root / name for name in names),
        started=tuple(seen["subprocess.Popen"]),
    )


def test_nothing_to_do_is_nothing(published_project: Project, tmp_path: Path) -> None:
    """The archives were copied here, so they are read once, and then not any more."""
    dist = published_project.dist
    archives = sorted(dist.glob("*.tar.zst"))
    environments = published_project.root / "_build" / host_platform().name
    environment = environments / "framework-middle"
    assert environment.is_dir()

    first = watched(published_project, (*PIPELINE, "-v"), tmp_path / "first")
    assert sorted(path for path in first.below(dist) if path in archives) == archives
    assert "trusted: 3 archives, by their digests; every byte was read\n" in first.stderr

    again = watched(published_project, (*PIPELINE, "-v"), tmp_path / "again")
    assert not [path for path in again.below(dist) if path in archives]
    assert again.below(environments) == []
    assert again.started == first.started == ()
    assert again.stderr == (
        "trusted: 3 locks, by the recorded hashes of their inputs and texts\n"
        "trusted: 3 environments, by their recorded keys; their files were not looked at\n"
        "trusted: 3 archives, by size, times and inode since their digests were computed\n"
    )
    assert again.stdout == first.stdout
    quiet = watched(published_project, (*PIPELINE, "--show", "--json"), tmp_path / "json")
    assert [(one["what"], one["count"]) for one in trusted(quiet)] == [
        ("locks", 3),
        ("environments", 3),
        ("archives", 3),
    ]
    asked = ("publish", "--output-dir", "dist", "--tag-outputs", "--json")  # which does nothing
    plan = watched(published_project, asked, tmp_path / "plan")
    assert json.loads(plan.stdout)["trusted"] == trusted(quiet)


def trusted(result: Watched) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(result.stdout)["outcome"]["trusted"]
    return found


def test_what_was_just_published_is_not_read_again(small_project: Project, tmp_path: Path) -> None:
    messages = Messages()
    run(small_project, Goal.PUBLISH, messages, tag_outputs=True)
    assert not [text for text in messages.of(Kind.DETAIL) if text.startswith("trusted")]
    again = watched(small_project, PIPELINE, tmp_path / "again")
    assert again.started == ()
    assert not [path for path in again.looked_at if path.name.endswith(".tar.zst")]


def test_what_is_left_of_a_stack_is_trusted(published_project: Project, tmp_path: Path) -> None:
    """One layer changes: the archives of the others are not read to find that out."""
    watched(published_project, PIPELINE, tmp_path / "first")
    published_project.write("top.py", "print('changed')\n")
    changed = watched(published_project, (*PIPELINE, "-v"), tmp_path / "changed")
    archives = {path.name for path in changed.looked_at if path.suffix == ".zst"}
    assert {name for name in archives if not name.startswith("app-top")} == set()
    assert "keeping framework-middle: its archive is in place" in changed.stderr
    assert "trusted: 2 archives, by size" in changed.stderr


def test_what_is_packed_is_not_only_trusted(published_project: Project, tmp_path: Path) -> None:
    shutil.rmtree(published_project.dist)
    packed = watched(published_project, (*PIPELINE, "-v"), tmp_path / "packed")
    assert "trusted: 3 environments, by their recorded keys, and what packages" in packed.stderr
    assert "were not looked at" not in packed.stderr


def test_exports_are_trusted_by_their_seal(published_project: Project) -> None:
    export = published_project.root / "export"
    for expected in (0, 3):
        messages = Messages()
        run(published_project, Goal.EXPORT, messages, output_dir=export)
        told = [text for text in messages.of(Kind.DETAIL) if "exports" in text]
        assert [text.split()[1] for text in told] == ([str(expected)] if expected else [])


def test_x25_what_a_killed_run_left_goes_even_then(published_project: Project) -> None:
    """It was killed when everything was in its place, so there is nothing to do but that."""
    left = [
        published_project.dist / ".venvstacks-publish-abc",
        published_project.root / "requirements" / ".venvstacks-lock-abc",
    ]
    for directory in left:
        directory.mkdir()
        (directory / ".lock").touch()
        (directory / "base.tar.zst").write_bytes(b"half of it")
    outcome = run(published_project)
    assert outcome.done == ()
    assert [directory for directory in left if directory.exists()] == []
