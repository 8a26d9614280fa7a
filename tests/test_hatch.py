"""``hatch build -t venvstacks``, with the real hatch, as a user runs it."""

from __future__ import annotations

import errno
import os
import pty
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from support.deployments import Deployment, layers
from support.hatch import Hatch
from support.index import Index
from support.projects import Project
from support.stock import Stock
from venvlayers.files import sha256_file
from venvlayers.platforms import host_platform
from venvlayers.report import human_size

pytestmark = [
    pytest.mark.hatch,
    pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux"),
]

HERE = host_platform().name if sys.platform == "linux" else ""
LAYERS = ("base", "framework-middle", "app-top")
PRINTED = "versions: 1.0 1.0 1.0\n"
ESCAPE = "\x1b"


def files_in(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def written(root: Path) -> dict[Path, tuple[int, int]]:
    """Return what changes when a file is written again."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*")}


def published_files(tag: str = f"-{HERE}") -> set[str]:
    """Return what a publication of the small stack consists of."""
    metadata = {f"__venvstacks__/env_metadata/{name}{tag}.json" for name in LAYERS}
    archives = {f"{name}{tag}.tar.zst" for name in LAYERS}
    return {*archives, *metadata, f"__venvstacks__/venvstacks{tag}.json", f"SHA256SUMS{tag}"}


def top_level(project: Project) -> set[str]:
    return {path.name for path in project.root.iterdir()}


def expect_running(output_dir: Path, root: Path) -> None:
    deployment = Deployment.unpacked(output_dir, root)
    assert deployment.python("app-top", "-m", "top").stdout == PRINTED


@pytest.fixture
def shared(hatch: Hatch, stock: Stock) -> Hatch:
    """A hatch whose builds find what `published_project` was made from."""
    return replace(hatch, environment={**hatch.environment, **stock.caches})


@pytest.fixture
def no_uv(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give variables with a uv that fails, and tell afterwards if it was started."""
    program, started = tmp_path / "not-uv", tmp_path / "started"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> '{started}'\nexit 1\n")
    program.chmod(0o755)
    yield {"VENVSTACKS_UV": str(program)}
    assert not started.exists(), started.read_text()


def test_a_project_becomes_archives(
    hatch: Hatch, small_project: Project, index: Index, tmp_path: Path, no_uv: dict[str, str]
) -> None:
    """X1, #96."""
    plain = replace(
        hatch, environment={k: v for k, v in hatch.environment.items() if k != "NO_COLOR"}
    )
    result = plain("build", "-t", "venvstacks", cwd=small_project.root)
    assert files_in(small_project.dist) == published_files()
    assert top_level(small_project) == {
        "pyproject.toml",
        "top.py",
        "requirements",
        "_build",
        "dist",
    }
    assert ESCAPE not in result.output
    shares = "% from the cache"  # which layers that are made alike share
    assert "%" not in result.output.replace(shares, ""), "no progress in a log"
    for name in LAYERS:
        archive = small_project.dist / f"{name}-{HERE}.tar.zst"
        digest = sha256_file(archive)[: len("sha256:") + 12]
        size = re.escape(human_size(archive.stat().st_size))
        assert re.search(rf"^{archive.name} +{size}  {digest}  new$", result.output, re.MULTILINE)
        for verb in ("locking", "building", "publishing"):
            assert re.search(rf"^{verb} {name}\b", result.output, re.MULTILINE)
        assert layers(small_project.dist)[name]["target_platform"] == HERE
    assert f"\ndist/__venvstacks__/venvstacks-{HERE}.json\n" in result.output
    expect_running(small_project.dist, tmp_path / "deployed")

    asked, before = len(index.requests), written(small_project.dist)
    again = hatch("build", "-t", "venvstacks", cwd=small_project.root, env=no_uv)
    assert again.output.count("  unchanged\n") == 3
    assert not re.search("locking|building|publishing", again.output)
    assert len(index.requests) == asked
    assert written(small_project.dist) == before


def test_nothing_to_do_starts_no_uv_and_asks_no_index(
    shared: Hatch, published_project: Project, stock: Stock, no_uv: dict[str, str]
) -> None:
    asked = len(stock.index.requests)
    result = shared("build", "-t", "venvstacks", cwd=published_project.root, env=no_uv)
    assert result.output.count("  unchanged\n") == 3
    assert len(stock.index.requests) == asked


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_a_location_is_where_outputs_go(
    shared: Hatch, published_project: Project, tmp_path: Path, kind: str
) -> None:
    shutil.rmtree(published_project.dist)
    place = tmp_path / "other place" if kind == "absolute" else Path("out", "put")
    result = shared("build", "-t", "venvstacks", str(place), cwd=published_project.root)
    assert files_in(published_project.root / place) == published_files()
    assert not published_project.dist.exists()
    shown = f"{place}/__venvstacks__/venvstacks-{HERE}.json"
    assert shown in result.output.replace("\n", "")


def test_lock_locks_and_does_no_more(hatch: Hatch, small_project: Project) -> None:
    result = hatch("build", "-t", "venvstacks:lock", cwd=small_project.root)
    locked = {path.parent.name for path in small_project.root.glob("requirements/*/pylock.*.toml")}
    assert locked == set(LAYERS)
    assert files_in(small_project.dist) == set(), "Hatch makes the directory"
    # Some filelocks remove the file of a lock when they release it.
    assert files_in(small_project.root / "_build") - {".lock"} == {".gitignore"}
    assert [f"lock: {name}" in result.output for name in LAYERS] == [True] * 3


def test_build_builds_and_does_not_publish(shared: Hatch, published_project: Project) -> None:
    shutil.rmtree(published_project.dist)
    shutil.rmtree(published_project.root / "_build")
    result = shared("build", "-t", "venvstacks:build", cwd=published_project.root)
    for name in LAYERS:
        assert (published_project.root / "_build" / HERE / name / "bin" / "python").exists()
        assert f"build: {name}" in result.output
    assert files_in(published_project.dist) == set()


def test_local_export_makes_directories_that_run(
    shared: Hatch, published_project: Project, tmp_path: Path
) -> None:
    shutil.rmtree(published_project.dist)
    shared("build", "-t", "venvstacks:local-export", cwd=published_project.root)
    exported = published_project.dist / "local-export"
    assert {path.name for path in exported.iterdir()} == {*LAYERS, "__venvstacks__"}
    assert not list(published_project.dist.rglob("*.tar*"))
    exported.rename(tmp_path / "elsewhere")
    shutil.rmtree(published_project.root)
    deployment = Deployment(tmp_path / "elsewhere")
    assert deployment.python("app-top", "-m", "top").stdout == PRINTED


def test_several_verbs_in_one_command(shared: Hatch, published_project: Project) -> None:
    shutil.rmtree(published_project.dist)
    shutil.rmtree(published_project.root / "requirements")
    target = "venvstacks:lock,local-export"
    shared("build", "-t", target, cwd=published_project.root)
    assert (published_project.root / "requirements" / "base").is_dir()
    assert {path.name for path in published_project.dist.iterdir()} == {"local-export"}


def test_an_unknown_verb(shared: Hatch, published_project: Project) -> None:
    result = shared("build", "-t", "venvstacks:pack", cwd=published_project.root, check=False)
    assert result.returncode == 2
    assert "there is no `-t venvstacks:pack`, only `-t venvstacks:publish`" in result.output
    assert "Traceback" not in result.output


def test_a_project_without_a_name(shared: Hatch, published_project: Project) -> None:
    """Hatchling raises a ValueError, for every target."""
    pyproject = published_project.root / "pyproject.toml"
    document = tomllib.loads(pyproject.read_text())
    del document["project"]
    pyproject.write_text(tomli_w.dumps(document))
    before = files_in(published_project.dist)
    result = shared("build", "-t", "venvstacks", cwd=published_project.root, check=False)
    assert result.returncode == 3
    assert "hint: Hatch needs a [project] with a name and a version" in result.output
    assert "Traceback" not in result.output
    assert files_in(published_project.dist) == before


@pytest.mark.parametrize("said", ["for the target", "for the stack", "for both"])
def test_outputs_without_the_platform_in_their_names(
    shared: Hatch, published_project: Project, said: str
) -> None:
    """What is said for the target wins."""
    shutil.rmtree(published_project.dist)
    tool = published_project.read_pyproject()["tool"]
    if said != "for the stack":
        tool["hatch"] = {"build": {"targets": {"venvstacks": {"tag-outputs": False}}}}
    if said != "for the target":
        tool["venvstacks"]["tag-outputs"] = said == "for both"
    published_project.write_pyproject(tool)
    shared("build", "-t", "venvstacks", cwd=published_project.root)
    assert files_in(published_project.dist) == published_files(tag="")


def test_the_smallest_archives(shared: Hatch, published_project: Project) -> None:
    stack = published_project.stack()
    published_project.set_stack(stack | {"archive-format": "tar.gz", "compression-level": 1})
    levels = []
    for env in ({}, {"VENVSTACKS_BEST": "1"}):
        shared("build", "-t", "venvstacks", cwd=published_project.root, env=env)
        published = layers(published_project.dist).values()
        levels.append({layer["archive_codec"]["level"] for layer in published})
    assert levels == [{1}, {9}]


def test_an_option_of_the_wrong_type(shared: Hatch, published_project: Project) -> None:
    tool = published_project.read_pyproject()["tool"]
    options = {"tag-outputs": "no", "platforms": "all", "platfroms": []}
    tool["hatch"] = {"build": {"targets": {"venvstacks": options}}}
    published_project.write_pyproject(tool)
    result = shared("build", "-t", "venvstacks", cwd=published_project.root, check=False)
    assert result.returncode == 3
    where = "tool.hatch.build.targets.venvstacks"
    said = result.output.replace("\n", " ")
    assert f"{where}.tag-outputs: must be true or false" in said
    assert f"{where}.platforms: must be an array of names" in said
    assert f"{where}.platfroms: unknown key (did you mean 'platforms'?)" in said
    assert "Traceback" not in result.output


FOREIGN = ("notes.txt", "other-1.0.tar.zst", "__venvstacks__/mine.json", "local-export/x/y.txt")


def test_cleaning_removes_what_was_published_and_nothing_else(
    shared: Hatch, published_project: Project
) -> None:
    for name in FOREIGN:
        published_project.write(f"dist/{name}", "mine\n")
    shared("build", "-c", "-t", "venvstacks:lock", cwd=published_project.root)
    assert files_in(published_project.dist) == set(FOREIGN)
    result = shared("build", "-c", "-t", "venvstacks", cwd=published_project.root)
    assert files_in(published_project.dist) == {*FOREIGN, *published_files()}
    assert result.output.count("  new\n") == 3


def test_the_wheel_target_works_beside_it(shared: Hatch, published_project: Project) -> None:
    tool = published_project.read_pyproject()["tool"]
    tool["hatch"] = {"build": {"targets": {"wheel": {"only-include": ["top.py"]}}}}
    published_project.write_pyproject(tool)
    shared("build", "-t", "wheel", "-t", "venvstacks", cwd=published_project.root)
    wheel = "demo-1.0-py2.py3-none-any.whl"
    assert files_in(published_project.dist) == {wheel, *published_files()}
    shared("build", "-c", "-t", "venvstacks:lock", cwd=published_project.root)
    assert files_in(published_project.dist) == {wheel}


def test_another_target_does_not_look_at_the_stack(hatch: Hatch, tmp_path: Path) -> None:
    files = {"demo.py": "x = 1\n"}
    project = Project.create(tmp_path / "project", {"framewroks": 1}, files=files)
    hatch("build", "-t", "wheel", cwd=project.root)
    assert files_in(project.dist) == {"demo-1.0-py2.py3-none-any.whl"}
    assert top_level(project) == {"pyproject.toml", "demo.py", "dist"}


def test_locked_refuses_to_change_a_lock(shared: Hatch, published_project: Project) -> None:
    locked = {"VENVSTACKS_LOCKED": "1"}
    command = ("build", "-t", "venvstacks")
    assert shared(*command, cwd=published_project.root, env=locked).returncode == 0
    stack = published_project.stack()
    stack["frameworks"][0]["requirements"] = ["storey", "ground"]
    published_project.set_stack(stack)
    before = files_in(published_project.root)
    result = shared(*command, cwd=published_project.root, env=locked, check=False)
    assert result.returncode == 4
    assert "framework-middle: its requirements changed" in result.output
    shutil.rmtree(published_project.root / "requirements" / "app-top")
    result = shared(*command, cwd=published_project.root, env=locked, check=False)
    assert result.returncode == 4
    assert "app-top: it has no lock yet" in result.output
    assert "Traceback" not in result.output
    assert files_in(published_project.root) == {f for f in before if "s/app-top/" not in f}
    unset = {"VENVSTACKS_LOCKED": "0"}
    shared("build", "-t", "venvstacks:lock", cwd=published_project.root, env=unset)
    assert (published_project.root / "requirements" / "app-top").is_dir()


def test_details_when_verbose(shared: Hatch, published_project: Project) -> None:
    command = re.compile(r"^running \S*uv pip install ", re.MULTILINE)
    for verbosity in ([], ["-v"]):
        shutil.rmtree(published_project.root / "_build" / HERE / "app-top")
        arguments = (*verbosity, "build", "-t", "venvstacks:build")
        output = shared(*arguments, cwd=published_project.root).output
        assert "building app-top" in output
        assert bool(command.search(output)) == bool(verbosity)


def on_a_terminal(hatch: Hatch, *arguments: str, cwd: Path) -> tuple[int, str]:
    """Run hatch with a terminal for its input and outputs; return its status and what it shows."""
    ours, theirs = pty.openpty()
    environment = {key: hatch.environment[key] for key in hatch.environment if key != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "hatch", *arguments],
        cwd=cwd,
        env={**environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError as error:  # Linux' way to say that the other end is closed
            if error.errno != errno.EIO:
                raise
        finally:
            os.close(ours)
    return process.returncode, shown.decode()


def test_progress_on_a_terminal(shared: Hatch, published_project: Project, tmp_path: Path) -> None:
    shutil.rmtree(published_project.dist)
    command = ("build", "-t", "venvstacks")
    status, shown = on_a_terminal(shared, *command, cwd=published_project.root)
    assert status == 0, shown
    assert ESCAPE in shown
    assert re.search(r"publishing base.*━.*\d+\.\d/\d+\.\d MB", shown), "a bar with bytes"
    assert re.search(rf"app-top-{HERE}\.tar\.zst .*sha256:[0-9a-f]{{12}}", shown)
    assert files_in(published_project.dist) == published_files()
    expect_running(published_project.dist, tmp_path / "deployed")


def test_no_progress_when_quiet(shared: Hatch, published_project: Project) -> None:
    published_project.write("top.py", "print('changed')\n")
    command = ("-q", "build", "-t", "venvstacks")
    status, shown = on_a_terminal(shared, *command, cwd=published_project.root)
    assert status == 0, shown
    assert "━" not in shown
    assert files_in(published_project.dist) == published_files()


def test_hatch_reads_its_own_file_only(shared: Hatch, published_project: Project) -> None:
    published_project.write("venvstacks.toml", "[[framewroks]]\n")
    result = shared("build", "-t", "venvstacks", cwd=published_project.root)
    assert result.output.count("  unchanged\n") == 3
