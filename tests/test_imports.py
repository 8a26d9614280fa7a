"""What may be imported, for each way in: imports are what a short run costs.

A module that is new here costs every run some milliseconds; say in the list that it may.
`docs/explanation/design.md` has the figures.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.projects import Project

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

SLOW_OF_PYTHON = {
    *("argparse", "asyncio", "concurrent.futures", "ctypes", "email", "http", "importlib.metadata"),
    *("logging", "multiprocessing", "shutil", "socket", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("unittest", "xml", "zipfile"),
}
"""Of the standard library, what takes long and nobody needs to find out that all is done."""

ASKING = {"errors", "lock", "plan", "platforms", "report", "request", "selection", "spec", "values"}
"""The rooms that say what is asked for."""

MODEL = ASKING | {"build", "files", "ignore", "project"}
"""Those that describe it, when it was read."""

PLANNING = MODEL | {
    "check",
    "guard",
    "layout",
    "own",
    "planning",
    "process",
    "transaction",
    "uv",
    "workflow",
}
"""Those that find out what there is to do."""

COMMAND = {"cache", "cli", "edit", "options"}
"""The command itself, with the options of all subcommands."""

HATCHLING = {"hatchling", "pathspec", "pluggy", "typing_extensions"}
"""What hatchling's builders need themselves."""


def loaded_by(program: str, *arguments: str, cwd: Path) -> set[str]:
    """Return the modules that are loaded when *program* ends, beyond those of a bare Python."""
    shown = "import sys\nbefore = set(sys.modules)\ntry:\n    {}\nexcept SystemExit:\n    pass\n"
    shown += "print('', *(set(sys.modules) - before))"
    command = [sys.executable, "-P", "-c", shown.format(program.replace("\n", "\n    "))]
    environment = {name: value for name, value in os.environ.items() if "COV" not in name}
    result = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=True, cwd=cwd, env=environment
    )
    return set(result.stdout.splitlines()[-1].split())


def others(loaded: set[str]) -> set[str]:
    """Return the distributions' modules among them, without the standard library and ours."""
    tops = {name.partition(".")[0] for name in loaded}
    ours = {"hatch_venvstacks", "venvlayers"}
    return {
        name
        for name in tops - set(sys.stdlib_module_names) - ours
        if not name.startswith("_sysconfigdata_")  # the standard library's, made by a build
    }


def rooms(loaded: set[str]) -> set[str]:
    return {name.split(".")[1] for name in loaded if name.startswith("venvlayers.")}


def expect(loaded: set[str], may_be_others: set[str], may_be_rooms: set[str]) -> None:
    assert others(loaded) - may_be_others == set()
    assert rooms(loaded) - may_be_rooms == set()
    assert loaded & SLOW_OF_PYTHON == set()


RUN = "from venvlayers.cli import main\nmain(sys.argv[1:])"


def test_help(tmp_path: Path) -> None:
    loaded = loaded_by(RUN, "build", "--help", cwd=tmp_path)
    expect(loaded - {"shutil"}, {"click"}, ASKING | COMMAND)  # asks how wide the terminal is
    assert "venvlayers.edit.edit" not in loaded


@on_linux
def test_show(published_project: Project) -> None:
    loaded = loaded_by(RUN, "show", cwd=published_project.root)
    expect(loaded, {"click"}, PLANNING | COMMAND)


HATCH = {
    # Asked for on both sides, before it is known whether anything of ours is wanted.
    "hatch_venvstacks.hooks": ({"hatchling", "pluggy"}, set[str]()),
    "hatch_venvstacks.builder": (HATCHLING, ASKING),
    "hatch_venvstacks.backend": (HATCHLING, ASKING),
    # Asked before every command of Hatch, in a project that has them switched on.
    "hatch_venvstacks.collector": ({"hatch"}, {"develop", "errors", "spec", "values"}),
    "hatch_venvstacks.environment": ({"hatch"}, {"develop", "errors", "files", "spec", "values"}),
}


@pytest.mark.parametrize("module", HATCH)
def test_what_hatch_loads(module: str, tmp_path: Path) -> None:
    loaded = loaded_by(f"import {module}", cwd=tmp_path)
    expect(loaded - {"shutil"}, *HATCH[module])  # hatchling's builders need it


def test_hooks_know_nothing_of_hatch(tmp_path: Path) -> None:
    loaded = loaded_by("import hatch_venvstacks.hooks", cwd=tmp_path)
    assert {name for name in loaded if name.startswith(("hatch.", "hatchling.builders"))} == set()


PIPELINE = ("build", "--lock-if-needed", "--publish", "--output-dir", "dist", "--tag-outputs")
TO_THE_END = {"cache", "publish"}
"""What tells that archives are in place."""
NEEDED = {"platformdirs", "zstandard"}
"""Where local runtimes are remembered; which version of the library would compress."""
OF_HATCHLING = {"argparse", "concurrent.futures", "email", "importlib.metadata", "logging"}
OF_HATCHLING |= {"shutil", "socket", "subprocess", "tempfile", "zipfile"}
"""What hatchling's own command loads before ours is asked."""


@on_linux
def test_nothing_to_do(published_project: Project) -> None:
    loaded_by(RUN, *PIPELINE, cwd=published_project.root)  # reads the archives, which are new here
    loaded = loaded_by(RUN, *PIPELINE, cwd=published_project.root)
    expect(loaded, NEEDED | {"click"}, PLANNING | TO_THE_END | COMMAND)
    assert "venvlayers.workflow.stages" not in loaded


@on_linux
def test_nothing_to_do_in_hatchlings_process(published_project: Project) -> None:
    """The process that Hatch starts for a build, with what it loads itself."""
    program = "from hatchling.cli import hatchling\nhatchling()"
    loaded = loaded_by(program, "build", "-t", "venvstacks", cwd=published_project.root)
    bare = {"editables", "packaging", "tomllib", "trove_classifiers"} | HATCHLING
    plugins = {"hatch_vcs", "setuptools_scm", "vcs_versioning"}  # where they are installed
    expect(loaded - OF_HATCHLING, NEEDED | bare | plugins, PLANNING | TO_THE_END)
    assert "venvlayers.workflow.stages" not in loaded
    assert "packaging.pylock" not in loaded


def test_lists_name_what_there_is() -> None:
    for name in PLANNING | TO_THE_END | COMMAND | {"develop"}:
        assert importlib.util.find_spec(f"venvlayers.{name}"), name
