"""Two builds of one lock differ in nothing, whatever differs around them.

The first build is made in this process's environment; each of the others changes
several things at once, so that a difference that only shows in combination shows
too. When one differs, the message names the archive, the member and the byte.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.compare import assert_same_archives
from support.deployments import layers
from support.index import Index
from support.projects import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

STACK = """
[[runtimes]]
name = "base"
requirements = ["ground"]

[[frameworks]]
name = "middle"
runtime = "base"
requirements = ["tool", "native"]

[[applications]]
name = "top"
launch_module = "top"
frameworks = ["middle"]
requirements = ["with-data"]
"""

# Read here, because no VENVSTACKS_ variable reaches a test.
TOOL_PYTHONS = os.environ.get("VENVSTACKS_TEST_PYTHONS", "").split(os.pathsep)

PUBLISH = """
import os, sys
{patch}
from venvlayers.cli import main
main(["build", "--publish", "--output-dir", sys.argv[2], "--locked", sys.argv[1]])
"""

REVERSED_LISTING = """
_scandir, _listdir = os.scandir, os.listdir

class Listing:
    def __init__(self, path):
        with _scandir(path) as found:
            self.entries = sorted(found, key=lambda entry: entry.name)
    def __iter__(self): return self
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def close(self): pass
    def __next__(self):
        if not self.entries: raise StopIteration
        return self.entries.pop()

os.scandir = lambda path=".": Listing(path)
os.listdir = lambda path=".": sorted(_listdir(path), reverse=True)
"""

ONE_CORE = "os.cpu_count = lambda: 1"
MANY_CORES = "os.cpu_count = lambda: 7"


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What is different about a build."""

    env: Mapping[str, str] = field(default_factory=dict)
    umask: int = 0o022
    patch: str = ""
    directory: str = "elsewhere"
    cold: bool = False
    python: str | None = None


VARIATIONS = {
    "cold cache, other directory, private umask": Variation(
        cold=True, umask=0o077, directory="with späces and ümlauts/deeper"
    ),
    "time zone, locale, hash seed": Variation(
        env={
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C",
            "LANG": "de_DE.UTF-8",
            "PYTHONHASHSEED": "7",
        }
    ),
    "reversed listings, one core": Variation(
        env={"TZ": "America/Los_Angeles", "PYTHONHASHSEED": "99"},
        patch=REVERSED_LISTING + ONE_CORE,
        umask=0o002,
    ),
    "many cores": Variation(patch=MANY_CORES, env={"PYTHONHASHSEED": "0"}),
}


def fill(index: Index) -> None:
    index.add("ground")
    index.add("tool", entry_points={"tool": "tool:main"}, modules={"tool.py": "def main(): ..."})
    index.add(
        "with-data", data={"share/x": "42", "include-this/y": "43"}, scripts={"old": "#!python\n"}
    )
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    index.add(
        "native",
        tag=f"{tag}-{tag}-manylinux_2_17_x86_64",
        modules={"native/__init__.py": "", "native/b.py": "x", "native/a.py": "y"},
    )


@dataclass(frozen=True)
class Locked:
    """A project that was locked and published once."""

    project: Project
    reference: Path
    uv_cache: Path


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    root = tmp_path_factory.mktemp("reference")
    with Index(root / "index") as index:
        fill(index)
        files = {"top/__main__.py": "print('top')\n", "top/z.py": "", "top/a/b.py": "x = 1\n"}
        stack = f"platforms = ['linux_{platform.machine()}']\n{STACK}"
        project = Project.create(root / "project", stack, index=index, files=files)
        uv_cache = root / "uv-cache"
        environment = {"UV_CACHE_DIR": str(uv_cache), "VENVSTACKS_CACHE_DIR": str(root / "cache")}
        subprocess.run(
            [sys.executable, "-m", "venvlayers", "lock", "-q", project.root],
            env={**os.environ, **environment},
            check=True,
        )
        result = Locked(project, root / "archives", uv_cache)
        build(result.project.root, result.reference, Variation(), environment, sys.executable)
        yield result
    shutil.rmtree(root, ignore_errors=True)


def build(
    project: Path, output: Path, variation: Variation, caches: Mapping[str, str], python: str
) -> None:
    """Publish *project* as it is locked, under other circumstances."""
    environment = {**os.environ, **caches, **variation.env}
    program = PUBLISH.format(patch=variation.patch)
    completed = subprocess.run(
        [python, "-c", program, project, output],
        env=environment,
        umask=variation.umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr


def assert_same_outputs(first: Path, second: Path) -> None:
    names = sorted(path.name for path in first.glob("*.tar.zst"))
    assert names == sorted(path.name for path in second.glob("*.tar.zst"))
    assert len(names) == 3
    for name in names:
        assert_same_archives(first / name, second / name)
    assert layers(first) == layers(second)
    files = sorted((first / "__venvstacks__").rglob("*.json"))
    assert len(files) == 4
    for file in files:
        assert file.read_bytes() == (second / file.relative_to(first)).read_bytes()


def copy_sources(locked: Locked, target: Path) -> Path:
    """Copy the project as a checkout would: other file times, without what was built."""
    shutil.copytree(
        locked.project.root,
        target,
        ignore=shutil.ignore_patterns("_build"),
        copy_function=shutil.copyfile,
    )
    for number, file in enumerate(sorted(target.rglob("*"))):
        os.utime(file, (10**9 + number, 10**9 + number))  # X33: older than the lock
    return target


@pytest.mark.parametrize("name", VARIATIONS)
def test_x6_builds_of_one_lock_are_equal(locked: Locked, tmp_path: Path, name: str) -> None:
    """PR #148, K6, I18."""
    variation = VARIATIONS[name]
    project = copy_sources(locked, tmp_path / variation.directory / "project")
    uv_cache = tmp_path / "cold" if variation.cold else locked.uv_cache
    caches = {"UV_CACHE_DIR": str(uv_cache), "VENVSTACKS_CACHE_DIR": str(tmp_path / "cache")}
    build(project, tmp_path / "archives", variation, caches, sys.executable)
    assert_same_outputs(locked.reference, tmp_path / "archives")


def test_the_python_that_runs_the_tool_makes_no_difference(locked: Locked, tmp_path: Path) -> None:
    """3.11 to 3.13, each with the tool installed by ``nox -s tests``."""
    pythons = [python for python in TOOL_PYTHONS if python]
    if not pythons:
        pytest.skip("VENVSTACKS_TEST_PYTHONS names no other Python with the tool installed")
    for number, python in enumerate(pythons):
        project = copy_sources(locked, tmp_path / f"project-{number}")
        output = tmp_path / f"archives-{number}"
        caches = {
            "UV_CACHE_DIR": str(locked.uv_cache),
            "VENVSTACKS_CACHE_DIR": str(tmp_path / "cache"),
        }
        build(project, output, Variation(), caches, python)
        assert_same_outputs(locked.reference, output)
